"""Finds the rows of a range in which two regions differ: digests of ever smaller ranges, then rows.

Each step asks both regions once about all ranges of it, so it takes the same few questions whether one row differs or
rows all over the range do.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from region_operator.replication.scans.digests import Digest
from region_operator.replication.scans.found import Seen
from region_operator.replication.scans.sides import Range, Side

LEAF_ROWS: Final = 500
"""Ranges of so few rows are told row by row."""

FAN_OUT: Final = 128
"""Into how many ranges one that differs is parted, at most."""

TOLD_ROWS: Final = 2000
"""Rows that one question asks for, as far as the digests say."""


@dataclass(frozen=True, slots=True)
class Met:
    """Digests of a range of both regions that ends with the same key, "" for the end of the entity."""

    after: str
    end: str
    ours: Digest
    theirs: Digest

    @property
    def are_equal(self) -> bool:
        return self.ours.content == self.theirs.content

    @property
    def are_as_versioned(self) -> bool:
        return self.ours.as_versioned and self.theirs.as_versioned

    @property
    def rows(self) -> int:
        return max(self.ours.rows, self.theirs.rows)


class Narrowing:
    def __init__(self, here: Side, peer: Side, entity: str) -> None:
        self._here, self._peer, self._entity = here, peer, entity

    async def meet(self, after: str, upto: str, *, limit: int, contents: bool = False) -> Met | None:
        """Digests of the same range of both: at most ``limit`` rows of each; None if one does not exchange them."""
        ours, theirs = await asyncio.gather(
            self._here.digest(self._entity, after=after, upto=upto, limit=limit, contents=contents),
            self._peer.digest(self._entity, after=after, upto=upto, limit=limit, contents=contents),
        )
        if ours is None or theirs is None:
            return None
        cuts = [digest.last for digest in (ours, theirs) if digest.cut]
        if not cuts:
            return Met(after, upto, ours, theirs)
        end = min(cuts)
        if ours.last > end:
            ours = await self._here.digest(self._entity, after=after, upto=end, limit=limit, contents=contents)
        if theirs.last > end:
            theirs = await self._peer.digest(self._entity, after=after, upto=end, limit=limit, contents=contents)
        return Met(after, end, ours, theirs) if ours is not None and theirs is not None else None

    async def suspects(self, met: Met, seen: Seen) -> list[str]:
        """Keys of rows that are not the same in both; what is the same is counted."""
        leaves, todo = list[Met](), [met]
        while todo:
            one = todo.pop()
            if one.are_equal:
                seen.same(one.ours.rows, one.ours.total)
            elif one.rows <= LEAF_ROWS:
                leaves.append(one)
            else:
                todo += await self._parts(one)
        found: list[str] = []
        for some in _together(sorted(leaves, key=lambda leaf: leaf.after)):
            found += await self._told([(leaf.after, leaf.end) for leaf in some], seen)
        return found

    async def _parts(self, met: Met) -> list[Met]:
        """A range in parts that are as small in the region that has more rows of it."""
        rows = max(LEAF_ROWS, -(-met.rows // FAN_OUT))
        more, less = (self._here, self._peer) if met.ours.rows >= met.theirs.rows else (self._peer, self._here)
        first = await more.parts(self._entity, after=met.after, upto=met.end, rows=rows)
        ends = [*(digest.last for digest in first[:-1]), met.end]
        second = await less.digests(self._entity, after=met.after, ends=ends)
        ours, theirs = (first, second) if more is self._here else (second, first)
        starts = [met.after, *ends]
        return [Met(*four) for four in zip(starts, ends, ours, theirs, strict=False)]

    async def _told(self, ranges: Sequence[Range], seen: Seen) -> list[str]:
        # Rows may have come since the digest was taken; those beyond the double are left to another scan.
        limit = 2 * LEAF_ROWS
        ours, theirs = await asyncio.gather(
            self._here.hashes(self._entity, ranges, limit=limit), self._peer.hashes(self._entity, ranges, limit=limit)
        )
        differing = {key for key, _ in ours.items() ^ theirs.items()}
        same = [number for key, number in ours.items() if key not in differing]
        seen.same(len(same), sum(same))
        return sorted(differing)


def _together(leaves: Sequence[Met]) -> Iterator[list[Met]]:
    """As many at a time as one question may ask for."""
    some, rows = list[Met](), 0
    for leaf in leaves:
        if some and rows + leaf.rows > TOLD_ROWS:
            yield some
            some, rows = [], 0
        some.append(leaf)
        rows += leaf.rows
    if some:
        yield some
