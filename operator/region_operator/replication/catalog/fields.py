"""Fields of an entity, as data.

A *field* is what one register holds: a column, or a group of columns whose values belong together. Names of fields are
names on the wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from region_operator.replication.model.rules import Rule
from region_operator.replication.model.state import Scalar, Value

Kind = Literal["str", "int", "bool", "datetime", "decimal"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column as CloudStack has it; ``max_length`` counts characters."""

    name: str
    kind: Kind = "str"
    nullable: bool = True
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One register of an entity.

    Attributes:
        columns: one, or several that never mix; then the value is a tuple in this order.
        rule: how concurrent values are settled unless the policy names another rule for this field.
        fixed_rule: the policy may not name another rule.
        severity: the values from most to least restrictive; without it MostRestrictive cannot be chosen.
        quiet: different values are settled without being a conflict.
        secret: never logged or shown, redacted in conflict records.
        reference: entity whose key travels here instead of the local id in the column; the field is called like it.
        absent: what stands in a reference column that refers to nothing; some tables have 0 for NULL.
        deferred: the row may exist before the one that it refers to; written in a second pass.
        placeholder: key of the (well-known) row that a deferred reference names until then, for NOT NULL columns.
    """

    name: str
    columns: tuple[Column, ...]
    rule: Rule | None = None
    fixed_rule: bool = False
    severity: tuple[str, ...] = ()
    quiet: bool = False
    secret: bool = False
    reference: str | None = None
    absent: int | None = None
    deferred: bool = False
    placeholder: str | None = None

    @property
    def is_group(self) -> bool:
        return len(self.columns) > 1

    def travels(self, row: Mapping[str, Scalar]) -> Value:
        """Return the value that a register holds for this row of columns (references already as keys)."""
        if self.is_group:
            return tuple(row[column.name] for column in self.columns)
        return row[self.columns[0].name]

    def arrives(self, value: Value) -> dict[str, Scalar]:
        """Return the columns to write for a register's value."""
        parts = value if isinstance(value, tuple) else (value,)
        return {column.name: part for column, part in zip(self.columns, parts, strict=True)}

    def problem(self, value: Value) -> str | None:
        """Say what keeps a value that arrived from being written; never the value itself, it may be a secret."""
        parts = value if isinstance(value, tuple) else (value,)
        if len(parts) != len(self.columns) or isinstance(value, tuple) != self.is_group:
            return f"{len(self.columns)} columns, the value has {len(parts)}"
        problems = (self._problem(column, part) for column, part in zip(self.columns, parts, strict=True))
        return next((problem for problem in problems if problem), None)

    def _problem(self, column: Column, part: Scalar) -> str | None:
        if part is None:
            return None if column.nullable or self.absent is not None else "may not be NULL"
        is_number = column.kind in ("int", "bool") and self.reference is None
        if is_number != isinstance(part, int):
            return f"is {column.kind if is_number else 'a text'}, not {type(part).__name__}"
        if isinstance(part, str) and column.max_length is not None and len(part) > column.max_length:
            return f"holds {column.max_length} characters, the value has {len(part)}"
        return None
