"""Versions of the rows of a staged page, which the database puts together from shapes and numbers by their places."""

from collections.abc import Sequence

from region_operator.replication.model.shapes import Shape
from region_operator.replication.store import contents, staging, versions
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context


def write(session: Session, context: Context, bulk: BulkTable, shapes: Sequence[Shape], *, known: bool) -> int:
    """Give all staged rows their versions, in the order in which they came, and return how many the database counts.

    It counts a version that replaces another one twice; without ``known`` that is an error. The lane's row stays locked
    until commit.
    """
    layout, table = context.layout, bulk.table
    lane = session.one(f"SELECT last_lsn FROM {layout.own('lane')} WHERE id = 1 FOR UPDATE")
    assert lane is not None
    states, fits, pieces = "", "", list[str]()
    for number, shape in enumerate(shapes):
        states += f" WHEN {number} THEN CONCAT(%s, r.k, %s, r.g, %s, r.k, %s)"
        fits += f" WHEN {number} THEN r.g {'<>' if shape.has_genesis else '='} ''"
        pieces += [shape.before, shape.actors, shape.after, shape.rest]
    return session.execute(
        f"INSERT INTO {layout.own('row_version')} (entity, entity_key, lsn, complete, state, alive, from_region, "
        "from_incarnation, from_lsn, content_hash, changed_at) "
        f"SELECT STRAIGHT_JOIN %s, r.k, %s + r.n, 0, CASE r.shape{states} END, 1, %s, "
        f"%s, r.lsn, {contents.hash_sql(table, 't')}, UTC_TIMESTAMP(6) "
        f"FROM {layout.own(staging.TABLE)} r JOIN {table.sql} t ON t.{table.key_column} = r.k "
        f"WHERE CASE r.shape{fits} END {versions.REPLACE_KNOWN if known else ''}",
        (table.entity.name, lane[0], *pieces, context.source, context.incarnation),
    )


def move_head(session: Session, context: Context, *, by: int) -> int:
    """Note that so many numbers were given, and return the head."""
    lane = context.layout.own("lane")
    session.execute(f"UPDATE {lane} SET last_lsn = last_lsn + %s WHERE id = 1", (by,))
    row = session.one(f"SELECT last_lsn FROM {lane} WHERE id = 1")
    assert row is not None
    return int(row[0])
