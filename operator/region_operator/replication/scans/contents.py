"""Looks for rows that are not as they were versioned, in each of two regions, and mends them with the other's help.

    drifted      a business row that was changed, or is gone, behind the triggers: its hash is not the one that was kept
                 when it was versioned. What the other region holds under the same names of writes says what it was.
    unnamed      a business row that no version names: inserted behind the triggers. Found in the order of local ids.

Each region looks at its own rows only; what two regions hold of one row may differ for good reasons. Pure.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from region_operator.replication.feed import FetchedRows, RowKey

AT_ONCE: Final = 200
"""Drifted rows that are told and mended at once."""


@dataclass(frozen=True, slots=True)
class Mended:
    """Attributes: found: rows that had drifted; repaired: those that have not any more; message: why others have."""

    found: int = 0
    repaired: int = 0
    message: str = ""

    def plus(self, later: "Mended") -> "Mended":
        return Mended(self.found + later.found, self.repaired + later.repaired, later.message or self.message)


@dataclass(frozen=True, slots=True)
class Walked:
    """Rows in the order of local ids; ``last`` is None at the end."""

    last: int | None
    mended: Mended = Mended()


class Region(Protocol):
    """One of the two; raises Unavailable or Refused while it cannot take part."""

    async def drifted(self, entity: str, *, after: str, upto: str) -> list[str]:
        """At most ``AT_ONCE`` keys of a range whose rows are not as they were versioned; what lacks a hash gets one."""

    async def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        """Capture what drifted as changes of that region, or put back what it was.

        ``rows``: what the other region holds of these; a row that it does not hold just so is captured whole, or left.
        """

    async def name(self, entity: str, *, after: int, limit: int) -> Walked:
        """Capture rows that no version names, among the next ones after a local id."""

    async def rows(self, keys: list[RowKey]) -> FetchedRows: ...


async def check(
    regions: tuple[Region, Region],
    entity: str,
    *,
    after: str,
    upto: str,
    capture: bool,
    caught_up: Callable[[], Awaitable[object]],
) -> Mended:
    """Mend what has drifted in a range of keys of both regions.

    ``caught_up`` waits until each knows what the other does.
    """
    here, there = regions
    looks = [_Look(region, entity, at=after, upto=upto) for region in regions]
    total = Mended()
    while any(look.is_open for look in looks):
        await asyncio.gather(*(look.on() for look in looks))
        end = min((look.keys[-1] for look in looks if look.goes_on), default=upto)
        ours, theirs = (look.taken(end) for look in looks)
        if ours or theirs:
            await caught_up()
        total = total.plus(await _mend(here, there, entity, ours, lost=theirs, capture=capture))
        total = total.plus(await _mend(there, here, entity, theirs, lost=ours, capture=capture))
    return total


@dataclass
class _Look:
    """What one region tells of its drifted rows: a range is looked at once, however many the other has."""

    region: Region
    entity: str
    at: str
    upto: str
    keys: list[str] = field(default_factory=list)
    goes_on: bool = True

    @property
    def is_open(self) -> bool:
        return self.goes_on or bool(self.keys)

    async def on(self) -> None:
        if self.goes_on and not self.keys:
            self.keys = await self.region.drifted(self.entity, after=self.at, upto=self.upto)
            self.goes_on = len(self.keys) >= AT_ONCE

    def taken(self, end: str) -> list[str]:
        """Keys up to ``end``, to be mended now; "" takes all."""
        taken = [key for key in self.keys if not end or key <= end]
        self.keys, self.at = self.keys[len(taken) :], end
        return taken


async def _mend(
    region: Region, other: Region, entity: str, keys: Sequence[str], *, lost: Sequence[str], capture: bool
) -> Mended:
    """``lost`` are rows of the other region that drifted themselves."""
    if not keys:
        return Mended()
    wanted = [RowKey(entity, key) for key in keys if key not in lost]
    rows = await other.rows(wanted) if wanted else None
    return await region.mend(entity, keys, rows, capture=capture)
