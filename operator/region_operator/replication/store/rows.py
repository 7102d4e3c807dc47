"""Business rows read under the names that travel: keys in place of local ids, columns in the kinds of the catalog."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Column, Field
from region_operator.replication.catalog.keys import split
from region_operator.replication.feed import RowKey
from region_operator.replication.model.state import Scalar, Value
from region_operator.replication.store.capture import PARENT_KEY
from region_operator.replication.store.connections import Row, Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.schema import KEY_LENGTH

CHUNK: Final = 500


@dataclass(frozen=True)
class BusinessRow:
    """One row of a synced table.

    Attributes:
        columns: synced columns; a reference as the parent's key.
        local: reference columns as they stand, local ids.
        nameable: False if a parent that has to be named has no key, so the row cannot travel.
    """

    local_id: int
    key: str
    columns: Mapping[str, Scalar]
    local: Mapping[str, int | None]
    nameable: bool = True


def chunks(keys: Iterable[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    iterator = iter(keys)
    while piece := list(islice(iterator, size)):
        yield piece


def marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def by_entity(keys: Iterable[RowKey]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for row in keys:
        grouped.setdefault(row.entity, []).append(row.key)
    return grouped


def local_ids(session: Session, table: Table, keys: Collection[str]) -> dict[str, int]:
    """Where rows lie here: key -> local id; keys that are not here are left out.

    Raises nothing for a key that differs in case only: such a row is another one, as it is for its own region.
    """
    if table.entity.key_column is None:
        return _named_ids(session, table, keys)
    found = {key: table.well_known[key] for key in keys if key in table.well_known}
    for piece in chunks(sorted(set(keys) - found.keys())):
        wanted = frozenset(piece)
        for local_id, key in session.select(
            f"SELECT {table.local_id}, {table.key_column} FROM {table.sql} "
            f"WHERE {table.key_column} IN ({marks(piece)})",
            piece,
        ):
            if key in wanted and int(local_id) not in table.well_known.values():
                found[key] = int(local_id)
    return found


def _named_ids(session: Session, table: Table, keys: Collection[str]) -> dict[str, int]:
    """The same for rows that several fields name. Of two rows of one name, which nothing forbids, the older counts."""
    named = [table.entity.field(name) for name in table.entity.key_fields]
    wanted = _named_columns(session, table, named, keys)
    listed = ", ".join(quote_identifier(field.name) for field in named)
    found: dict[str, int] = {}
    for piece in chunks(list(wanted)):
        conditions, bound = [f"NOT {table.exclusion(table.sql)}"], list[Scalar]()
        for number, field in enumerate(named):
            if not field.columns[0].nullable:
                choices = sorted({columns[number] for columns in piece}, key=str)
                conditions.append(f"{quote_identifier(field.name)} IN ({marks(choices)})")
                bound += choices
        for local_id, *columns in session.select(
            f"SELECT {table.local_id}, {listed} FROM {table.sql} WHERE {' AND '.join(conditions)} "
            f"ORDER BY {table.local_id}",
            bound,
        ):
            key = wanted.get(tuple(columns))
            if key is not None:
                found.setdefault(key, int(local_id))
    return found


def _named_columns(
    session: Session, table: Table, named: Sequence[Field], keys: Collection[str]
) -> dict[tuple[Scalar, ...], str]:
    """What stands in the columns that name a row -> its key; without rows whose parents are not here."""
    parts = {key: part for key in keys if (part := split(key, len(named))) is not None}
    parents: dict[int, dict[str, int]] = {}
    for number, field in enumerate(named):
        if field.reference is not None:
            names = {part[number] or "" for part in parts.values()}
            parents[number] = local_ids(session, table.parents[field.name], names)
    columns: dict[tuple[Scalar, ...], str] = {}
    for key, part in parts.items():
        here = [parents[n].get(text) if n in parents and text is not None else text for n, text in enumerate(part)]
        if all((column is None) == (text is None) for column, text in zip(here, part, strict=True)):
            columns[tuple(here)] = key
    return columns


def read(session: Session, layout: Layout, table: Table, ids: Collection[int]) -> dict[str, BusinessRow]:
    """Read rows by local id, by key. Rows that are none of the entity's are left out."""
    rows: dict[str, BusinessRow] = {}
    for piece in chunks(sorted(ids)):
        for row in session.select(f"{select(layout, table)} WHERE t.{table.local_id} IN ({marks(piece)})", piece):
            business = parse(layout, table, row)
            if business is not None:
                rows[business.key] = business
    return rows


def read_keys(session: Session, layout: Layout, keys: Iterable[RowKey]) -> dict[RowKey, BusinessRow]:
    found: dict[RowKey, BusinessRow] = {}
    for entity, names in by_entity(keys).items():
        table = layout.tables[entity]
        rows = read(session, layout, table, local_ids(session, table, names).values())
        found |= {RowKey(entity, key): row for key, row in rows.items()}
    return found


def select(layout: Layout, table: Table) -> str:
    """``SELECT ... FROM table t LEFT JOIN parents``, to be parsed by ``parse``."""
    columns = [f"t.{table.local_id}", table.own_key("t"), table.exclusion("t")]
    columns += [f"t.{quote_identifier(column)}" for column in table.entity.columns]
    joins = ""
    for number, field in enumerate(table.references):
        assert field.reference is not None
        parent, alias = layout.tables[field.reference], f"p{number}"
        columns += [f"{alias}.{parent.local_id}", parent.own_key(alias)]
        joins += (
            f" LEFT JOIN {parent.sql} {alias} ON {alias}.{parent.local_id} = t.{quote_identifier(field.name)}"
            f" AND NOT {parent.exclusion(alias)}"
        )
    return f"SELECT {', '.join(columns)} FROM {table.sql} t{joins}"


def parse(layout: Layout, table: Table, row: Row) -> BusinessRow | None:
    """Make a business row of a row of ``select``; None for one that is none of the entity's."""
    local_id, uuid, excluded, *rest = row
    key = table.key_of(int(local_id), uuid)
    if excluded or key is None or len(key) > KEY_LENGTH or int(local_id) in table.unsynced_ids:
        return None
    names = table.entity.columns
    columns = dict(zip(names, rest[: len(names)], strict=True))
    parents = rest[len(names) :]
    local: dict[str, int | None] = {}
    nameable = True
    for number, field in enumerate(table.references):
        assert field.reference is not None
        parent_id, parent_uuid = parents[2 * number], parents[2 * number + 1]
        parent_key = layout.tables[field.reference].key_of(parent_id, parent_uuid)
        local[field.name] = columns[field.name]
        if parent_key is None and (columns[field.name] is not None or not field.columns[0].nullable):
            nameable = nameable and field.deferred
            parent_key = field.placeholder
        columns[field.name] = parent_key
    return BusinessRow(int(local_id), key, _kinds(table, columns), local, nameable)


def old_values(layout: Layout, table: Table, key: str, document: Mapping[str, Any]) -> dict[str, Value]:
    """The fields of a row that went, from what its trigger saved."""
    columns: dict[str, Scalar] = {name: document.get(name) for name in table.entity.columns}
    for field in table.references:
        assert field.reference is not None
        parent = layout.tables[field.reference]
        parent_key = parent.key_of(document.get(field.name), document.get(PARENT_KEY + field.name))
        columns[field.name] = parent_key if parent_key is not None else field.placeholder
    return table.entity.values(_kinds(table, columns), key=key)


def _kinds(table: Table, columns: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {column.name: _kind(field, column, columns[column.name]) for field, column in _columns(table)}


def _columns(table: Table) -> list[tuple[Field, Column]]:
    return [(field, column) for field in table.entity.fields for column in field.columns]


def _kind(field: Field, column: Column, value: Any) -> Scalar:
    if value is None:
        return None
    if field.reference is None and column.kind in ("int", "bool"):
        return int(value)
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
