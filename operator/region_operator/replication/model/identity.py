"""Rows that turn out to be the same, or turn out not to be: aliases, reused keys, clashes of unique names."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from region_operator.replication.model.merge import merge
from region_operator.replication.model.state import Born, Pair, Register, RowState, Value
from region_operator.replication.model.vectors import (
    ALIAS_MARK,
    Actor,
    Dot,
    VersionVector,
    is_genesis,
    region_of,
)


def clash_winner(states: Collection[RowState]) -> RowState:
    """Return the row that keeps a contested name: the one that was born first, by number, not by time."""
    return min(states, key=lambda state: state.born)


def renaming_region(loser: RowState, *, live: Collection[int]) -> int | None:
    """Return the region that renames the loser of a clash: its creator, else the smallest live region that holds it."""
    creator = region_of(loser.born.actor)
    return creator if creator in live else min(live, default=None)


def adopt(loser: RowState, *, winner: RowState) -> RowState:
    """Return the loser as an alias of the winner; it binds everywhere, later writes to the loser go to the winner.

    Raises:
        ValueError: the winner was not born before the loser, so that aliases could run in a circle.
    """
    if not winner.born < loser.born:
        raise ValueError(f"{winner.entity} {winner.key} was born after {loser.key}, it cannot adopt it")
    return replace(loser, alias=min(loser.alias, winner.born) if loser.alias else winner.born)


def absorb(winner: RowState, alias: RowState) -> RowState:
    """Return the winner joined with what was written to one of its aliases, now or later.

    The writes keep their values but get actors of their own: under their own names the vector of one row would claim
    to have seen writes of the other.
    """
    if alias.alias is None:
        raise ValueError(f"{alias.entity} {alias.key} is no alias")
    return merge(winner, _renamed(alias, winner=winner))


def final_key(key: str, *, alias_of: Callable[[str], str | None]) -> str:
    """Follow aliases to the row that stands for ``key``.

    Births fall along the way, so it ends. Should two regions have adopted crosswise before they met, or should a peer
    forge, the least key of the circle stands for all of it, in every region alike.
    """
    way = [key]
    while (adopter := alias_of(way[-1])) is not None:
        if adopter in way:
            return min(way[way.index(adopter) :])
        way.append(adopter)
    return way[-1]


def _renamed(alias: RowState, *, winner: RowState) -> RowState:
    def register(pairs: Register) -> Register:
        renamed = (Pair(Dot(pair.dot.counter, actor(pair.dot.actor)), pair.value) for pair in pairs)
        return tuple(sorted(renamed, key=lambda pair: pair.dot))

    def vector(of: VersionVector) -> VersionVector:
        return VersionVector((actor(name), counter) for name, counter in of.items())

    def actor(name: Actor) -> Actor:
        # A write that this row had itself adopted keeps its name: it is the same write on whatever way it comes.
        return name if ALIAS_MARK in name else f"{name}{ALIAS_MARK}{alias.key}"

    return RowState(
        winner.entity,
        winner.key,
        winner.born,
        vector(alias.vector),
        {name: register(pairs) for name, pairs in alias.registers.items()},
        register(alias.deleted),
        vector(alias.deletes_seen),
        winner.alias,
    )


NaturalIdentity = tuple["Value | NaturalIdentity", ...]


def whole_identity(
    state: RowState,
    *,
    paths: Callable[[str], Sequence[str]],
    parent: Callable[[RowState, str], RowState | None],
    below: frozenset[tuple[str, str]] = frozenset(),
) -> NaturalIdentity:
    """Return what a person would know a row by, and the rows that it is known by, up to the root.

    Keys of parents say nothing between two clouds that never met: their domains '3' may be two domains. Where
    ``parent`` knows no state, as of well-known rows, the key stands for itself. ``paths`` are those of an entity.
    """
    below |= {(state.entity, state.key)}

    def part(step: str) -> "Value | NaturalIdentity":
        owner, last = _owner(state, step, parent=parent), step.rpartition(".")[2]
        above = parent(owner, last) if owner is not None else None
        if above is None or (above.entity, above.key) in below:
            return _first_value(owner, step)
        return whole_identity(above, paths=paths, parent=parent, below=below)

    return tuple(part(step) for step in paths(state.entity))


def _owner(state: RowState, step: str, *, parent: Callable[[RowState, str], RowState | None]) -> RowState | None:
    """The row whose own field the last name of ``step`` is."""
    found: RowState | None = state
    for name in step.split(".")[:-1]:
        found = parent(found, name) if found is not None else None
    return found


def _first_value(owner: RowState | None, step: str) -> Value:
    register = owner.registers.get(step.rpartition(".")[2], ()) if owner is not None else ()
    value = register[0].value if register else None
    return value.casefold() if isinstance(value, str) else value


def key_reused(a: RowState, b: RowState, *, identity_a: NaturalIdentity, identity_b: NaturalIdentity) -> bool:
    """Tell whether two clouds that knew nothing of each other gave one key to two different things (`KeyReused`).

    Only rows older than capture on both sides are suspected: their keys may be '1', '2', ...; such rows are never
    merged. Rows that are equal, or have met before, have the same birth.
    """
    return could_be_reused(a.born, b.born) and identity_a != identity_b


def could_be_reused(a: Born, b: Born) -> bool:
    """Tell whether only their identities can say that two rows of one key are the same thing."""
    return a != b and _old(a) and _old(b)


def _old(born: Born) -> bool:
    return is_genesis(born.actor)
