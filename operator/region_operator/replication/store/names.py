"""Names that are unique only in the cloud's own code: who has one already."""

from collections.abc import Mapping

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Unique
from region_operator.replication.model.state import Scalar
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table


def holder(
    session: Session, layout: Layout, table: Table, unique: Unique, *, columns: Mapping[str, Scalar], own_id: int
) -> str | None:
    """The key of a row, not ``own_id``, that has these values; a value that is NULL clashes with nothing."""
    if any(columns.get(name.split(".")[0]) is None for name in unique.columns):
        return None
    conditions, joins, values = [], "", list[object]()
    for number, name in enumerate(unique.columns):
        own, _, of_parent = name.partition(".")
        if of_parent:
            reference = table.entity.field(own).reference
            assert reference is not None
            parent, alias = layout.tables[reference], f"p{number}"
            column = quote_identifier(of_parent)
            joins += f" JOIN {parent.sql} {alias} ON {alias}.{parent.local_id} = t.{quote_identifier(own)}"
            conditions.append(
                f"{alias}.{column} = (SELECT s.{column} FROM {parent.sql} s WHERE s.{parent.local_id} = %s)"
            )
        else:
            conditions.append(f"t.{quote_identifier(own)} = %s")
        values.append(columns[own])
    if unique.live_only and table.entity.removed is not None:
        conditions.append(f"t.{quote_identifier(table.entity.removed)} IS NULL")
    row = session.one(
        f"SELECT t.{table.local_id}, {table.own_key('t')} FROM {table.sql} t{joins} "
        f"WHERE {' AND '.join(conditions)} AND t.{table.local_id} <> %s AND NOT {table.exclusion('t')} LIMIT 1",
        (*values, own_id),
    )
    return table.key_of(int(row[0]), row[1]) if row is not None else None
