"""Captured changes of rows about which nothing is open: their versions follow from the names of the changed fields.

No value is read: it stays in the business row. What does not qualify is left to `Application`, with the same results.
"""

from collections.abc import Collection, Mapping, Sequence

from region_operator.replication.feed import RowKey
from region_operator.replication.model import plain
from region_operator.replication.model.plain import Plain
from region_operator.replication.store import clashes, fold, incarnations, parked, sets, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context, Outcome
from region_operator.replication.store.fold import Entry
from region_operator.replication.store.layout import Table
from region_operator.replication.store.rows import by_entity
from region_operator.replication.store.versions import VersionText


class PlainFold:
    """One transaction's plain rows; what is done is counted into ``outcome``. Holds the lane."""

    def __init__(self, session: Session, context: Context, outcome: Outcome) -> None:
        self._session, self._context, self._outcome = session, context, outcome
        self._layout = context.layout
        self._new: list[VersionText] = []
        self._entries: list[int] = []
        self._named: set[RowKey] = set()

    def run(self, keys: Collection[RowKey]) -> list[RowKey]:
        """Version what is plain and return the rest."""
        grouped = by_entity(keys)
        for entity in sorted(grouped, key=self._layout.depth):
            table = self._layout.tables[entity]
            if not table.entity.is_uniform:
                continue
            self._fold(table, [RowKey(entity, key) for key in grouped[entity] if key not in table.well_known])
        done = {version.row for version in self._new}
        if done:
            self._finish(done)
        return [row for row in keys if row not in done]

    def _fold(self, table: Table, keys: Collection[RowKey]) -> None:
        known = versions.load_texts(self._session, self._layout, table.entity.name, [row.key for row in keys])
        ids = sets.lock_keys(self._session, table, [row.key for row in keys])
        locked = [row for row in keys if row.key in ids]
        entries = fold.captured_entries(self._session, self._layout, locked)
        presentable = sets.presentable(self._session, self._layout, table, list(ids.values()))
        made: dict[int, RowKey] = {}
        for row in locked:
            if row in entries and ids[row.key] in presentable:
                state = self._state(table, row, entries[row], known)
                if state is not None:
                    text = plain.encode(state)
                    self._new.append(VersionText(row, text, complete=False, alive=True))
                    self._entries += [entry.id for entry in entries[row]]
                    made |= {} if row.key in known else {ids[row.key]: row}
        self._named |= {made[id_] for id_ in sets.namesakes(self._session, self._layout, table, list(made))}

    def _state(
        self, table: Table, row: RowKey, entries: Sequence[Entry], known: Mapping[str, str | None]
    ) -> Plain | None:
        operations = {entry.op for entry in entries}
        fields: frozenset[str] = frozenset(table.entity.field_names)
        local = None
        if row.key not in known:
            if entries[0].op != "I" or "D" in operations:
                return None
        else:
            text = known[row.key]
            local = plain.parse_own(text) if text is not None else None
            changed = frozenset[str]().union(*(entry.changed for entry in entries)) & fields
            if local is None or operations != {"U"} or not changed or changed & _concerning_others(table):
                return None
            if local.registers.keys() != fields:
                return None
            fields = changed
        return plain.write(local, key=(row.entity, row.key), fields=fields, actor=self._context.tenure.actor)

    def _finish(self, done: Collection[RowKey]) -> None:
        session, layout, outcome = self._session, self._layout, self._outcome
        outcome.woken += parked.waiting_for(session, layout, done)
        if self._named:
            outcome.opened_conflicts += clashes.check(session, layout, self._named, self._named, source=0)
        fold.forget(session, layout, self._entries)
        outcome.head = versions.write_texts(session, layout, self._new)
        incarnations.witness(session, layout, lsn=outcome.head)
        outcome.changed += len(done)


def _concerning_others(table: Table) -> frozenset[str]:
    """Fields whose change may end or begin a clash of names, or move or end the row."""
    entity = table.entity
    names = {name.split(".")[0] for unique in entity.unique if not unique.indexed for name in unique.columns}
    names |= {field.name for field in table.references} | ({entity.removed} if entity.removed is not None else set())
    return frozenset(field.name for field in entity.fields_of_columns(names))
