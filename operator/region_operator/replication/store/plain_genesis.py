"""First versions of rows as they stand, by one statement for thousands of them: the server names their content itself.

What it makes is what ``model.state.genesis`` makes, byte by byte. Rows about which there is more to say (removed ones,
well-known ones, keys that JSON would have to escape, parents without a key) are left to ``genesis``.
"""

import pymysql

from region_operator.replication.catalog import Entity
from region_operator.replication.model import codec, shapes
from region_operator.replication.model.shapes import GENESIS_LENGTH, KEY_EXCEPTIONS, Shape
from region_operator.replication.model.state import genesis
from region_operator.replication.store import bulk_tables, contents, sets, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table, literal
from region_operator.replication.store.rows import marks
from region_operator.replication.store.schema import KEY_LENGTH

_SAMPLE = "sample"


def run(session: Session, layout: Layout, table: Table, *, after: int, upto: int) -> int:
    """Number rows whose local ids are in the span; returns how many. Holds the lane."""
    lane = session.one(f"SELECT last_lsn FROM {layout.own('lane')} WHERE id = 1 FOR UPDATE")
    assert lane is not None
    try:
        with session.savepoint():
            made = _insert(session, layout, table, span=(after, upto), head=int(lane[0]))
    except pymysql.IntegrityError:
        return 0  # two rows of one key: which of them it is takes a closer look
    session.execute(f"UPDATE {layout.own('lane')} SET last_lsn = last_lsn + %s WHERE id = 1", (made,))
    return made


def without_version(session: Session, layout: Layout, table: Table, *, after: int, upto: int) -> list[int]:
    """The local ids in the span that are left."""
    found = session.select(
        f"SELECT t.{table.local_id} FROM {table.sql} t LEFT JOIN {layout.own('row_version')} v "
        f"ON v.entity = %s AND v.entity_key = {_key(table)} "
        f"WHERE t.{table.local_id} > %s AND t.{table.local_id} <= %s AND v.lsn IS NULL ORDER BY t.{table.local_id}",
        (table.entity.name, after, upto),
    )
    return [int(row[0]) for row in found]


def _insert(session: Session, layout: Layout, table: Table, *, span: tuple[int, int], head: int) -> int:
    versions_, name, shape = layout.own("row_version"), table.entity.name, _shape(table.entity)
    fixed = [*table.well_known.values(), 0]
    conditions = [
        f"t.{table.local_id} > %s AND t.{table.local_id} <= %s",
        f"{_key(table)} NOT REGEXP %s AND CHAR_LENGTH(t.{table.key_column}) BETWEEN 1 AND {KEY_LENGTH}",
        f"t.{table.local_id} NOT IN ({marks(fixed)})",
        "v.entity IS NULL",
        *sets.presentable_sql(layout, table),
    ]
    return session.execute(
        f"INSERT INTO {versions_} (entity, entity_key, lsn, complete, state, alive, content_hash, changed_at) "
        "SELECT %s, r.k, %s + r.n, 0, CONCAT(%s, r.k, %s, r.g, %s, r.k, %s), 1, r.h, UTC_TIMESTAMP(6) FROM ("
        f"SELECT ROW_NUMBER() OVER (ORDER BY t.{table.local_id}) AS n, {_key(table)} AS k, "
        f"LEFT(MD5({_content(layout, table)}), {GENESIS_LENGTH}) AS g, {contents.kept_sql(table, 't')} AS h "
        f"FROM {table.sql} t"
        # A join, since NOT EXISTS may be carried out by reading all versions first.
        f"{sets.parents_sql(layout, table)} LEFT JOIN {versions_} v ON v.entity = %s AND v.entity_key = {_key(table)} "
        f"WHERE {' AND '.join(conditions)}) r",
        (
            *(name, head, shape.before, shape.actors, shape.after, shape.rest),
            *(name, *span, KEY_EXCEPTIONS, *fixed),
        ),
    )


def _key(table: Table) -> str:
    return bulk_tables.as_key(f"t.{table.key_column}", "utf8mb4_bin")


def _content(layout: Layout, table: Table) -> str:
    """SQL of the bytes that ``genesis_actor`` hashes."""
    parts = [_constant(table.entity.name), _netstring(_key(table)), _constant("0")]
    for field in sorted(table.entity.fields, key=lambda field: field.name):
        parts.append(_constant(field.name))
        parts += [_netstring(sets.travels(layout, table, field, column)) for column in field.columns]
    return f"CONCAT({', '.join(parts)})"


def _netstring(value: str) -> str:
    return f"IFNULL(CONCAT(LENGTH({value}), ':', {value}), '-')"


def _constant(text: str) -> str:
    return literal(f"{len(text.encode())}:{text}")


def _shape(entity: Entity) -> Shape:
    """What is common to the first versions of all rows of an entity, from one of them."""
    values = {field.name: None for field in entity.fields}
    state = genesis(entity=entity.name, key=_SAMPLE, values=values, deleted=False)
    found = shapes.split(codec.encode(versions.stripped(state)), key=_SAMPLE)
    assert found is not None, f"first versions of {entity.name} have no common shape"
    return found[0]
