"""Compares one chunk of two regions and repairs what differs: digests first, single rows only where these differ.

    a range of keys of both -> digests equal? -> else smaller ranges, down to rows (``narrowing``)
    rows that differ -> are they only under way? -> else repaired through the merge (``settling``)

A chunk goes on from one entity to the next until it has seen as many rows as it was asked for. Knows neither HTTP nor
SQL; nothing is kept between two chunks but the position.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Literal

from region_operator.replication.catalog import CATALOG
from region_operator.replication.scans import contents
from region_operator.replication.scans.contents import Walked
from region_operator.replication.scans.found import Found, Seen
from region_operator.replication.scans.narrowing import Narrowing
from region_operator.replication.scans.place import Place
from region_operator.replication.scans.ports import ChunkOutcome
from region_operator.replication.scans.record import Position
from region_operator.replication.scans.settling import Settling
from region_operator.replication.scans.sides import Here, Side


class Comparison:
    """The comparing part of one scan (``scans.ports.Chunks``)."""

    def __init__(
        self,
        here: Here,
        peer: Side,
        *,
        entities: Collection[str] | None = None,
        drift: Literal["Capture", "Revert"] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``entities``: only these, of those that are exchanged.

        ``drift``: what becomes of rows that were changed behind the triggers; without it nobody looks for them.
        """
        self._here, self._peer, self._entities, self._clock = here, peer, entities, clock
        self._drift = drift

    async def chunk(self, position: Position | None, max_rows: int) -> ChunkOutcome:
        """Compare and repair what comes next; see ``ports.Chunks``."""
        at = Place.of_position(position) if position else await self._start()
        found = Found()
        while at.entities and found.compared < max_rows:
            if not at.is_unwalked:
                at = await self._compare(at, found, limit=max_rows - found.compared)
            elif (at := await self._walk(at, found, limit=max_rows)).is_unwalked:
                break  # it has seen as many rows
        return ChunkOutcome(
            next=at.position() if at.entities else None,
            rows_compared=found.compared,
            differing=found.differing,
            repaired=found.repaired,
            parts=tuple(found.parts),
            percent=at.percent if at.entities else 100,
            waited_s=found.waited_s,
            message=found.message,
        )

    async def _start(self) -> Place:
        exchanged = await self._here.exchanged()
        names = [name for name in exchanged if self._entities is None or name in self._entities]
        return Place.first(tuple(names), of=await self._here.count(names))

    async def _compare(self, at: Place, found: Found, *, limit: int) -> Place:
        """The next rows of the present entity, at most ``limit`` of each region."""
        entity = at.entities[0]
        narrowing, settling = (
            Narrowing(self._here, self._peer, entity),
            Settling(self._here, self._peer, found, clock=self._clock),
        )
        hashed = entity in CATALOG and CATALOG[entity].is_hashed
        if self._drift is not None and not hashed and at.ids is None:
            return at.unwalked()  # nothing but a walk can tell
        looks = self._drift is not None and hashed
        met = await narrowing.meet(at.after, "", limit=limit, contents=looks)
        if met is None:
            return at.following()
        if looks and not met.are_as_versioned:
            if at.ids is None:
                return at.unwalked()
            if await self._check(entity, at.after, met.end, found=found, settling=settling):
                met = await narrowing.meet(at.after, met.end, limit=limit) or met
        seen = Seen(entity)
        found.compared += met.rows
        await settling.settle(await narrowing.suspects(met, seen), seen)
        found.parts.append(seen.part())
        return at.beyond(met.end, rows=met.rows) if met.end else at.following(rows=met.rows)

    # --- what each region was told by nobody -----------------------------------------------------------------------

    async def _walk(self, at: Place, found: Found, *, limit: int) -> Place:
        """Let both regions capture the next rows that no version names."""
        entity, (ours, theirs) = at.entities[0], at.ids or (None, None)

        async def walk(region: Side, after: int | None) -> Walked:
            return await region.name(entity, after=after, limit=limit) if after is not None else Walked(None)

        here, there = await asyncio.gather(walk(self._here, ours), walk(self._peer, theirs))
        for one in (here, there):
            found.mended(one.mended)
        return at.walked((here.last, there.last))

    async def _check(self, entity: str, after: str, upto: str, *, found: Found, settling: Settling) -> bool:
        """Mend what has drifted in a range of either region; True if there was any."""
        mended = await contents.check(
            (self._here, self._peer),
            entity,
            after=after,
            upto=upto,
            capture=self._drift == "Capture",
            caught_up=settling.caught_up,
        )
        found.mended(mended)
        return mended.found > 0
