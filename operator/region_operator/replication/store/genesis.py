"""Versions for rows that nobody's capture has seen: there before the region was prepared, or before a restore."""

from region_operator.replication.feed import RowKey
from region_operator.replication.model.state import genesis
from region_operator.replication.store import bulk_tables, plain_genesis, rows, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.versions import NewVersion

BATCH = 1000
SPAN = 5000
"""Rows that the server looks through at once."""


def run(session: Session, layout: Layout) -> int:
    """Give each row without a version its genesis, some per transaction; returns how many got one."""
    return sum(_table(session, layout, table) for table in layout.tables.values())


def _table(session: Session, layout: Layout, table: Table) -> int:
    is_plain = table.entity.name in bulk_tables.find(session, layout)
    made, last = 0, 0
    while True:
        with session.transaction():
            # The lane's row first: an agent may be running.
            session.select(f"SELECT id FROM {layout.own('lane')} WHERE id = 1 FOR UPDATE")
            ids = [
                int(row[0])
                for row in session.select(
                    f"SELECT {table.local_id} FROM {table.sql} WHERE {table.local_id} > %s "
                    f"ORDER BY {table.local_id} LIMIT %s",
                    (last, SPAN if is_plain else BATCH),
                )
            ]
            if not ids:
                return made
            left = ids
            if is_plain:
                made += plain_genesis.run(session, layout, table, after=last, upto=ids[-1])
                left = plain_genesis.without_version(session, layout, table, after=last, upto=ids[-1])
            made += sum(_batch(session, layout, table, piece) for piece in rows.chunks(left, BATCH))
        last = ids[-1]


def batch(session: Session, layout: Layout) -> int:
    """The same inside a transaction of the caller's, who holds the lane."""
    made = 0
    for table in layout.tables.values():
        ids = [int(row[0]) for row in session.select(f"SELECT {table.local_id} FROM {table.sql}")]
        for piece in rows.chunks(ids, BATCH):
            made += _batch(session, layout, table, piece)
    return made


def _batch(session: Session, layout: Layout, table: Table, ids: list[int]) -> int:
    found = rows.read(session, layout, table, ids)
    name = table.entity.name
    known = {row.key for row in versions.load(session, layout, [RowKey(name, key) for key in found])}
    new = []
    for key, row in found.items():
        if key in known or not row.nameable:
            continue
        values = table.entity.values(row.columns, key=key)
        deleted = table.entity.removed is not None and row.columns[table.entity.removed] is not None
        state = genesis(entity=name, key=key, values=values, deleted=deleted)
        new.append(NewVersion(state, complete=not versions.fits(layout, state, values), alive=not deleted))
    versions.write(session, layout, new)
    return len(new)
