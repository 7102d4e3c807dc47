"""Rows as they come from a peer, made into states; what cannot be a state is parked as text, never dropped."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from region_operator.errors import InvalidInput
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import FeedRow, RowKey
from region_operator.replication.model import RowState, decode
from region_operator.replication.store.parked import Reason

decoded = lru_cache(maxsize=4096)(decode)


@dataclass(frozen=True)
class Item:
    """A row to be applied; ``remote`` is None for one that is here already and only has to become visible."""

    row: RowKey
    remote: RowState | None = None
    text: str | None = None
    lsn: int = 0


def take_in(
    rows: Iterable[FeedRow], catalog: Mapping[str, Entity], left_out: Collection[str]
) -> tuple[list[Item], dict[RowKey, Reason]]:
    """Split rows into states and reasons to park them; rows of entities that are left out are passed over."""
    items: dict[RowKey, Item] = {}
    refused: dict[RowKey, Reason] = {}
    for row in rows:
        if row.entity in left_out:
            continue
        try:
            items[row.row_key] = Item(row.row_key, _taken_in(row, catalog), row.state, row.lsn)
        except InvalidInput as error:
            refused[row.row_key] = Reason(error.reason, str(error), payload=row.state)
    return list(items.values()), refused


def _taken_in(row: FeedRow, catalog: Mapping[str, Entity]) -> RowState:
    entity = catalog.get(row.entity)
    if entity is None:
        raise _fault(f"this region knows no {row.entity!r}", "UnknownEntity")
    state = decoded(row.state)
    if (state.entity, state.key) != (row.entity, row.key):
        raise _fault(f"is that of {state.entity} {state.key}", "MalformedState")
    if not entity.is_synced(row.key):
        raise _fault(f"{row.key} stays in its region", "NotSynced")
    if missing := entity.missing_fields(state):
        raise _fault(f"lacks {', '.join(missing)}", "SchemaSkew")
    return state


def _fault(problem: str, reason: str) -> InvalidInput:
    return InvalidInput(field="state", problem=problem, remedy="compare the versions of both agents", reason=reason)
