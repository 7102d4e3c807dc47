"""Captured changes become versions: in the order in which they became visible, never waiting for an open writer.

A row is locked, then what was captured of it is read again: whoever changed the row holds its lock until commit, so
everything captured of it is visible by then.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from region_operator.replication.feed import RowKey
from region_operator.replication.model.projection import is_alive
from region_operator.replication.model.rules import EntityRuleSet
from region_operator.replication.model.state import RowState, Value, local_write
from region_operator.replication.store import rekeying, rows, versions
from region_operator.replication.store.connections import Readers, Session
from region_operator.replication.store.faults import is_lock_error
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import BusinessRow, by_entity, chunks, marks
from region_operator.replication.store.versions import NewVersion, Version


@dataclass(frozen=True)
class Entry:
    """A row of ``dirty``."""

    id: int
    op: str
    changed: frozenset[str]
    old: Mapping[str, Any] | None
    captured_at: str


@dataclass
class Locked:
    """Rows of a transaction: locked in row_version and, where they exist, in the business table.

    Attributes:
        business: rows that are there; a key that is in neither of the two does not exist.
        busy: rows that a writer holds.
        entries: ids of what was captured and is versioned now, to be deleted.
        folded: rows with captured changes, by key.
    """

    business: dict[RowKey, BusinessRow] = field(default_factory=dict)
    versions: dict[RowKey, Version] = field(default_factory=dict)
    busy: set[RowKey] = field(default_factory=set)
    entries: list[int] = field(default_factory=list)
    folded: dict[RowKey, RowState] = field(default_factory=dict)

    def add(self, later: "Locked") -> None:
        """Take in rows that were locked later in the same transaction."""
        self.business |= later.business
        self.versions |= later.versions
        self.busy |= later.busy
        self.entries += later.entries
        self.folded |= later.folded

    def state(self, layout: Layout, row: RowKey) -> RowState | None:
        """What this region knows of a row now; None if nothing."""
        if row in self.folded:
            return self.folded[row]
        version = self.versions.get(row)
        return version.state(layout, self.business.get(row)) if version is not None else None


def captured(readers: Readers, layout: Layout, limit: int) -> list[RowKey]:
    """The rows whose captured changes are the oldest."""
    found = readers.select(f"SELECT entity, entity_key FROM {layout.own('dirty')} ORDER BY id LIMIT %s", (limit,))
    return list(dict.fromkeys(RowKey(str(entity), str(key)) for entity, key in found if entity in layout.tables))


def captured_of(session: Session, layout: Layout, entity: str, *, limit: int = 1000) -> list[RowKey]:
    """Rows of an entity that have captured changes without a version."""
    sql = f"SELECT DISTINCT entity_key FROM {layout.own('dirty')} WHERE entity = %s LIMIT %s"
    return [RowKey(entity, str(row[0])) for row in session.select(sql, (entity, limit))]


def captures_anything(session: Session, layout: Layout) -> bool:
    """Tell whether captured changes wait to be versioned."""
    return session.one(f"SELECT 1 FROM {layout.own('dirty')} LIMIT 1") is not None


def lock(session: Session, layout: Layout, keys: Collection[RowKey], *, wait: bool = False) -> Locked:
    """Lock rows, row_version first, then the business rows in the order of ids; by default skip what is held."""
    locked = Locked()
    versions.ensure(session, layout, keys)
    grouped = by_entity(keys)
    for entity in sorted(grouped, key=layout.depth):
        table = layout.tables[entity]
        ids = rows.local_ids(session, table, grouped[entity])
        got: set[int] = set()
        for piece in chunks(sorted(ids.values())):
            sql = f"SELECT {table.local_id} FROM {table.sql} WHERE {table.local_id} IN ({marks(piece)})"
            try:
                hits = session.select(
                    f"{sql} ORDER BY {table.local_id} FOR UPDATE{'' if wait else ' SKIP LOCKED'}", piece
                )
            except Exception as error:
                if not (wait and is_lock_error(error)):
                    raise
                hits = []
            got |= {int(row[0]) for row in hits}
        found = rows.read(session, layout, table, got)
        locked.business |= {RowKey(entity, key): row for key, row in found.items() if key in ids}
        locked.busy |= {RowKey(entity, key) for key, local_id in ids.items() if local_id not in got}
    locked.versions = versions.load(session, layout, keys)
    return locked


def fold(session: Session, layout: Layout, locked: Locked, keys: Collection[RowKey], *, actor: str) -> None:
    """Version what was captured of locked rows, into ``locked.folded``."""
    for row, entries in captured_entries(session, layout, [key for key in keys if key not in locked.busy]).items():
        business = locked.business.get(row)
        if business is None and entries[-1].op != "D":
            if _is_purged(session, layout, row):
                locked.entries += [entry.id for entry in entries]
            else:
                locked.busy.add(row)  # made just now by a transaction that came after our look
            continue
        locked.entries += [entry.id for entry in entries]
        if business is None and (id_ := _local_id(layout, row, entries)) is not None:
            rekeying.record_children(session, layout, row, local_id=id_)
        if business is not None and not business.nameable:
            continue
        state = _fold(layout, row, entries, business=business, version=locked.versions.get(row), actor=actor)
        if state is not None:
            locked.folded[row] = state


def captured_entries(session: Session, layout: Layout, keys: Iterable[RowKey]) -> dict[RowKey, list[Entry]]:
    """What was captured of rows and has no version yet, in the order of its capture."""
    found: dict[RowKey, list[Entry]] = {}
    for entity, names in by_entity(keys).items():
        for piece in chunks(names):
            for id_, key, op, changed, old, at in session.select(
                "SELECT id, entity_key, op, changed, old_values, captured_at "
                f"FROM {layout.own('dirty')} WHERE entity = %s AND entity_key IN ({marks(piece)}) ORDER BY id",
                (entity, *piece),
            ):
                names_changed = frozenset(name for name in str(changed).split(",") if name)
                entry = Entry(int(id_), str(op), names_changed, json.loads(old) if old else None, str(at))
                found.setdefault(RowKey(entity, str(key)), []).append(entry)
    return found


def captured_keys(session: Session, layout: Layout, keys: Collection[RowKey]) -> set[RowKey]:
    """Those of these rows that have captured changes without a version."""
    found: set[RowKey] = set()
    if not captures_anything(session, layout):
        return found
    for entity, names in by_entity(keys).items():
        for piece in chunks(names):
            found |= {
                RowKey(entity, str(row[0]))
                for row in session.select(
                    f"SELECT DISTINCT entity_key FROM {layout.own('dirty')} "
                    f"WHERE entity = %s AND entity_key IN ({marks(piece)})",
                    (entity, *piece),
                )
            }
    return found


def _local_id(layout: Layout, row: RowKey, entries: Sequence[Entry]) -> int | None:
    """Where a row was that ended, if others may refer to it."""
    table = layout.tables[row.entity]
    old = next((entry.old for entry in reversed(entries) if entry.old), {})
    has_children = next(layout.children(row.entity), None) is not None
    return int(old[table.entity.local_id]) if has_children and table.entity.local_id in old else None


def _is_purged(session: Session, layout: Layout, row: RowKey) -> bool:
    """Of an append-only entity nothing tells that a row went; what was captured was committed before this look."""
    table = layout.tables[row.entity]
    return table.entity.append_only and not rows.local_ids(session, table, [row.key])


def forget(session: Session, layout: Layout, entries: Sequence[int]) -> None:
    """Delete captured changes by number; never by range, which would wait for open writers."""
    for piece in chunks(entries):
        session.execute(f"DELETE FROM {layout.own('dirty')} WHERE id IN ({marks(piece)})", piece)


def new_versions(layout: Layout, locked: Locked, rules: Mapping[str, EntityRuleSet]) -> list[NewVersion]:
    """The folded rows as versions to write."""
    return [
        NewVersion(
            state,
            not versions.fits(layout, state, values_of(layout, row, locked)),
            is_alive(state, rules=rules[row.entity]),
        )
        for row, state in locked.folded.items()
    ]


def values_of(layout: Layout, row: RowKey, locked: Locked) -> dict[str, Value] | None:
    business = locked.business.get(row)
    return layout.tables[row.entity].entity.values(business.columns, key=row.key) if business is not None else None


def _fold(
    layout: Layout,
    row: RowKey,
    entries: Sequence[Entry],
    *,
    business: BusinessRow | None,
    version: Version | None,
    actor: str,
) -> RowState | None:
    table = layout.tables[row.entity]
    olds = [rows.old_values(layout, table, row.key, entry.old) for entry in entries if entry.op == "D" and entry.old]
    if business is None:
        return _deleted(layout, row, entries, olds=olds, version=version, actor=actor)
    now = table.entity.values(business.columns, key=row.key)
    before = version.state(layout, business) if version is not None else None
    changed = _changed(entries) & now.keys()
    if before is None or (any(entry.op == "I" for entry in entries) and not olds):
        changed = frozenset(now)
    elif olds:  # deleted and made again: an update of what differs
        changed |= {name for name, value in now.items() if olds[0].get(name) != value}
    removed = table.entity.removed is not None and business.columns[table.entity.removed] is not None
    return local_write(
        before,
        entity=row.entity,
        key=row.key,
        actor=actor,
        changes={name: now[name] for name in sorted(changed)},
        deleted=removed,
    )


def _changed(entries: Sequence[Entry]) -> frozenset[str]:
    return frozenset[str]().union(*(entry.changed for entry in entries))


def _deleted(
    layout: Layout,
    row: RowKey,
    entries: Sequence[Entry],
    *,
    olds: Sequence[Mapping[str, Value]],
    version: Version | None,
    actor: str,
) -> RowState | None:
    """A row that is gone; nobody has to know of one that came and went between two folds."""
    if version is None:
        return None
    old = olds[-1] if olds else {}
    # Also what was written before the row went: its old values are not those that the version names.
    changed = _changed(entries) | {name for name, value in old.items() if olds[0].get(name) != value}
    table = layout.tables[row.entity]
    before = version.state(layout, None)
    if before is None:
        # Its values went with it, but for what the trigger saved.
        before = versions.filled(version.names(), old)
    removed = table.entity.removed
    changes = {name: old[name] for name in sorted(changed & old.keys())}
    if removed is not None and removed in before.registers and old.get(removed) is None:
        changes[removed] = entries[-1].captured_at[:19]
    return local_write(before, entity=row.entity, key=row.key, actor=actor, changes=changes, deleted=True)
