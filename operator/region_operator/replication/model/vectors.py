"""Who has seen what of one row: dots name single writes, a version vector names a set of them.

Everything here is a value; an actor never reuses a counter (that is the business of incarnations), so a dot names one
write of one row for ever.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

Actor = str
"""``<regionId>.<incarnation hex16>``; of rows older than capture ``g<hex16 of their content>``; of a row that another
one adopted ``<actor>@<key of the adopted row>``."""

GENESIS_PREFIX: Final = "g"
ALIAS_MARK: Final = "@"
MAX_COUNTER: Final = 2**53 - 1
"""What a JSON number carries exactly everywhere; a higher counter is forged."""


@dataclass(frozen=True, order=True, slots=True)
class Dot:
    """One write: the counter first, so that the greatest dot is the one that had seen most, the actor breaks ties."""

    counter: int
    actor: Actor


class VersionVector:
    """An immutable map actor -> highest counter seen; join is the pointwise maximum."""

    __slots__ = ("_counters",)

    def __init__(self, counters: Mapping[Actor, int] | Iterable[tuple[Actor, int]] = ()) -> None:
        self._counters: dict[Actor, int] = dict(counters)

    def get(self, actor: Actor) -> int:
        return self._counters.get(actor, 0)

    def covers(self, dot: Dot) -> bool:
        return self._counters.get(dot.actor, 0) >= dot.counter

    def includes(self, other: "VersionVector") -> bool:
        """Tell whether everything that ``other`` has seen is seen here too."""
        mine = self._counters
        return all(mine.get(actor, 0) >= counter for actor, counter in other._counters.items())

    def join(self, other: "VersionVector") -> "VersionVector":
        if not other._counters or self is other:
            return self
        joined = dict(self._counters)
        for actor, counter in other._counters.items():
            if counter > joined.get(actor, 0):
                joined[actor] = counter
        return VersionVector(joined)

    def with_dot(self, dot: Dot) -> "VersionVector":
        return self if self.covers(dot) else VersionVector({**self._counters, dot.actor: dot.counter})

    def highest(self) -> int:
        return max(self._counters.values(), default=0)

    def items(self) -> list[tuple[Actor, int]]:
        """The entries in the order of actors, so that equal vectors read equal."""
        return sorted(self._counters.items())

    def __iter__(self) -> Iterator[Actor]:
        return iter(sorted(self._counters))

    def __len__(self) -> int:
        return len(self._counters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VersionVector) and self._counters == other._counters

    def __hash__(self) -> int:
        return hash(frozenset(self._counters.items()))

    def __repr__(self) -> str:
        return f"VersionVector({dict(self.items())})"


EMPTY_VECTOR: Final = VersionVector()


def actor_of(region_id: int, incarnation: str) -> Actor:
    """The actor under whose name a region writes during one incarnation (16 hexadecimal digits)."""
    return f"{region_id}.{incarnation}"


def base_actor(actor: Actor) -> Actor:
    """The actor that wrote, whatever row its write was adopted from."""
    return actor.partition(ALIAS_MARK)[0]


def region_of(actor: Actor) -> int | None:
    """The region that wrote; None for genesis, which belongs to no region."""
    region, dot, _ = base_actor(actor).partition(".")
    return int(region) if dot and region.isdecimal() else None


def is_genesis(actor: Actor) -> bool:
    return actor.startswith(GENESIS_PREFIX)
