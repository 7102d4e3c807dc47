"""Captured writes of one row become the next state of the row, under one dot."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory_region.database import Captured, Columns
from region_operator.replication.catalog import Entity
from region_operator.replication.model import RowState, Value, local_write


@dataclass(frozen=True)
class Row:
    """A row as it lies in the business table now, and its last state; None where there is none."""

    entity: Entity
    key: str
    columns: Columns | None
    before: RowState | None


def folded(row: Row, captured: Sequence[Captured], *, actor: str, now: str) -> RowState | None:
    """Return the state after the writes; None for a row that came and went, of which nobody has to know."""
    if row.columns is None:
        changes = _gone(row, captured, now=now) if row.before is not None else None
        deleted = True
    else:
        changes = _present(row, row.columns, captured)
        deleted = row.entity.removed is not None and row.columns[row.entity.removed] is not None
    if changes is None:
        return None
    return local_write(row.before, entity=row.entity.name, key=row.key, actor=actor, changes=changes, deleted=deleted)


def _gone(row: Row, captured: Sequence[Captured], *, now: str) -> dict[str, Value]:
    """What was written before the row went, and when it went."""
    olds = _olds(row, captured)
    last, removed = olds[-1], row.entity.removed
    changed = _changed(captured) | {name for name, value in last.items() if olds[0].get(name) != value}
    changes = {name: last[name] for name in sorted(changed & last.keys())}
    if removed is not None and last.get(removed) is None:
        changes[removed] = now
    return changes


def _present(row: Row, columns: Columns, captured: Sequence[Captured]) -> dict[str, Value]:
    values, olds = row.entity.values(columns, key=row.key), _olds(row, captured)
    changed = _changed(captured) & values.keys()
    if row.before is None or (any(one.op == "I" for one in captured) and not olds):
        changed = frozenset(values)
    elif olds:  # deleted and made again: an update of what differs
        changed |= {name for name, value in values.items() if olds[0].get(name) != value}
    return {name: values[name] for name in sorted(changed)}


def _olds(row: Row, captured: Sequence[Captured]) -> list[dict[str, Value]]:
    return [row.entity.values(one.old, key=row.key) for one in captured if one.op == "D" and one.old is not None]


def _changed(captured: Sequence[Captured]) -> frozenset[str]:
    return frozenset[str]().union(*(one.changed for one in captured))
