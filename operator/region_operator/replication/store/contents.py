"""Hashes of business rows as they stood when they were versioned: what tells a change behind the triggers (ENGINE 28).

Kept for rows whose values are in the business row alone. The columns are hashed as they stand, references as local ids.
Not for rows that are named by several fields, which no index finds by their key, nor for well-known ones, nor for
entities that are only added to: what becomes of their rows is the region's own affair.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from region_operator.naming import quote_identifier
from region_operator.replication.feed import RowKey
from region_operator.replication.store import bulk_tables, capture, rows
from region_operator.replication.store.connections import Session
from region_operator.replication.store.documents import TEXT, documents, source
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import by_entity, chunks, marks

HASH: Final = "BIGINT UNSIGNED"
FORM: Final = "bytes"
"""Names what ``hash_sql`` makes of a row: prepare has hashes of another form forgotten."""

AT_ONCE: Final = 100
"""Rows of one statement that hashes by key: of more, the optimizer reads a small table whole."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row that is not as it was versioned; ``unknown``: nobody has kept how it was."""

    key: str
    unknown: bool


def is_checked(table: Table) -> bool:
    """Tell whether hashes are kept of an entity."""
    return table.entity.is_hashed


def hash_sql(table: Table, alias: str) -> str:
    """SQL of the hash of a row: of its bytes, which a binary separator lets stand as they are, and of what is NULL.

    JSON would tell each column's end for sure; to make it costs four times what all of this does.
    """
    columns = [f"{alias}.{quote_identifier(name)}" for name in table.entity.columns]
    nulls = ", ".join(f"{column} IS NULL" for column in columns)
    text = f"CONCAT_WS(X'1F', {', '.join(columns)}, CONCAT({nulls}))"
    return f"CAST(CONV(LEFT(MD5({text}), 16), 16, 10) AS UNSIGNED)"


def kept_sql(table: Table, alias: str) -> str:
    """SQL of what is kept of a row with its version."""
    return hash_sql(table, alias) if is_checked(table) else "NULL"


def hashes(session: Session, layout: Layout, keys: Iterable[RowKey]) -> dict[RowKey, int]:
    """Of rows as they stand, seen from inside the transaction that has locked or written them."""
    found: dict[RowKey, int] = {}
    for entity, names in by_entity(keys).items():
        table = layout.tables.get(entity)
        if table is None or not is_checked(table):
            continue
        for piece in chunks(sorted(set(names) - table.well_known.keys()), AT_ONCE):
            wanted = frozenset(piece)
            for local_id, key, number in session.select(
                f"SELECT t.{table.local_id}, t.{table.key_column}, {hash_sql(table, 't')} FROM {table.sql} t "
                f"WHERE t.{table.key_column} IN ({marks(piece)})",
                piece,
            ):
                if key in wanted and int(local_id) not in table.well_known.values():
                    found[RowKey(entity, str(key))] = int(number)
    return found


def keep(session: Session, layout: Layout, found: Mapping[RowKey, int]) -> None:
    """Take rows as they are for what their versions say. Holds the lane."""
    placed = source([("entity", TEXT), ("entity_key", TEXT), ("hash", HASH)])
    for document in documents((row.entity, row.key, number) for row, number in found.items()):
        session.execute(
            f"UPDATE {placed} STRAIGHT_JOIN {layout.own('row_version')} v ON v.entity = r.entity "
            "AND v.entity_key = r.entity_key SET v.content_hash = r.hash WHERE v.complete = 0",
            (document,),
        )


def forget(session: Session, layout: Layout, entity: str) -> None:
    """The columns are others: the next look takes the rows as they are."""
    session.execute(
        f"UPDATE {layout.own('row_version')} SET content_hash = NULL WHERE entity = %s AND content_hash IS NOT NULL",
        (entity,),
    )


def look(session: Session, layout: Layout, entity: str, *, after: str, upto: str, limit: int) -> list[Found]:
    """Rows of a range of keys that are not as they were versioned; ``upto`` "" is the end."""
    condition, values = "v.entity_key > %s", [after]
    if upto:
        condition, values = f"{condition} AND v.entity_key <= %s", [after, upto]
    return _look(session, layout, entity, condition, values=values, limit=limit)


def drifted(session: Session, layout: Layout, entity: str, keys: Collection[str]) -> list[str]:
    """Those of these rows that are not as they were versioned."""
    found: list[str] = []
    for piece in chunks(sorted(keys)):
        condition = f"v.entity_key IN ({marks(piece)})"
        looked = _look(session, layout, entity, condition, values=piece, limit=len(piece))
        found += [one.key for one in looked if not one.unknown]
    return found


def _look(
    session: Session, layout: Layout, entity: str, condition: str, *, values: Sequence[Any], limit: int
) -> list[Found]:
    table = layout.tables[entity]
    if not is_checked(table):
        return []
    key = bulk_tables.as_key("v.entity_key", bulk_tables.key_collation(session, layout, table))
    fixed = ["", *table.well_known]
    return [
        Found(str(name), bool(unknown))
        for name, unknown in session.select(
            f"SELECT STRAIGHT_JOIN v.entity_key, v.content_hash IS NULL AND t.{table.local_id} IS NOT NULL "
            f"FROM {layout.own('row_version')} v FORCE INDEX (PRIMARY) LEFT JOIN {table.sql} t "
            f"ON t.{table.key_column} = {key} AND BINARY t.{table.key_column} = BINARY {key} "
            f"WHERE v.entity = %s AND {condition} AND v.lsn IS NOT NULL AND v.complete = 0 "
            f"AND v.entity_key NOT IN ({marks(fixed)}) AND NOT EXISTS (SELECT 1 FROM {layout.own('dirty')} d "
            "WHERE d.entity = v.entity AND d.entity_key = v.entity_key) "
            f"AND (t.{table.local_id} IS NULL OR NOT v.content_hash <=> {hash_sql(table, 't')}) "
            "ORDER BY v.entity_key LIMIT %s",
            (entity, *values, *fixed, limit),
        )
    ]


def unnamed(session: Session, layout: Layout, entity: str, *, after: int, limit: int) -> tuple[int | None, list[str]]:
    """The last of the next local ids, None at the end, and the keys of their rows that nobody has captured."""
    table = layout.tables[entity]
    own_id = f"t.{table.local_id}"
    ids = session.one(
        f"SELECT COUNT(*), MAX(id) FROM (SELECT {own_id} AS id FROM {table.sql} t WHERE {own_id} > %s "
        f"ORDER BY {own_id} LIMIT %s) found",
        (after, limit),
    )
    assert ids is not None
    if not ids[0]:
        return None, []
    last = int(ids[1])
    same = f"entity_key = CONVERT({table.key('t')} USING utf8mb4) COLLATE utf8mb4_bin"
    found = session.select(
        f"SELECT {own_id} FROM {table.sql} t LEFT JOIN {layout.own('row_version')} v FORCE INDEX (PRIMARY) "
        f"ON v.entity = %s AND v.{same} AND v.lsn IS NOT NULL WHERE {own_id} > %s AND {own_id} <= %s "
        f"AND v.entity IS NULL AND {capture.counts(table, 't')} AND NOT EXISTS (SELECT 1 FROM {layout.own('dirty')} d "
        f"WHERE d.entity = %s AND d.{same})",
        (entity, after, last, entity),
    )
    read = rows.read(session, layout, table, [int(row[0]) for row in found])
    keys = [key for key, row in read.items() if row.nameable]  # others wait for a parent that has a name
    return (last if int(ids[0]) == limit else None), keys


def record(session: Session, layout: Layout, entity: str, changed: Mapping[str, Collection[str]], *, op: str) -> None:
    """Capture rows as their triggers would; ``changed``: names of fields by key, for U."""
    session.insert(
        f"INSERT INTO {layout.own('dirty')} (entity, entity_key, op, changed, captured_at) "
        "VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6))",
        [(entity, key, op, ",".join(sorted(fields))) for key, fields in changed.items()],
    )
