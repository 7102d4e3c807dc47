"""What of a plain state goes into the columns of its table as it is; no statement is run here."""

from collections.abc import Collection, Iterable

from region_operator.replication.model.plain import Plain
from region_operator.replication.model.state import Scalar
from region_operator.replication.store import sets
from region_operator.replication.store.layout import Table


def values_of(table: Table, state: Plain) -> tuple[Scalar, ...] | None:
    """The columns of a state; None if it has other fields than the entity, or is removed without a deletion."""
    if len(state.registers) != len(table.entity.fields):
        return None
    found: list[Scalar] = []
    for field in table.entity.fields:
        register = state.registers.get(field.name)
        if register is None:
            return None
        value = register[2]
        if field.is_group != (type(value) is list) or (value is not None and field.name == table.entity.removed):
            return None
        found += value if field.is_group else (value,)
    return tuple(found) if len(found) == len(table.entity.columns) else None


def fits(table: Table, state: Plain, fields: Iterable[str]) -> bool:
    """Tell whether values can be written; if not, the general way says what is wrong with them."""
    for name in fields:
        value = state.registers[name][2]
        if table.entity.field(name).problem(tuple(value) if type(value) is list else value) is not None:
            return False
    return True


def columns_of(table: Table, fields: Collection[str]) -> frozenset[str]:
    """The names of the columns of some fields."""
    return frozenset(column.name for field, column in sets.columns(table) if field.name in fields)


def changeable_fields(table: Table) -> frozenset[str]:
    """Fields of rows that are here whose change concerns no other row."""
    entity = table.entity
    names = {name.split(".")[0] for unique in entity.unique for name in unique.columns}
    names |= {entity.tree.parent, entity.tree.name} if entity.tree is not None else set()
    return frozenset(
        field.name
        for field in entity.fields
        if field.reference is None
        and not any(column.name in names or column.name == entity.removed for column in field.columns)
    )
