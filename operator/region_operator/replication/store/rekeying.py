"""Rows that refer to one whose key was changed by hand: they say something else now, and nobody wrote to them.

Triggers could tell, but every table that a trigger names costs every writer (measured: a tenth of the single-row
updates). So the fold that sees the old key end records it, as the children's own triggers would have.
"""

import json

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Field, keys
from region_operator.replication.feed import RowKey
from region_operator.replication.store import capture, rows
from region_operator.replication.store.capture import PARENT_KEY
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import BusinessRow


def record_children(session: Session, layout: Layout, ended: RowKey, *, local_id: int) -> None:
    """If the row that ended as ``ended`` is still there, under another key, record what refers to it."""
    parent = layout.tables[ended.entity]
    if session.one(f"SELECT 1 FROM {parent.sql} WHERE {parent.local_id} = %s", (local_id,)) is None:
        return
    for table, field in layout.children(ended.entity):
        condition = f"c.{quote_identifier(field.name)} = {int(local_id)}"
        if field.name not in table.entity.key_fields:
            session.execute(capture.announcement(layout, table, field=field.name, condition=condition))
            continue
        found = session.select(f"SELECT c.{table.local_id} FROM {table.sql} c WHERE {condition}")
        for row in rows.read(session, layout, table, [int(one[0]) for one in found]).values():
            _begin_anew(session, layout, table, row, renamed=(field, ended.key))


def _begin_anew(
    session: Session, layout: Layout, table: Table, row: BusinessRow, *, renamed: tuple[Field, str]
) -> None:
    """Record that a row that is named after its parent ended under its old name and began under the new one."""
    field, parent = renamed
    names = table.entity.key_fields
    parts = keys.split(row.key, len(names))
    assert parts is not None, "rows are read with the keys that the catalog gives them"
    old = keys.join([parent if name == field.name else part for name, part in zip(names, parts, strict=True)])
    parents = {PARENT_KEY + name: row.columns[name] for name in row.local} | {PARENT_KEY + field.name: parent}
    session.insert(
        f"INSERT INTO {layout.own('dirty')} (entity, entity_key, op, changed, old_values, captured_at) "
        "VALUES (%s, %s, %s, '', %s, UTC_TIMESTAMP(6))",
        [
            (table.entity.name, old, "D", json.dumps({**row.columns, **row.local, **parents})),
            (table.entity.name, row.key, "I", None),
        ],
    )
