"""Tells rows that differ from rows that are only under way, and repairs the former through the merge.

wait until each region has applied all that the other had -> do they still differ?
what does is no lag: each region takes the other's state of the row, through the same merge as ever
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from region_operator.errors import Unavailable
from region_operator.replication.feed import RowKey
from region_operator.replication.scans.digests import RowDigest
from region_operator.replication.scans.found import Found, Seen
from region_operator.replication.scans.sides import Side

SETTLED_ROWS: Final = 1000
"""Rows that are settled at once."""

CARRIED_ROWS: Final = 200
"""Rows that are carried at once."""

ROUNDS: Final = 3
"""How often a row that goes on changing is looked at; then it is left to the feed."""

CATCH_UP_S: Final = 20.0
LOOK_S: Final = 0.05
MAX_FETCH_ROUNDS: Final = 64
CATCHING_UP: Final = "CatchingUp"

_Rows: TypeAlias = Mapping[str, RowDigest]


class Settling:
    """Of one chunk."""

    def __init__(self, here: Side, peer: Side, found: Found, *, clock: Callable[[], float]) -> None:
        self._here, self._peer, self._found, self._clock = here, peer, found, clock

    async def settle(self, keys: Sequence[str], seen: Seen) -> None:
        """All rows that differ in an entity."""
        for start in range(0, len(keys), SETTLED_ROWS):
            await self._settle(keys[start : start + SETTLED_ROWS], seen)

    async def caught_up(self) -> tuple[int, int]:
        """Wait until each region has applied what the other has by now; returns how far that was.

        Raises:
            Unavailable: they have not within a while; nothing can be said of the rows.
        """
        began = self._clock()
        ours, theirs = await asyncio.gather(self._here.standing(), self._peer.standing())
        heads, waited_s = (ours.head, theirs.head), 0.0
        while not (ours.has_all_of(theirs, upto=heads[1]) and theirs.has_all_of(ours, upto=heads[0])):
            waited_s = self._clock() - began
            if waited_s > CATCH_UP_S:
                raise Unavailable(
                    reason=CATCHING_UP,
                    message=f"the regions have not caught up with each other within {CATCH_UP_S:g} s",
                )
            await asyncio.sleep(LOOK_S)
            ours, theirs = await asyncio.gather(self._here.standing(), self._peer.standing())
        self._found.waited_s += waited_s
        return heads

    async def _settle(self, keys: Sequence[str], seen: Seen) -> None:
        suspects = list(keys)
        for _ in range(ROUNDS):
            heads = await self.caught_up()
            looked = await self._look(seen.entity, suspects)
            if looked is None:
                return
            real, moving = [], []
            ours, theirs = looked
            for key in suspects:
                mine, others = ours.get(key), theirs.get(key)
                if _are_equal(mine, others):
                    seen.same(1, mine.hash if mine is not None else 0)
                elif _is_aside(mine) or _is_aside(others):
                    pass  # one of the two has a reason, and shows it where parked rows are shown
                elif _lsn(mine) > heads[0] or _lsn(others) > heads[1]:
                    moving.append(key)
                else:
                    real.append(key)
            if real:
                await _carry(self._peer, self._here, [RowKey(seen.entity, key) for key in real if key in theirs])
                await _carry(self._here, self._peer, [RowKey(seen.entity, key) for key in real if key in ours])
                await self._look_again(real, seen)
            suspects = moving
            if not suspects:
                return

    async def _look(self, entity: str, keys: Sequence[str]) -> tuple[_Rows, _Rows] | None:
        """The rows of both regions; None once one of them leaves the entity out, so that nothing can be said of it."""
        sides = (self._here, self._peer)
        ours, theirs = await asyncio.gather(*(side.row_digests_of(entity, keys) for side in sides))
        if None in await asyncio.gather(*(side.digest(entity, after="", upto=keys[0], limit=1) for side in sides)):
            return None
        return {row.key: row for row in ours}, {row.key: row for row in theirs}

    async def _look_again(self, keys: Sequence[str], seen: Seen) -> None:
        """Count what was repaired, and what was not."""
        looked = await self._look(seen.entity, keys)
        if looked is None:
            return
        still = []
        ours, theirs = looked
        for key in keys:
            mine, others = ours.get(key), theirs.get(key)
            if _are_equal(mine, others):
                seen.same(1, mine.hash if mine is not None else 0)
            else:
                seen.one(mine, others)
                still.append(key)
        self._found.differing += len(keys)
        self._found.repaired += len(keys) - len(still)
        if still:
            self._found.message = f"{len(still)} of entity {seen.entity}, the first is {still[0]}"


async def _carry(source: Side, target: Side, names: Sequence[RowKey]) -> None:
    """Let ``target`` take rows of ``source``, and those that they turn out to need."""
    asked: set[RowKey] = set()
    missing = list(names)
    for _ in range(MAX_FETCH_ROUNDS):
        wanted = [name for name in missing if name not in asked][:CARRIED_ROWS]
        if not wanted:
            return
        asked.update(wanted)
        rows = await source.rows(wanted)
        missing += await target.take(rows) if rows.rows else ()


def _are_equal(ours: RowDigest | None, theirs: RowDigest | None) -> bool:
    return ours is not None and theirs is not None and ours.hash == theirs.hash


def _is_aside(row: RowDigest | None) -> bool:
    return row is not None and row.aside


def _lsn(row: RowDigest | None) -> int:
    return row.lsn if row is not None else 0
