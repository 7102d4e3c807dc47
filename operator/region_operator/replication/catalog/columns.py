"""How fields are written down where they are written down often: one column, by what it holds."""

from typing import Final

from region_operator.replication.catalog.fields import Column, Field
from region_operator.replication.model.rules import Rule


def text(name: str, length: int, *, nullable: bool = True, secret: bool = False) -> Field:
    return Field(name, (Column(name, nullable=nullable, max_length=length),), secret=secret)


def number(name: str) -> Field:
    return Field(name, (Column(name, "int", nullable=False),))


def state(length: int, *, severity: tuple[str, ...], rule: Rule | None = None) -> Field:
    return Field("state", (Column("state", nullable=False, max_length=length),), rule=rule, severity=severity)


def reference(
    column: str,
    entity: str,
    *,
    nullable: bool = False,
    absent: int | None = None,
    deferred: bool = False,
    placeholder: str | None = None,
) -> Field:
    columns = (Column(column, "int", nullable=nullable),)
    return Field(column, columns, reference=entity, absent=absent, deferred=deferred, placeholder=placeholder)


def created(*, nullable: bool = True) -> Field:
    return Field("created", (Column("created", "datetime", nullable=nullable),), rule=Rule.MIN, quiet=True)


REMOVED: Final = Field("removed", (Column("removed", "datetime"),), rule=Rule.MIN, fixed_rule=True, quiet=True)
