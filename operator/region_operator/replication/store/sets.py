"""Statements about many business rows at once: rows come to the server as documents and are joined by local id.

Keys are bound as constants, which the server turns into the column's character set before it opens an index
(ENGINE 25).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Column, Field, Unique
from region_operator.replication.model.state import Scalar, Value
from region_operator.replication.store.connections import Session
from region_operator.replication.store.documents import NUMBER, TEXT, documents, source
from region_operator.replication.store.layout import Layout, Table, literal
from region_operator.replication.store.rows import chunks, marks

_NUMBERS = ("int", "bool")


def lock_keys(session: Session, table: Table, keys: Collection[str]) -> dict[str, int]:
    """Lock rows of the entity by key and return where they lie; what is held by a writer is left out."""
    found = {}
    for piece in chunks(sorted(keys)):
        wanted = frozenset(piece)
        for local_id, key in session.select(
            f"SELECT t.{table.local_id}, t.{table.key_column} FROM {table.sql} t WHERE t.{table.key_column} "
            f"IN ({marks(piece)}) AND NOT {table.exclusion('t')} FOR UPDATE SKIP LOCKED",
            piece,
        ):
            if key in wanted and int(local_id) not in table.well_known.values():
                found[str(key)] = int(local_id)
    return found


def lock_parents(session: Session, table: Table, ids: Collection[int]) -> set[int]:
    """Keep rows that are about to be referred to from going; those that a writer holds are left out."""
    head = f"SELECT {table.local_id} FROM {table.sql} WHERE {table.local_id}"
    return _those(session, head, ids, "LOCK IN SHARE MODE SKIP LOCKED")


def presentable_sql(layout: Layout, table: Table) -> list[str]:
    """Conditions on a row ``t`` joined with ``parents_sql``: not removed, and all of its references have a key."""
    conditions = [f"NOT {table.exclusion('t')}"]
    if table.entity.removed is not None:
        conditions.append(f"t.{quote_identifier(table.entity.removed)} IS NULL")
    for number, field in enumerate(table.references):
        named = f"{_parent_key(layout, field, number)} IS NOT NULL"
        absent = f"t.{quote_identifier(field.name)} IS NULL"
        conditions.append(f"({named} OR {absent})" if field.columns[0].nullable else named)
    return conditions


def read_values(session: Session, layout: Layout, table: Table, keys: Collection[str]) -> dict[str, dict[str, Value]]:
    """What travels of rows as they stand, by key and field; the server puts it together, which is cheaper than here.

    Only for keys that are in the key column, and tables all of whose references have a key.
    """
    fields = fields_of(table)
    found: dict[str, dict[str, Value]] = {}
    for piece in chunks(keys):
        wanted = frozenset(piece)
        for local_id, key, texts in session.select(
            f"SELECT t.{table.local_id}, t.{table.key_column}, {values_sql(layout, table)} "
            f"FROM {table.sql} t{parents_sql(layout, table)} "
            f"WHERE t.{table.key_column} IN ({marks(piece)}) AND NOT {table.exclusion('t')}",
            piece,
        ):
            if key in wanted and int(local_id) not in table.well_known.values():
                found[str(key)] = by_field(fields, json.loads(texts))
    return found


def values_sql(layout: Layout, table: Table) -> str:
    """SQL of what travels of a row ``t`` joined with ``parents_sql``: a JSON array in the order of the columns."""
    members = (travels(layout, table, field, column, as_number=True) for field, column in columns(table))
    return f"JSON_ARRAY({', '.join(members)})"


def fields_of(table: Table) -> tuple[tuple[str, int], ...]:
    """The fields in the order of the columns, each with their number."""
    return tuple((field.name, len(field.columns)) for field in table.entity.fields)


def by_field(fields: Iterable[tuple[str, int]], values: Sequence[Scalar]) -> dict[str, Value]:
    """Values in the order of the columns, by field."""
    found: dict[str, Value] = {}
    at = 0
    for name, count in fields:
        found[name] = values[at] if count == 1 else tuple(values[at : at + count])
        at += count
    return found


def differences(
    session: Session, layout: Layout, table: Table, values: Mapping[int, Sequence[Scalar]]
) -> dict[int, frozenset[str]]:
    """Compare rows by local id with what travels of them, byte by byte: the columns that differ, where any do.

    ``values`` are in the order of ``table.entity.columns``, references as keys.
    """
    compared = []
    for number, (field, column) in enumerate(columns(table)):
        same = f"BINARY r.c{number} <=> BINARY {travels(layout, table, field, column)}"
        compared.append(f"IF({same}, NULL, {literal(column.name)})")
    placed = [("id", NUMBER), *((f"c{number}", TEXT) for number in range(len(compared)))]
    found = {}
    for document in documents((local_id, *row) for local_id, row in values.items()):
        for local_id, names in session.select(
            f"SELECT t.{table.local_id}, CONCAT_WS(',', {', '.join(compared)}) AS differs "
            f"FROM {source(placed)} STRAIGHT_JOIN {table.sql} t ON t.{table.local_id} = r.id"
            f"{parents_sql(layout, table)} HAVING differs <> ''",
            (document,),
        ):
            found[int(local_id)] = frozenset(str(names).split(","))
    return found


def update(session: Session, table: Table, written: Sequence[Column], rows: Mapping[int, Sequence[Scalar]]) -> None:
    """Write columns of rows by local id."""
    placed = [("id", NUMBER), *((f"c{number}", _type(column)) for number, column in enumerate(written))]
    sets = ", ".join(f"t.{quote_identifier(column.name)} = r.c{number}" for number, column in enumerate(written))
    for document in documents((local_id, *row) for local_id, row in rows.items()):
        session.execute(
            f"UPDATE {source(placed)} STRAIGHT_JOIN {table.sql} t ON t.{table.local_id} = r.id SET {sets}",
            (document,),
        )


def insert(session: Session, table: Table, rows: Mapping[str, Sequence[Scalar]]) -> None:
    """Insert rows by key; ``rows`` in the order of ``table.entity.columns``, references as local ids."""
    placed = [("k", TEXT)]
    placed += [(f"c{n}", NUMBER if f.reference else _type(column)) for n, (f, column) in enumerate(columns(table))]
    names = ", ".join([table.key_column, *map(quote_identifier, table.entity.columns)])
    for document in documents((key, *row) for key, row in rows.items()):
        session.execute(
            f"INSERT INTO {table.sql} ({names}) SELECT {', '.join(f'r.{name}' for name, _ in placed)} "
            f"FROM {source(placed)}",
            (document,),
        )


def namesakes(session: Session, layout: Layout, table: Table, ids: Collection[int]) -> set[int]:
    """Those of these rows that share a name, unique only in the cloud's own code, with any other row."""
    found: set[int] = set()
    for unique in table.entity.unique:
        if unique.indexed:
            continue
        condition = same_name_sql(layout, table, unique)
        head = (
            f"SELECT STRAIGHT_JOIN DISTINCT t.{table.local_id} FROM {table.sql} t {condition} WHERE t.{table.local_id}"
        )
        found |= _those(session, head, ids)
    return found


def _those(session: Session, head: str, ids: Collection[int], tail: str = "") -> set[int]:
    """The first column of what ``head IN (ids) tail`` finds."""
    found: set[int] = set()
    for piece in chunks(sorted(ids)):
        found |= {int(row[0]) for row in session.select(f"{head} IN ({marks(piece)}) {tail}", piece)}
    return found


def same_name_sql(layout: Layout, table: Table, unique: Unique) -> str:
    """Joins from ``t`` to its namesakes ``o``, found by their text alone.

    References and `removed` stand in expressions, which open no index: statistics of a table that is being filled make
    the optimizer choose theirs, and then it reads every row of a domain, or every row that is not removed.
    """
    conditions, parents = [], ""
    for number, name in enumerate(unique.columns):
        own, _, of_parent = name.partition(".")
        column, reference = quote_identifier(own), table.entity.field(own).reference
        if not of_parent:
            conditions.append(f"o.{column} = t.{column}" if reference is None else f"o.{column} + 0 = t.{column} + 0")
            continue
        assert reference is not None
        parent, theirs = layout.tables[reference], quote_identifier(of_parent)
        parents += (
            f" JOIN {parent.sql} pt{number} ON pt{number}.{parent.local_id} = t.{column}"
            f" JOIN {parent.sql} po{number} ON po{number}.{parent.local_id} = o.{column}"
            f" AND po{number}.{theirs} + 0 = pt{number}.{theirs} + 0"
        )
    if unique.live_only and table.entity.removed is not None:
        removed = quote_identifier(table.entity.removed)
        conditions.append(f"IF(o.{removed} IS NULL AND t.{removed} IS NULL, 1, 0) = 1")
    conditions.append(f"o.{table.local_id} <> t.{table.local_id} AND NOT {table.exclusion('o')}")
    return f"JOIN {table.sql} o ON {' AND '.join(conditions)}{parents}"


def columns(table: Table) -> list[tuple[Field, Column]]:
    """The synced columns in the order of ``table.entity.columns``."""
    return [(field, column) for field in table.entity.fields for column in field.columns]


def parents_sql(layout: Layout, table: Table) -> str:
    """Joins of a row ``t`` to the rows that it refers to."""
    joins = ""
    for number, field in enumerate(table.references):
        assert field.reference is not None
        parent = layout.tables[field.reference]
        joins += (
            f" LEFT JOIN {parent.sql} p{number} ON p{number}.{parent.local_id} = t.{quote_identifier(field.name)}"
            f" AND NOT {parent.exclusion(f'p{number}')}"
        )
    return joins


def _parent_key(layout: Layout, field: Field, number: int) -> str:
    assert field.reference is not None
    parent = layout.tables[field.reference]
    key = f"CAST({parent.own_key(f'p{number}')} AS CHAR CHARACTER SET utf8mb4)"
    if not parent.well_known:
        return key
    cases = " ".join(f"WHEN {local_id} THEN {literal(fixed)}" for fixed, local_id in sorted(parent.well_known.items()))
    return f"(CASE p{number}.{parent.local_id} {cases} ELSE {key} END)"


def travels(layout: Layout, table: Table, field: Field, column: Column, *, as_number: bool = False) -> str:
    """SQL of what travels of a column: text, with ``as_number`` a number where the column holds one."""
    if field.reference is not None:
        return _parent_key(layout, field, table.references.index(field))
    own = f"t.{quote_identifier(column.name)}"
    return own if as_number and column.kind in _NUMBERS else f"CAST({own} AS CHAR CHARACTER SET utf8mb4)"


def _type(column: Column) -> str:
    return NUMBER if column.kind in _NUMBERS else TEXT
