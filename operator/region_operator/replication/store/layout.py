"""How the entities of the catalog lie in this database: quoted names, and which local rows the well-known ones are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from region_operator.errors import InvalidInput
from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Entity, Field, WellKnown
from region_operator.replication.model.state import Scalar
from region_operator.replication.store.connections import Session


@dataclass(frozen=True)
class Table:
    """An entity's table.

    Attributes:
        schema: of the business tables, quoted.
        well_known: fixed key -> local id.
    """

    entity: Entity
    schema: str
    well_known: Mapping[str, int] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        return f"{self.schema}.{quote_identifier(self.entity.table)}"

    @property
    def local_id(self) -> str:
        return quote_identifier(self.entity.local_id)

    @property
    def key_column(self) -> str:
        return quote_identifier(self.entity.key_column)

    @property
    def references(self) -> tuple[Field, ...]:
        return tuple(f for f in self.entity.fields if f.reference is not None)

    @property
    def unsynced_ids(self) -> tuple[int, ...]:
        """Local ids of well-known rows that only serve as targets of references."""
        return tuple(id_ for key, id_ in sorted(self.well_known.items()) if not self.entity.is_synced(key))

    def key_of(self, local_id: int | None, key: str | None) -> str | None:
        """The fleet-wide key of a local row; None for a row without one."""
        if local_id is None:
            return None
        return self._fixed_keys.get(local_id, key)

    @property
    def _fixed_keys(self) -> dict[int, str]:
        return {local_id: key for key, local_id in self.well_known.items()}

    def exclusion(self, alias: str) -> str:
        """SQL that is true for rows that are none of the entity, as literals (numbers and quoted text only)."""
        row_filter = self.entity.row_filter
        if row_filter is None:
            return "FALSE"
        excluded = ", ".join(literal(value) for value in row_filter.excluded)
        return f"IFNULL({alias}.{quote_identifier(row_filter.column)} IN ({excluded}), FALSE)"


@dataclass(frozen=True)
class Layout:
    """Everything the SQL of the store needs to know of names; parents first.

    Attributes:
        left_out: entities whose rows are neither taken from peers nor served to them.
    """

    business: str
    sync: str
    tables: Mapping[str, Table]
    left_out: frozenset[str] = frozenset()

    def exchanges(self, entity: str) -> bool:
        """True for an entity whose rows go to and come from peers."""
        return entity in self.tables and entity not in self.left_out

    def own(self, table: str) -> str:
        """A table of ``region_sync``, quoted."""
        return f"{self.sync}.{quote_identifier(table)}"

    def depth(self, entity: str) -> int:
        """The place of an entity in the order parents first."""
        return list(self.tables).index(entity)


def layout(
    entities: Iterable[Entity],
    *,
    business_schema: str,
    sync_schema: str,
    well_known: Mapping[str, Mapping[str, int]] | None = None,
) -> Layout:
    business, known = quote_identifier(business_schema), well_known or {}
    tables = {entity.name: Table(entity, business, dict(known.get(entity.name, {}))) for entity in entities}
    return Layout(business, quote_identifier(sync_schema), tables)


def literal(value: Scalar) -> str:
    """A constant inside DDL, where nothing can be bound: numbers, and text of harmless characters.

    Raises:
        InvalidInput: the text could end the literal.
    """
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    if not all(character.isalnum() or character in "-_.:/ " for character in value):
        raise InvalidInput(
            field="catalog", problem=f"{value!r} cannot stand in a trigger", remedy="use letters, digits and -_.:/"
        )
    return f"'{value}'"


def load_well_known(session: Session, sync_schema: str) -> dict[str, dict[str, int]]:
    """What ``find_well_known`` found when the region was prepared."""
    found: dict[str, dict[str, int]] = {}
    for entity, key, local_id in session.select(
        f"SELECT entity, entity_key, local_id FROM {quote_identifier(sync_schema)}.well_known"
    ):
        found.setdefault(entity, {})[key] = int(local_id)
    return found


def find_well_known(session: Session, plain: Layout, known: Mapping[str, Mapping[str, int]]) -> Layout:
    """Return the layout with the local ids of all well-known rows; those in ``known`` are not looked for again.

    Raises:
        InvalidInput: one of them is not there, so this is not the database of a cloud.
    """
    found: dict[str, dict[str, int]] = {entity: dict(rows) for entity, rows in known.items()}
    for table in plain.tables.values():
        rows = found.setdefault(table.entity.name, {})
        for row in table.entity.well_known:
            if row.key not in rows:
                rows[row.key] = _find(session, table, row, found)
    tables = {name: Table(table.entity, table.schema, found[name]) for name, table in plain.tables.items()}
    return Layout(plain.business, plain.sync, tables)


def _find(session: Session, table: Table, row: WellKnown, found: Mapping[str, Mapping[str, int]]) -> int:
    references = {f.name: f.reference for f in table.references}
    taken = sorted(found[table.entity.name].values()) or [0]
    match: dict[str, Scalar] = {}
    for column, value in row.match.items():
        target = references.get(column)
        match[column] = found[target][value] if target is not None and isinstance(value, str) else value
    by_reference = {column: value for column, value in match.items() if column in references and value is not None}
    # By name, else (the default admin was renamed) the first row that hangs where the well-known one does.
    for wanted in (match, by_reference):
        if not wanted:
            continue
        condition = " AND ".join(f"{quote_identifier(column)} <=> %s" for column in wanted)
        marks = ", ".join(["%s"] * len(taken))
        hit = session.one(
            f"SELECT MIN({table.local_id}) FROM {table.sql} "
            f"WHERE {condition} AND {table.local_id} NOT IN ({marks}) AND NOT {table.exclusion(table.sql)}",
            (*wanted.values(), *taken),
        )
        if hit is not None and hit[0] is not None:
            return int(hit[0])
    raise InvalidInput(
        field="database",
        problem=f"table {table.entity.table} has no row for {row.key}",
        remedy="let the cloud's own installation (or businessSchema: Create) finish first",
        reason="NotACloudDatabase",
    )
