"""Which entities' rows may travel as text that databases read: those whose columns give back exactly what they get."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from region_operator.replication.catalog import Column, Field
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import marks
from region_operator.replication.store.sets import columns

LONGEST_TEXT: Final = 1024
"""Characters; longer columns could make a page of some thousand rows too large for memory."""

_EXACT: Final = {
    "str": frozenset({"varchar", "text", "mediumtext", "longtext"}),  # not char, which cuts spaces off
    "int": frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"}),
    "bool": frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"}),
    "datetime": frozenset({"datetime", "timestamp"}),
    "decimal": frozenset[str](),  # rounds
}

_Columns = dict[str, tuple[str, int, str]]


@dataclass(frozen=True)
class BulkTable:
    """A table that is fit.

    Attributes:
        key_column: what its rows are named by.
        collations: of its text columns.
        parents: collations of the parents' key columns, by field.
    """

    table: Table
    key_column: str
    collations: Mapping[str, str]
    parents: Mapping[str, str]

    @property
    def key(self) -> str:
        """Collation of the key column."""
        return self.collations[self.key_column]


def find(session: Session, layout: Layout) -> dict[str, BulkTable]:
    """The tables whose rows may travel as text, into them and out of them, by entity."""
    columns_of = _columns(session, layout, layout.tables.values())
    found = {name: _fit(layout, table, columns_of) for name, table in layout.tables.items()}
    return {name: bulk for name, bulk in found.items() if bulk is not None}


def _fit(layout: Layout, table: Table, columns_of: Mapping[str, "_Columns"]) -> BulkTable | None:
    entity = table.entity
    key, parents = entity.key_column, [layout.tables[str(field.reference)] for field in table.references]
    if key is None or not entity.is_uniform or entity.tree is not None:
        return None
    if any(field.deferred for field in table.references) or any(p.entity.key_column is None for p in parents):
        return None
    if any(column.kind == "str" and not _is_short(field, column) for field, column in columns(table)):
        return None
    found = columns_of[entity.table]
    for field, column in columns(table):
        kind = "int" if field.reference is not None else column.kind
        data_type, fraction, _ = found.get(column.name, ("", 0, ""))
        if data_type not in _EXACT[kind] or fraction:
            return None
    keys = {
        field.name: columns_of[parent.entity.table][str(parent.entity.key_column)][2]
        for field, parent in zip(table.references, parents, strict=True)
    }
    return BulkTable(table, key, {name: collation for name, (_, _, collation) in found.items()}, keys)


def as_key(expression: str, collation: str) -> str:
    """SQL of a key in the collation of a key column, so that its index is opened and nothing is scanned."""
    return f"CONVERT({expression} USING {character_set(collation)}) COLLATE {collation}"


def character_set(collation: str) -> str:
    return collation.partition("_")[0]


def _is_short(field: Field, column: Column) -> bool:
    return field.reference is not None or (column.max_length is not None and column.max_length <= LONGEST_TEXT)


def key_collation(session: Session, layout: Layout, table: Table) -> str:
    """Collation of the key column."""
    return _columns(session, layout, [table])[table.entity.table][str(table.entity.key_column)][2]


def _columns(session: Session, layout: Layout, tables: Iterable[Table]) -> dict[str, "_Columns"]:
    """Type, digits of a second's fraction and collation of each column, by table."""
    names = sorted({table.entity.table for table in tables})
    found: dict[str, _Columns] = {name: {} for name in names}
    for table_name, name, data_type, fraction, collation in session.select(
        "SELECT table_name, column_name, data_type, datetime_precision, collation_name "
        f"FROM information_schema.columns WHERE table_schema = %s AND table_name IN ({marks(names)})",
        (layout.business.strip("`"), *names),
    ):
        found[str(table_name)][str(name)] = (str(data_type).lower(), int(fraction or 0), str(collation or ""))
    return found
