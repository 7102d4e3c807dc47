"""What an entity is, as data: everything that the engine knows of a table. An entity is added by writing one down.

Its fields belong to the entity, fleet-wide: every region carries all of them (ENGINE 5).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import keys
from region_operator.replication.catalog.fields import Field
from region_operator.replication.model.state import DELETED_FIELD, RowState, Scalar, Value


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Rows whose column holds one of these values are no rows of the entity, nor are rows that refer to them."""

    column: str
    excluded: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class WellKnown:
    """A row that every cloud has from its installation, under a uuid of its own: found by name, known by a fixed key.

    Attributes:
        match: columns that find it when the region is prepared (a reference column by key); remembered from then on.
        local_fields: fields of this row that stay in their region; its states do not carry them.
        synced: False = only other rows' references to it travel, by its key.
        optional: not every version of the cloud has it.
    """

    key: str
    match: Mapping[str, Scalar]
    local_fields: frozenset[str] = frozenset()
    synced: bool = True
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Cascade:
    """A foreign key by which deleting a row of ``parent_table`` changes this table behind its triggers."""

    parent_table: str
    column: str
    action: Literal["Delete", "SetNull"]


@dataclass(frozen=True, slots=True)
class Unique:
    """Columns that are unique among rows; ``account_id.domain_id`` is the domain of the row's account.

    Attributes:
        live_only: removed rows do not count.
        indexed: the database itself refuses a second row; else it is unique only in the cloud's own code.
    """

    columns: tuple[str, ...]
    live_only: bool = True
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """Columns of a tree that are recomputed from parent and name, never copied."""

    parent: str
    name: str
    path: str
    level: str
    child_count: str
    next_child_sequence: str
    separator: str = "/"

    @property
    def derived(self) -> tuple[str, ...]:
        return self.path, self.level, self.child_count, self.next_child_sequence


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of row that is the same in all regions.

    Attributes:
        key_column: the fleet-wide name of a row; rows without it are refused, never guessed.
        key_fields: fields that name a row together, for tables whose rows have no uuid (then without ``key_column``).
        local_id: the region's own number of a row; never travels.
        removed: column with the time of a soft delete; None = rows are deleted for good.
        excluded: columns that stay in their region, whether this cloud has them or not.
        initial: what such columns start with in a row that comes from elsewhere, where they have no default.
        part_of: reference to what a row is a part of; parts of rows that stay in their region stay with them.
        unique: the first one is what a person knows a row by (`KeyReused`), unless there is ``known_by``.
        known_by: the same for rows that have no unique name.
        append_only: rows are only added; neither changing nor purging them locally is a change.
    """

    name: str
    table: str
    fields: tuple[Field, ...]
    key_column: str | None = "uuid"
    key_fields: tuple[str, ...] = ()
    local_id: str = "id"
    removed: str | None = None
    excluded: tuple[str, ...] = ()
    initial: Mapping[str, Scalar] = field(default_factory=dict)
    part_of: str | None = None
    row_filter: RowFilter | None = None
    well_known: tuple[WellKnown, ...] = ()
    cascades: tuple[Cascade, ...] = ()
    unique: tuple[Unique, ...] = ()
    known_by: tuple[str, ...] = ()
    tree: Tree | None = None
    append_only: bool = False

    def __post_init__(self) -> None:
        columns = [*self.columns, *self.own_columns, *self.excluded]
        for identifier in (self.name, self.table, *columns, *self.field_names):
            quote_identifier(identifier)
        for names in (columns, self.field_names):
            twice = sorted({name for name in names if list(names).count(name) > 1})
            if twice:
                raise self._fault(f"{', '.join(twice)} is there twice")
        if DELETED_FIELD in self.field_names:
            raise self._fault(f"no field may be called {DELETED_FIELD}")
        if self.removed is not None and self.removed not in self.field_names:
            raise self._fault(f"the column {self.removed} has to be a field")
        if any(one.reference is not None and one.is_group for one in self.fields):
            raise self._fault("a reference cannot be part of a group")
        if any(one.reference is not None and one.columns[0].name != one.name for one in self.fields):
            raise self._fault("a reference has to be called like its column")
        if not self.initial.keys() <= set(self.excluded):
            raise self._fault("only excluded columns may have initial values")
        if self.part_of is not None and self.part_of not in self.references:
            raise self._fault(f"it cannot be part of {self.part_of}, which is no reference")
        self._check_key()

    def _check_key(self) -> None:
        if (self.key_column is None) != bool(self.key_fields):
            raise self._fault("either a key column or key fields name a row")
        named = [one for one in self.fields if one.name in self.key_fields]
        if len(named) != len(self.key_fields):
            raise self._fault("every key field has to be a field")
        if any(one.is_group or one.deferred or one.columns[0].name != one.name for one in named):
            raise self._fault("a key field is one column of its name and never deferred")
        if any(one.reference == self.name for one in named):
            raise self._fault("a row cannot be named by one of its own kind")
        if self.key_fields and self.well_known:
            raise self._fault("rows without a key column cannot be well-known")

    def _fault(self, problem: str) -> ValueError:
        return ValueError(f"entity {self.name}: {problem}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The synced columns in the order of the fields."""
        return tuple(column.name for column in chain.from_iterable(field.columns for field in self.fields))

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns that the engine needs beside the synced ones."""
        key = () if self.key_column is None else (self.key_column,)
        return *key, self.local_id, *self.derived

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def groups(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.is_group)

    @property
    def references(self) -> dict[str, str]:
        """Field -> entity that has to be there before the row."""
        return {f.name: f.reference for f in self.fields if f.reference is not None and not f.deferred}

    @property
    def deferred_references(self) -> dict[str, str]:
        """Field -> entity that may come after the row."""
        return {f.name: f.reference for f in self.fields if f.reference is not None and f.deferred}

    @property
    def derived(self) -> tuple[str, ...]:
        return self.tree.derived if self.tree is not None else ()

    @property
    def natural_key(self) -> tuple[str, ...]:
        return self.known_by or (self.unique[0].columns if self.unique else ())

    def key_of(self, values: Mapping[str, Value]) -> str | None:
        """The name that a row's values give it; None where rows have a key column, or a value is missing."""
        parts = {name: values.get(name) for name in self.key_fields}
        if not parts or any(part is None and not self.field(name).columns[0].nullable for name, part in parts.items()):
            return None
        return keys.join([None if part is None else str(part) for part in parts.values()])

    def is_stable(self, values: Mapping[str, Value]) -> bool:
        """False for values that a business row may stop saying without a captured change.

        Of an append-only entity rows are purged that others refer to; what they referred to is kept with the version.
        """
        return not self.append_only or all(values.get(name) is None for name in self.deferred_references)

    @property
    def is_hashed(self) -> bool:
        """Whether it is told by hashes that rows are as they were versioned: an index finds them all by their key.

        Not of entities that are only added to: what becomes of their rows is the region's own affair.
        """
        return self.key_column is not None and not self.append_only

    @property
    def is_uniform(self) -> bool:
        """Whether all its rows are named by one column, stay as they are written, and need no column but the synced."""
        return self.is_hashed and not self.initial

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    def fields_of_columns(self, changed: Iterable[str]) -> tuple[Field, ...]:
        """Return the fields that a write to these columns changes; a group changes as a whole."""
        names = frozenset(changed)
        return tuple(field for field in self.fields if any(column.name in names for column in field.columns))

    def well_known_row(self, key: str) -> WellKnown | None:
        return next((row for row in self.well_known if row.key == key), None)

    def is_synced(self, key: str) -> bool:
        """False for a well-known row that only serves as a target of references."""
        row = self.well_known_row(key)
        return row is None or row.synced

    def fields_of_row(self, key: str) -> tuple[Field, ...]:
        """Return the fields that states of this row carry: all, but for what a well-known row keeps to itself."""
        row = self.well_known_row(key)
        return self.fields if row is None else tuple(f for f in self.fields if f.name not in row.local_fields)

    def missing_fields(self, state: RowState) -> tuple[str, ...]:
        """Return what a state has to have and has not; such a state is refused whole, its vector not joined."""
        return tuple(field.name for field in self.fields_of_row(state.key) if field.name not in state.registers)

    def problems(self, values: Mapping[str, Value]) -> tuple[str, ...]:
        """Say field by field what keeps values that arrived from being written; then the row is parked."""
        found = ((field.name, field.problem(values[field.name])) for field in self.fields if field.name in values)
        return tuple(f"{name}: {problem}" for name, problem in found if problem)

    def values(self, row: Mapping[str, Scalar], *, key: str) -> dict[str, Value]:
        """Return what travels of a row of columns in which references already stand as keys."""
        return {field.name: field.travels(row) for field in self.fields_of_row(key)}
