"""How the entities of the catalog lie in this database: quoted names, and which local rows the well-known ones are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from region_operator.errors import InvalidInput
from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Entity, Field, WellKnown, keys
from region_operator.replication.model.state import Scalar
from region_operator.replication.store.connections import Session


@dataclass(frozen=True)
class Table:
    """An entity's table.

    Attributes:
        schema: of the business tables, quoted.
        well_known: fixed key -> local id.
        parents: reference -> table, of the references that name a row or that it is a part of.
    """

    entity: Entity
    schema: str
    well_known: Mapping[str, int] = field(default_factory=dict)
    parents: Mapping[str, "Table"] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        return f"{self.schema}.{quote_identifier(self.entity.table)}"

    @property
    def local_id(self) -> str:
        return quote_identifier(self.entity.local_id)

    @property
    def key_column(self) -> str:
        """Only of entities that have one."""
        assert self.entity.key_column is not None, f"{self.entity.name} is named by several fields"
        return quote_identifier(self.entity.key_column)

    @property
    def references(self) -> tuple[Field, ...]:
        return tuple(f for f in self.entity.fields if f.reference is not None)

    @property
    def unsynced_ids(self) -> tuple[int, ...]:
        """Local ids of well-known rows that only serve as targets of references."""
        return tuple(id_ for key, id_ in sorted(self.well_known.items()) if not self.entity.is_synced(key))

    def key(self, alias: str) -> str:
        """SQL of the fleet-wide key of a row; NULL for one without."""
        if not self.well_known:
            return self.own_key(alias)
        fixed = " ".join(f"WHEN {id_} THEN {literal(key)}" for key, id_ in sorted(self.well_known.items()))
        return f"(CASE {alias}.{self.local_id} {fixed} ELSE {self.own_key(alias)} END)"

    def own_key(self, alias: str) -> str:
        """SQL of what a row itself says of its key, well-known or not; see ``key_of``."""
        if self.entity.key_column is not None:
            return f"{alias}.{self.key_column}"
        parts = (self._part(self.entity.field(name), alias) for name in self.entity.key_fields)
        return f"CONCAT({f', {literal(keys.SEPARATOR)}, '.join(parts)})"

    def key_of(self, local_id: int | None, key: str | None) -> str | None:
        """The fleet-wide key of a local row; None for a row without one."""
        if local_id is None:
            return None
        return self._fixed_keys.get(local_id, key)

    def exclusion(self, alias: str) -> str:
        """SQL that is true for rows that are none of the entity, as literals (numbers and quoted text only)."""
        row_filter, part_of = self.entity.row_filter, self.entity.part_of
        excluded: dict[str, tuple[Scalar, ...]] = {}
        if row_filter is not None:
            excluded[row_filter.column] = row_filter.excluded
        if part_of is not None and self.parents[part_of].unsynced_ids:
            excluded[part_of] = self.parents[part_of].unsynced_ids
        conditions = (
            f"IFNULL({alias}.{quote_identifier(column)} IN ({', '.join(map(literal, values))}), FALSE)"
            for column, values in excluded.items()
        )
        return f"({' OR '.join(conditions)})" if excluded else "FALSE"

    @property
    def _fixed_keys(self) -> dict[int, str]:
        return {local_id: key for key, local_id in self.well_known.items()}

    def _part(self, named: Field, alias: str) -> str:
        """SQL of one part of a key, as ``catalog.keys`` writes it. In one character set: tables of a cloud differ."""
        column = f"{alias}.{quote_identifier(named.name)}"
        text = column
        if named.reference is not None:
            parent, of = self.parents[named.name], f"of_{alias.lower()}"
            text = (
                f"(SELECT {parent.key(of)} FROM {parent.sql} {of} "
                f"WHERE {of}.{parent.local_id} = {column} AND NOT {parent.exclusion(of)})"
            )
        text = f"CONVERT({text} USING utf8mb4)"
        for plain, escaped in keys.ESCAPES:
            text = f"REPLACE({text}, {literal(plain)}, {literal(escaped)})"
        return f"IF({column} IS NULL, '', {text})" if named.columns[0].nullable else text


@dataclass(frozen=True)
class Layout:
    """Everything the SQL of the store needs to know of names; parents first.

    Attributes:
        left_out: entities whose rows are neither taken from peers nor served to them.
        held: those of them that this database cannot exchange; they are not among the tables.
    """

    business: str
    sync: str
    tables: Mapping[str, Table]
    left_out: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()

    def exchanges(self, entity: str) -> bool:
        """True for an entity whose rows go to and come from peers."""
        return entity in self.tables and entity not in self.left_out

    def own(self, table: str) -> str:
        """A table of ``region_sync``, quoted."""
        return f"{self.sync}.{quote_identifier(table)}"

    def children(self, entity: str) -> Iterator[tuple[Table, Field]]:
        """Tables whose rows may refer to rows of an entity, and by which field."""
        for table in self.tables.values():
            for reference in table.references:
                if reference.reference == entity:
                    yield table, reference

    def depth(self, entity: str) -> int:
        """The place of an entity in the order parents first."""
        return list(self.tables).index(entity)


def layout(
    entities: Iterable[Entity],
    *,
    business_schema: str,
    sync_schema: str,
    well_known: Mapping[str, Mapping[str, int]] | None = None,
    held: frozenset[str] = frozenset(),
) -> Layout:
    """Return the layout of entities, which come parents first, without those that are held back."""
    business, known = quote_identifier(business_schema), well_known or {}
    tables: dict[str, Table] = {}
    for entity in (entity for entity in entities if entity.name not in held):
        needed = {*entity.key_fields, entity.part_of}
        parents = {name: tables[target] for name, target in entity.references.items() if name in needed}
        tables[entity.name] = Table(entity, business, dict(known.get(entity.name, {})), parents)
    return Layout(business, quote_identifier(sync_schema), tables, left_out=held, held=held)


def literal(value: Scalar) -> str:
    """A constant inside DDL, where nothing can be bound: numbers, and text of harmless characters.

    Raises:
        InvalidInput: the text could end the literal.
    """
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    if not all(character.isalnum() or character in "-_.:/~ " for character in value):
        raise InvalidInput(
            field="catalog", problem=f"{value!r} cannot stand in a trigger", remedy="use letters, digits and -_.:/~"
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
            local_id = rows.get(row.key) or _find(session, table, row, found)
            if local_id is not None:
                rows[row.key] = local_id
    return layout(
        (table.entity for table in plain.tables.values()),
        business_schema=plain.business.strip("`"),
        sync_schema=plain.sync.strip("`"),
        well_known=found,
        held=plain.held,
    )


def _find(session: Session, table: Table, row: WellKnown, found: Mapping[str, Mapping[str, int]]) -> int | None:
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
    if row.optional:
        return None
    raise InvalidInput(
        field="database",
        problem=f"table {table.entity.table} has no row for {row.key}",
        remedy="let the cloud's own installation (or businessSchema: Create) finish first",
        reason="NotACloudDatabase",
    )
