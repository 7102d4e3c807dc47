"""The join of two states of one row: commutative, associative, idempotent, whatever the rules are.

A pair survives if both sides hold it or the other side has not seen its dot. Nothing else decides: no clock, no rule.
"""

from region_operator.errors import RegionOperatorError
from region_operator.replication.model.state import DELETED_FIELD, Born, Pair, Register, RowState
from region_operator.replication.model.vectors import VersionVector


class MergeRefused(RegionOperatorError):
    """Two states of a row cannot be joined; the row is parked, its vector is not joined.

    Attributes:
        entity: name of the entity.
        key: key of the row.
        field: the field that shows it.
        reason: CamelCase constant for a parked row.
    """

    reason = "MergeRefused"

    def __init__(self, state: RowState, *, field: str, problem: str) -> None:
        self.entity, self.key, self.field = state.entity, state.key, field
        super().__init__(f"{state.entity} {state.key}, field {field}: {problem}")


class DotReuse(MergeRefused):
    """A dot names two values: somebody wrote twice under one number, so which value is older cannot be known."""

    reason = "DotReuse"


class FieldLost(MergeRefused):
    """One side claims to have seen all values of a field, yet has none: it does not carry the field at all."""

    reason = "SchemaSkew"


def merge(a: RowState, b: RowState) -> RowState:
    """Return the join of two states of one row.

    Raises:
        DotReuse: a dot names two values, or is claimed by a side that does not account for it.
        FieldLost: one side lacks a field whose values it claims to have seen.
    """
    if (a.entity, a.key) != (b.entity, b.key):
        raise ValueError(f"{a.entity} {a.key} and {b.entity} {b.key} are different rows")
    if a is b:
        return a
    registers = {}
    for name in a.registers.keys() | b.registers.keys():
        left, right = a.registers.get(name, ()), b.registers.get(name, ())
        registers[name] = joined = _join(left, right, a=a, b=b, name=name)
        if not joined:
            fault = DotReuse if left and right else FieldLost
            raise fault(a, field=name, problem="every value is claimed as seen, none is left")
    deleted = _join(a.deleted, b.deleted, a=a, b=b, name=DELETED_FIELD)
    if not deleted and (a.deleted or b.deleted):
        raise DotReuse(a, field=DELETED_FIELD, problem="every value is claimed as seen, none is left")
    return RowState(
        a.entity,
        a.key,
        min(a.born, b.born),
        a.vector.join(b.vector),
        registers,
        deleted,
        a.deletes_seen.join(b.deletes_seen),
        _first(a.alias, b.alias),
    )


def _join(left: Register, right: Register, *, a: RowState, b: RowState, name: str) -> Register:
    if left == right:
        return left
    held = {pair.dot: pair for pair in right}
    survivors = []
    for pair in left:
        twin = held.get(pair.dot)
        if twin is not None and twin.value != pair.value:
            raise DotReuse(a, field=name, problem=f"{pair.dot} names two values")
        if twin is not None or not b.vector.covers(pair.dot):
            survivors.append(pair)
    mine = {pair.dot for pair in left}
    survivors += [pair for pair in right if pair.dot not in mine and not a.vector.covers(pair.dot)]
    return tuple(sorted(survivors, key=_dot))


def _dot(pair: Pair) -> tuple[int, str]:
    return pair.dot.counter, pair.dot.actor


def _first(a: Born | None, b: Born | None) -> Born | None:
    return min(a, b) if a is not None and b is not None else a or b


def proves_more(remote: RowState, local: RowState | None, *, actor: str) -> bool:
    """Tell whether a peer has seen writes of ``actor`` that ``local`` has not.

    Of this region's own actor that means that this database went back in time, or that the peer forges.
    """
    known = local.vector if local is not None else VersionVector()
    return remote.vector.get(actor) > known.get(actor)
