"""Rows that drifted behind the triggers: captured as changes of this region, or put back to what they were.

What a row was, the peer says, field by field: what it holds under the very same name of a write, for a dot names one
value for ever. To put a row back, these values are kept with its version and shown as ever, so nothing is minted.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import pymysql

from region_operator.replication.catalog import Column
from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.state import RowState, Scalar, Value
from region_operator.replication.store import contents, fold, parked, rows, sets, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.documents import TEXT, documents, source
from region_operator.replication.store.faults import is_deadlock, is_gone
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.plain_columns import changeable_fields


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


def put_back(session: Session, layout: Layout, drift: Drift) -> set[str]:
    """Write fields that concern no other row back, into all rows together; returns those that are as they were again.

    Nothing else is to be done about these: their versions have said so all the time.
    """
    table, names = (
        layout.tables[drift.entity],
        {RowKey(drift.entity, key) for key in drift.changed.keys() & drift.whole},
    )
    open_ = parked.reasons(session, layout, names).keys() | fold.captured_keys(session, layout, names)
    free = changeable_fields(table)
    wanted = {row.key for row in names - open_ if free.issuperset(drift.changed[row.key])}
    held = sets.lock_keys(session, table, wanted)
    written: dict[tuple[Column, ...], dict[int, list[Scalar]]] = {}
    for key, local_id in held.items():
        fields = [field for field in table.entity.fields if field.name in drift.changed[key]]
        columns = tuple(column for field in fields for column in field.columns)
        values = [value for field in fields for value in field.arrives(_value(drift.whole[key], field.name)).values()]
        written.setdefault(columns, {})[local_id] = values
    try:
        with session.savepoint():
            for columns, rows_ in written.items():
                sets.update(session, table, columns, rows_)
    except pymysql.Error as error:
        if is_deadlock(error) or is_gone(error):
            raise
        return set()  # one by one it shows which of them cannot be written, and why
    return held.keys() - contents.drifted(session, layout, drift.entity, held)


def revert(session: Session, layout: Layout, drift: Drift, keys: Collection[str]) -> list[RowKey]:
    """Let the versions of these rows hold what they were; returns the rows to show again."""
    _keep_values(session, layout, drift, keys)
    return [RowKey(drift.entity, key) for key in sorted(keys)]


def _keep_values(session: Session, layout: Layout, drift: Drift, keys: Collection[str]) -> None:
    placed = source([("entity", TEXT), ("entity_key", TEXT), ("state", TEXT)])
    for document in documents((drift.entity, key, codec.encode(drift.whole[key])) for key in sorted(keys)):
        session.execute(
            f"UPDATE {placed} STRAIGHT_JOIN {layout.own('row_version')} v ON v.entity = r.entity "
            "AND v.entity_key = r.entity_key SET v.complete = 1, v.state = r.state",
            (document,),
        )


def _value(state: RowState, name: str) -> Value:
    return state.registers[name][0].value


def _same(ours: RowState, theirs: RowState) -> dict[str, Value]:
    """What another region holds under the same names of writes, by field."""
    return {
        name: theirs.registers[name][0].value
        for name, register in ours.registers.items()
        if [pair.dot for pair in register] == [pair.dot for pair in theirs.registers.get(name, ())]
    }
