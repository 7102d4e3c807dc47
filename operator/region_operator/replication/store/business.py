"""Writes projected rows into the business tables: parents first, names that swap, one bad row at a time.

Rows are found by local id and never by ON DUPLICATE KEY UPDATE or REPLACE, which hit the wrong row where a second
unique index is met first.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pymysql

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Field, Unique
from region_operator.replication.feed import RowKey
from region_operator.replication.model.projection import Projection
from region_operator.replication.model.state import Scalar
from region_operator.replication.store import names, parked, tree
from region_operator.replication.store.aliases import Aliases
from region_operator.replication.store.connections import Session
from region_operator.replication.store.faults import is_deadlock, is_duplicate, is_gone, is_lock_error
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.parked import Reason
from region_operator.replication.store.rows import BusinessRow, local_ids

_SHIFTS = 10


class Unwritable(Exception):
    """A row cannot be made visible now; says why."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.message)


@dataclass
class Target:
    """A row to be made visible.

    Attributes:
        current: the business row as it stands; None if there is none.
        insert_dead: a child needs the row although it is removed.
        parent_override: key of the parent that the row is shown under, to break a circle.
    """

    row: RowKey
    projection: Projection
    current: BusinessRow | None
    insert_dead: bool = False
    parent_override: str | None = None


@dataclass
class Written:
    """What a transaction has done to business tables: local ids by key, and what follows from it for trees."""

    ids: dict[RowKey, int] = field(default_factory=dict)
    deferred: dict[RowKey, RowKey] = field(default_factory=dict)
    moved: dict[str, set[int]] = field(default_factory=dict)
    parents: dict[str, set[int]] = field(default_factory=dict)


class BusinessTables:
    """The business tables inside one transaction of the lane."""

    def __init__(self, session: Session, layout: Layout) -> None:
        self._session, self._layout = session, layout
        self._aliases = Aliases(session, layout)
        self.written = Written()
        self._cleared: dict[RowKey, list[str]] = {}

    def write(self, target: Target) -> None:
        """Insert or update one row; raises Unwritable, then the row is as it was."""
        table = self._layout.tables[target.row.entity]
        problems = table.entity.problems(target.projection.values)
        if problems:
            raise Unwritable(Reason("WriteRefused", "; ".join(problems)))
        if target.current is None and not target.projection.alive and not target.insert_dead:
            return
        try:
            columns = self._columns(table, target)
            self._check_way_up(table, target, columns)
            self._check_names(table, target, columns)
            self._store_shifted(table, target, columns)
        except pymysql.Error as error:
            if is_deadlock(error) or is_gone(error):
                raise
            raise Unwritable(self._why(table, target, columns, error)) from error

    def clear_unique(self, targets: list[Target]) -> None:
        """Take indexed unique values away from rows that give them up, so that values can swap between rows."""
        for target in targets:
            table = self._layout.tables[target.row.entity]
            if target.current is None:
                continue
            for unique in table.entity.unique:
                self._clear(table, target, unique)

    def give_back(self, target: Target) -> None:
        """Put back what ``clear_unique`` took from a row that could not be written after all."""
        table = self._layout.tables[target.row.entity]
        for name in self._cleared.pop(target.row, []):
            assert target.current is not None
            with contextlib.suppress(pymysql.IntegrityError), self._session.savepoint():
                self._session.execute(
                    f"UPDATE {table.sql} SET {quote_identifier(name)} = %s WHERE {table.local_id} = %s",
                    (target.current.columns[name], target.current.local_id),
                )

    def refresh_trees(self) -> None:
        for name, table in self._layout.tables.items():
            if table.entity.tree is not None:
                moved, parents = self.written.moved.get(name, set()), self.written.parents.get(name, set())
                tree.refresh(self._session, table, table.entity.tree, moved=moved, parents=parents)

    def local_id(self, row: RowKey) -> int | None:
        if row not in self.written.ids:
            found = local_ids(self._session, self._layout.tables[row.entity], [row.key])
            if row.key not in found:
                return None
            self.written.ids[row] = found[row.key]
        return self.written.ids[row]

    def _columns(self, table: Table, target: Target) -> dict[str, Scalar]:
        """The columns to write, local ids in place of keys; raises Unwritable for a parent that is not there."""
        columns: dict[str, Scalar] = {}
        for definition in table.entity.fields:
            if definition.name not in target.projection.values:
                continue
            value = target.projection.values[definition.name]
            if definition.reference is not None:
                override = table.entity.tree is not None and definition.name == table.entity.tree.parent
                key = target.parent_override if override and target.parent_override is not None else value
                columns[definition.name] = self._parent(target, definition, key if isinstance(key, str) else None)
                continue
            columns |= definition.arrives(value)
        return columns

    def _parent(self, target: Target, definition: Field, key: str | None) -> int | None:
        if key is None or definition.reference is None:
            return definition.absent
        parent = RowKey(definition.reference, key)
        local_id = self.local_id(parent)
        if local_id is None and (adopter := self._aliases.final(parent)) != parent:
            if definition.name in self._layout.tables[target.row.entity].entity.key_fields:
                message = f"{parent.key} was adopted by {adopter.key}; the region where it lived names this row anew"
                raise Unwritable(Reason("AdoptedParent", message))
            parent, local_id = adopter, self.local_id(adopter)
        if local_id is not None:
            return local_id
        if not definition.deferred:
            message = f"{definition.name} refers to {parent.entity} {parent.key}, which is not here"
            raise Unwritable(Reason("MissingReference", message, waits_for=parent))
        self.written.deferred[target.row] = parent
        if target.current is not None and target.current.local[definition.name] is not None:
            return target.current.local[definition.name]
        if definition.placeholder is None:
            return definition.absent
        return self.local_id(RowKey(definition.reference, definition.placeholder))

    def _store_shifted(self, table: Table, target: Target, columns: dict[str, Scalar]) -> None:
        """Store a row; one that was removed in the same second as its namesake is removed here a second later."""
        removed = table.entity.removed
        when = columns.get(removed) if removed is not None else None
        for seconds in range(_SHIFTS):
            try:
                with self._session.savepoint():
                    self._store(table, target, columns)
            except pymysql.IntegrityError as error:
                if removed is None or not isinstance(when, str) or not is_duplicate(error) or seconds + 1 == _SHIFTS:
                    raise
                later = datetime.fromisoformat(when) + timedelta(seconds=seconds + 1)
                columns[removed] = later.strftime("%Y-%m-%d %H:%M:%S")
            else:
                return

    def _store(self, table: Table, target: Target, columns: Mapping[str, Scalar]) -> None:
        if target.current is None:
            self._insert(table, target, columns)
            return
        local_id, now = target.current.local_id, {**target.current.columns, **target.current.local}
        if not target.projection.alive and table.entity.removed is None:
            self._session.execute(f"DELETE FROM {table.sql} WHERE {table.local_id} = %s", (local_id,))
            self.written.ids.pop(target.row, None)
            return
        cleared = self._cleared.get(target.row, [])
        changed = {name: value for name, value in columns.items() if now[name] != value or name in cleared}
        if changed:
            sets = ", ".join(f"{quote_identifier(name)} = %s" for name in changed)
            self._session.execute(
                f"UPDATE {table.sql} SET {sets} WHERE {table.local_id} = %s", (*changed.values(), local_id)
            )
        self.written.ids[target.row] = local_id
        self._note_tree(table, local_id, old=target.current.local, new=columns, changed=set(changed))

    def _insert(self, table: Table, target: Target, columns: Mapping[str, Scalar]) -> None:
        whole: dict[str, object] = {**table.entity.initial, **columns}
        if table.entity.key_column is not None:
            whole[table.entity.key_column] = target.row.key
        if table.entity.tree is not None:
            parent, name = columns.get(table.entity.tree.parent), columns.get(table.entity.tree.name)
            whole |= tree.columns_of_new(
                self._session,
                table,
                table.entity.tree,
                parent=parent if isinstance(parent, int) else None,
                name=str(name or ""),
            )
        listed = ", ".join(quote_identifier(name) for name in whole)
        places = ", ".join(["%s"] * len(whole))
        local_id = self._session.insert_one(
            f"INSERT INTO {table.sql} ({listed}) VALUES ({places})", tuple(whole.values())
        )
        self.written.ids[target.row] = local_id
        self._note_tree(table, local_id, old={}, new=columns, changed=set(columns))

    def _note_tree(
        self,
        table: Table,
        local_id: int,
        *,
        old: Mapping[str, int | None],
        new: Mapping[str, Scalar],
        changed: set[str],
    ) -> None:
        definition = table.entity.tree
        if definition is None or not changed & {definition.parent, definition.name, table.entity.removed}:
            return
        if old:  # a new row has its path already, and nothing below it
            self.written.moved.setdefault(table.entity.name, set()).add(local_id)
        parents = {old.get(definition.parent), new.get(definition.parent)}
        self.written.parents.setdefault(table.entity.name, set()).update(p for p in parents if isinstance(p, int))

    def _clear(self, table: Table, target: Target, unique: Unique) -> None:
        assert target.current is not None
        # Of an index over several columns the time of removal is one: those are moved apart by seconds instead.
        for name in unique.columns if unique.indexed and len(unique.columns) == 1 else ():
            for definition in table.entity.fields_of_columns([name]):
                if definition.name not in target.projection.values:
                    continue
                wanted = definition.arrives(target.projection.values[definition.name])[name]
                now = target.current.columns[name]
                if now is not None and now != wanted:
                    self._session.execute(
                        f"UPDATE {table.sql} SET {quote_identifier(name)} = NULL WHERE {table.local_id} = %s",
                        (target.current.local_id,),
                    )
                    self._cleared.setdefault(target.row, []).append(name)

    def _check_way_up(self, table: Table, target: Target, columns: Mapping[str, Scalar]) -> None:
        """Raise Unwritable for a row that would lie below itself: states know nothing of rows that are held back."""
        definition = table.entity.tree
        if definition is None or target.current is None:
            return
        parent = columns.get(definition.parent)
        if not isinstance(parent, int) or parent == target.current.local[definition.parent]:
            return
        if target.current.local_id in tree.ancestors(self._session, table, definition, parent):
            key = target.parent_override or target.projection.values[definition.parent]
            above = self._aliases.final(RowKey(table.entity.name, str(key)))
            message = f"{above.key}, under which it moves, is still shown below it"
            raise Unwritable(Reason(parked.BELOW_ITSELF, message, above))

    def _check_names(self, table: Table, target: Target, columns: Mapping[str, Scalar]) -> None:
        """Names that are unique only in the cloud's own code; raises Unwritable."""
        if not target.projection.alive:
            return
        for unique in table.entity.unique:
            partner = None if unique.indexed else self._holder(table, target, unique, columns)
            if partner is not None:
                raise Unwritable(taken(table, unique, partner))

    def _holder(self, table: Table, target: Target, unique: Unique, columns: Mapping[str, Scalar]) -> str | None:
        own_id = target.current.local_id if target.current is not None else 0
        return names.holder(self._session, self._layout, table, unique, columns=columns, own_id=own_id)

    def _why(self, table: Table, target: Target, columns: Mapping[str, Scalar], error: pymysql.Error) -> Reason:
        if is_lock_error(error):
            return Reason(parked.LOCKED, "a writer held the row or its parent")
        if is_duplicate(error):
            for unique in table.entity.unique:
                partner = self._holder(table, target, unique, columns) if unique.indexed else None
                if partner is not None:
                    return taken(table, unique, partner)
        # The driver's text can hold the value, which may be a secret: the number says enough.
        return Reason("WriteRefused", f"the database refused the row with error {error.args[0]}")


def taken(table: Table, unique: Unique, partner: str) -> Reason:
    return Reason(
        parked.PARTNER,
        f"({', '.join(unique.columns)}) is taken by {table.entity.name} {partner}",
        RowKey(table.entity.name, partner),
        columns=unique.columns,
    )
