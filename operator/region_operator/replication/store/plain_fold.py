"""Captured changes of rows about which nothing is open: their versions follow from the names of the changed fields.

No value is read: it stays in the business row, and rows of one shape get the same next shape, worked out once
(``model.shapes``). What does not qualify is left to `Application`, with the same results.
"""

from collections.abc import Collection, Sequence

from region_operator.replication.feed import RowKey
from region_operator.replication.model import plain, shapes
from region_operator.replication.store import clashes, fold, incarnations, parked, sets, standing, versions
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
        self._shapes = shapes.Finder()

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
        held = standing.lock(self._session, self._layout, table, [row.key for row in keys])
        entries = fold.captured_entries(self._session, self._layout, [row for row in keys if row.key in held])
        concerning_others = _concerning_others(table)
        made: dict[int, RowKey] = {}
        for row, captured in entries.items():
            stands = held[row.key]
            if not stands.presentable:
                continue
            if row.key in known:
                text = self._changed(table, row, captured, known[row.key], others=concerning_others)
            else:
                text = self._made(table, row, captured)
                made |= {stands.local_id: row} if text is not None else {}
            if text is not None:
                new = VersionText(row, text, complete=False, alive=True, content_hash=stands.content_hash)
                self._new.append(new)
                self._entries += [entry.id for entry in captured]
        self._named |= {made[id_] for id_ in sets.namesakes(self._session, self._layout, table, list(made))}

    def _made(self, table: Table, row: RowKey, entries: Sequence[Entry]) -> str | None:
        """The text of a row's first version; None if more than its making was captured."""
        if entries[0].op != "I" or any(entry.op == "D" for entry in entries):
            return None
        name, fields = (row.entity, row.key), table.entity.field_names
        return plain.encode(plain.write(None, key=name, fields=fields, actor=self._context.tenure.actor))

    def _changed(
        self, table: Table, row: RowKey, entries: Sequence[Entry], text: str | None, *, others: frozenset[str]
    ) -> str | None:
        """The text of a known row's next version; None if it takes more than the names of fields to say."""
        changed = entries[0].changed.union(*(entry.changed for entry in entries[1:]))
        changed = changed.intersection(table.entity.field_names)
        if text is None or not changed or changed & others or any(entry.op != "U" for entry in entries):
            return None
        name, actor = (row.entity, row.key), self._context.tenure.actor
        if (found := self._shapes.find(text, key=row.key)) is not None:
            fields = table.entity.field_names
            after = shapes.written(found[0], entity=row.entity, fields=fields, changed=changed, actor=actor)
            if after is not None:
                return after.text(key=row.key, genesis=found[1])
        local = plain.parse_own(text)
        if local is None or local.registers.keys() != set(table.entity.field_names):
            return None
        return plain.encode(plain.write(local, key=name, fields=changed, actor=actor))

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
