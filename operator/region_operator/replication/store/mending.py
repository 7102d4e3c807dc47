"""Rows that drifted behind the triggers: captured as changes of this region, or put back to what they were.

What a row was, the peer says, field by field: what it holds under the very same name of a write, for a dot names one
value for ever. To put a row back, these values are kept with its version and shown as ever, so nothing is minted.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.state import RowState, Value
from region_operator.replication.store import contents, rows, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout


@dataclass
class Drift:
    """Rows of one entity that are not as they were versioned.

    Attributes:
        changed: fields that are others than they were, by key; those that nobody knows where these do not tell it.
        gone: rows that are not there any more.
        unchanged: rows that say the same as ever, in other bytes.
        whole: what rows were, where that is known; fields that nobody knows are as they stand.
    """

    entity: str
    changed: dict[str, Collection[str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    whole: dict[str, RowState] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        return sorted(self.changed.keys() | self.gone)


def find(session: Session, layout: Layout, entity: str, keys: Collection[str], *, peers: FetchedRows | None) -> Drift:
    """Look at these rows once more, now that nobody but the cloud writes."""
    drift, table = Drift(entity), layout.tables[entity]
    names = [RowKey(entity, key) for key in contents.drifted(session, layout, entity, keys)]
    known = versions.load(session, layout, names)
    business = rows.read_keys(session, layout, names)
    held = {row.row_key: codec.decode(row.state) for row in peers.rows} if peers is not None else {}
    for row in names:
        state = known[row].names()
        was = _same(state, held[row]) if row in held else {}
        now = table.entity.values(business[row].columns, key=row.key) if row in business else None
        if now is None:
            drift.gone.add(row.key)
            told = was.keys() == state.registers.keys()
        else:
            fields = frozenset(name for name, value in was.items() if now[name] != value)
            told = bool(fields)
            if fields or was.keys() != now.keys():
                drift.changed[row.key] = fields or now.keys() - was.keys()
            else:
                drift.unchanged.add(row.key)
        if told:
            drift.whole[row.key] = versions.filled(state, {**(now or {}), **was})
    return drift


def capture(session: Session, layout: Layout, drift: Drift) -> list[RowKey]:
    """Write down what happened as the triggers would have; returns the rows to fold."""
    gone = drift.gone & drift.whole.keys()
    _keep_values(session, layout, drift, gone)
    contents.record(session, layout, drift.entity, drift.changed, op="U")
    contents.record(session, layout, drift.entity, dict.fromkeys(gone, ()), op="D")
    return [RowKey(drift.entity, key) for key in [*drift.changed, *sorted(gone)]]


def revert(session: Session, layout: Layout, drift: Drift) -> list[RowKey]:
    """Let the versions hold what the rows were; returns the rows to show again."""
    _keep_values(session, layout, drift, drift.whole)
    return [RowKey(drift.entity, key) for key in drift.whole]


def _keep_values(session: Session, layout: Layout, drift: Drift, keys: Collection[str]) -> None:
    session.execute_each(
        f"UPDATE {layout.own('row_version')} SET complete = 1, state = %s WHERE entity = %s AND entity_key = %s",
        [(codec.encode(drift.whole[key]), drift.entity, key) for key in sorted(keys)],
    )


def _same(ours: RowState, theirs: RowState) -> dict[str, Value]:
    """What another region holds under the same names of writes, by field."""
    return {
        name: theirs.registers[name][0].value
        for name, register in ours.registers.items()
        if [pair.dot for pair in register] == [pair.dot for pair in theirs.registers.get(name, ())]
    }
