"""Rows as they come from a peer, made into states; what cannot be a state of ours is parked as text, never dropped."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from region_operator.errors import InvalidInput
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import FeedRow, RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.state import RowState
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.parked import Reason
from region_operator.replication.store.schema import KEY_LENGTH

ENTITY_LENGTH = 32


@dataclass(frozen=True)
class Item:
    """A row to be applied; ``remote`` is None for one that is here already and only has to become visible."""

    row: RowKey
    remote: RowState | None = None
    text: str | None = None
    lsn: int = 0


def take_in(layout: Layout, rows: Iterable[FeedRow]) -> tuple[list[Item], dict[RowKey, Reason]]:
    """Split rows into states and reasons to park them; rows of entities that are left out are passed over."""
    items: dict[RowKey, Item] = {}
    refused: dict[RowKey, Reason] = {}
    for row in rows:
        if row.entity in layout.left_out:
            continue  # it stays with its source, which is read again when the entity is taken again
        # A name too long for our tables cannot be parked under itself; nothing of ours is called so.
        key = RowKey(row.entity[:ENTITY_LENGTH], row.key[:KEY_LENGTH])
        try:
            items[key] = Item(key, _state(layout, row), row.state, row.lsn)
        except InvalidInput as error:
            refused[key] = Reason(error.reason, str(error), payload=row.state)
    return list(items.values()), refused


def _state(layout: Layout, row: FeedRow) -> RowState:
    table = layout.tables.get(row.entity)
    if table is None:
        raise _fault("entity", f"this region knows no {row.entity[:ENTITY_LENGTH]!r}", "UnknownEntity")
    if len(row.key) > KEY_LENGTH:
        raise _fault("key", f"has {len(row.key)} characters, {KEY_LENGTH} are stored", "MalformedState")
    state = codec.decode(row.state)
    if (state.entity, state.key) != (row.entity, row.key):
        raise _fault("state", f"is that of {state.entity} {state.key}", "MalformedState")
    if not table.entity.is_synced(row.key):
        raise _fault("key", f"{row.key} stays in its region", "NotSynced")
    if any(name != row.key for name in _names(table.entity, state)):
        raise _fault("key", f"{row.key} is not what its fields say", "MalformedState")
    if missing := table.entity.missing_fields(state):
        raise _fault("state", f"lacks {', '.join(missing)}", "SchemaSkew")
    return state


def _names(entity: Entity, state: RowState) -> Iterable[str | None]:
    """The keys that the fields of a state give it, where fields do; they never change, so there is one."""
    named = [[pair.value for pair in state.registers.get(name, ())] for name in entity.key_fields]
    for values in product(*named) if named else ():
        yield entity.key_of(dict(zip(entity.key_fields, values, strict=True)))


def _fault(field: str, problem: str, reason: str) -> InvalidInput:
    return InvalidInput(field=field, problem=problem, remedy="compare the versions of both agents", reason=reason)
