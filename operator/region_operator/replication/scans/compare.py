"""Compares one chunk of two regions and repairs what differs: digests first, single rows only where these differ.

    a range of keys of both -> digests equal? -> else smaller ranges, down to rows
    rows that differ -> wait until each region has applied all that the other had -> do they still differ?
    what does is no lag: each region takes the other's state of the row, through the same merge as ever

Knows neither HTTP nor SQL; nothing is kept between two chunks but the position.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, TypeAlias

from region_operator.errors import Unavailable
from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.scans import contents
from region_operator.replication.scans.contents import Mended, Walked
from region_operator.replication.scans.digests import MODULUS, Digest, RowDigest
from region_operator.replication.scans.ports import ChunkOutcome, EntityPart
from region_operator.replication.scans.record import Position

LEAF_ROWS: Final = 500
"""Ranges of so few rows are told row by row."""

CARRIED_ROWS: Final = 200
"""Rows that are settled, and carried, at once."""

FAN_OUT: Final = 16
ROUNDS: Final = 3
"""How often a row that goes on changing is looked at; then it is left to the feed."""

CATCH_UP_S: Final = 20.0
LOOK_S: Final = 0.05
MAX_FETCH_ROUNDS: Final = 64
CATCHING_UP: Final = "CatchingUp"


@dataclass(frozen=True, slots=True)
class Standing:
    """Attributes: head: number of the last change here, with all that is committed; applied: of the other region's."""

    head: int
    applied: int


class Side(contents.Region, Protocol):
    """One of the two regions; raises Unavailable or Refused while it cannot take part."""

    async def digest(self, entity: str, *, after: str, upto: str, limit: int) -> Digest | None:
        """Of at most ``limit`` rows after a key up to another, "" the end; None if the entity is not exchanged."""

    async def row_digests(self, entity: str, *, after: str, upto: str, limit: int) -> list[RowDigest]: ...

    async def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]: ...

    async def standing(self) -> Standing: ...

    async def take(self, rows: FetchedRows) -> Sequence[RowKey]:
        """Join rows of the other region; returns those that are needed for it and not there."""


class Here(Side, Protocol):
    """The region whose agent compares."""

    async def exchanged(self) -> list[str]:
        """The entities, parents first."""

    async def count(self, entities: Collection[str]) -> int:
        """How many rows are known; for the progress."""


@dataclass
class _Found:
    """What a chunk has seen; pairs are (here, at the peer)."""

    rows: list[int] = field(default_factory=lambda: [0, 0])
    hashes: list[int] = field(default_factory=lambda: [0, 0])
    suspects: list[str] = field(default_factory=list)
    compared: int = 0
    differing: int = 0
    repaired: int = 0
    waited_s: float = 0.0
    message: str = ""

    def mended(self, by: Mended) -> None:
        """These rows had drifted from what this very region knew of them."""
        self.differing += by.found
        self.repaired += by.repaired
        self.message = by.message or self.message

    def same(self, rows: int, total: int) -> None:
        """So much is equal on both sides."""
        for side in (0, 1):
            self.rows[side] += rows
            self.hashes[side] = (self.hashes[side] + total) % MODULUS

    def one(self, ours: RowDigest | None, theirs: RowDigest | None) -> None:
        """A row that is not equal counts as it is."""
        for side, row in enumerate((ours, theirs)):
            if row is not None:
                self.rows[side] += 1
                self.hashes[side] = (self.hashes[side] + row.hash) % MODULUS


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
        at = _Place.of_position(position) if position else await self._start()
        if not at.entities:
            return ChunkOutcome(next=None, percent=100)
        entity, found = at.entities[0], _Found()
        if at.ids is not None and at.ids != _WALKED:
            return self._outcome(await self._walk(entity, at, found, limit=max_rows), found, parts=())
        met = await self._meet(entity, at.after, "", limit=max_rows)
        if met is None:
            return self._outcome(at.following(), found, parts=())
        if self._drift is not None and await self._check(entity, at.after, met.end, found):
            met = await self._meet(entity, at.after, met.end, limit=max_rows) or met
        await self._narrow(entity, at.after, met, found)
        for start in range(0, len(found.suspects), CARRIED_ROWS):
            await self._settle(entity, found.suspects[start : start + CARRIED_ROWS], found)
        rows, hashes = (found.rows[0], found.rows[1]), (found.hashes[0], found.hashes[1])
        going_on = at.beyond(met.end, rows=found.compared) if met.end else at.following(rows=found.compared)
        return self._outcome(going_on, found, parts=(EntityPart(entity, rows, hashes),))

    async def _start(self) -> "_Place":
        exchanged = await self._here.exchanged()
        names = [name for name in exchanged if self._entities is None or name in self._entities]
        ids = _UNWALKED if self._drift is not None else None
        return _Place(tuple(names), of=await self._here.count(names), ids=ids)

    def _outcome(self, at: "_Place", found: _Found, *, parts: tuple[EntityPart, ...]) -> ChunkOutcome:
        return ChunkOutcome(
            next=at.position() if at.entities else None,
            rows_compared=found.compared,
            differing=found.differing,
            repaired=found.repaired,
            parts=parts,
            percent=at.percent,
            waited_s=found.waited_s,
            message=found.message,
        )

    # --- what each region was told by nobody -----------------------------------------------------------------------

    async def _walk(self, entity: str, at: "_Place", found: _Found, *, limit: int) -> "_Place":
        """Let both regions capture the next rows that no version names."""
        regions: tuple[Side, Side] = (self._here, self._peer)
        ids = at.ids or _WALKED
        walked = [
            await region.name(entity, after=after, limit=limit) if after is not None else Walked(None)
            for region, after in zip(regions, ids, strict=True)
        ]
        for one in walked:
            found.mended(one.mended)
        return replace(at, ids=(walked[0].last, walked[1].last))

    async def _check(self, entity: str, after: str, upto: str, found: _Found) -> bool:
        """Mend what has drifted in a range of either region; True if there was any."""
        mended = await contents.check(
            (self._here, self._peer),
            entity,
            after=after,
            upto=upto,
            capture=self._drift == "Capture",
            caught_up=lambda: self._caught_up(found),
        )
        found.mended(mended)
        return mended.found > 0

    # --- finding ---------------------------------------------------------------------------------------------------

    async def _meet(self, entity: str, after: str, upto: str, *, limit: int) -> "_Met | None":
        """Digests of the same range of both: at most ``limit`` rows of each; None if one does not exchange them."""
        ours, theirs = await asyncio.gather(
            self._here.digest(entity, after=after, upto=upto, limit=limit),
            self._peer.digest(entity, after=after, upto=upto, limit=limit),
        )
        if ours is None or theirs is None:
            return None
        cuts = [digest.last for digest in (ours, theirs) if digest.cut]
        if not cuts:
            return _Met(upto, ours, theirs)
        end = min(cuts)
        if ours.last > end:
            ours = await self._here.digest(entity, after=after, upto=end, limit=limit)
        if theirs.last > end:
            theirs = await self._peer.digest(entity, after=after, upto=end, limit=limit)
        return _Met(end, ours, theirs) if ours is not None and theirs is not None else None

    async def _narrow(self, entity: str, after: str, met: "_Met", found: _Found, *, counted: bool = False) -> None:
        """Find the rows of a range that differ."""
        if not counted:
            found.compared += max(met.ours.rows, met.theirs.rows)
        if met.ours.content == met.theirs.content:
            found.same(met.ours.rows, met.ours.total)
            return
        most = max(met.ours.rows, met.theirs.rows)
        if most <= LEAF_ROWS:
            await self._leaf(entity, after, met.end, found)
            return
        at = after
        while True:
            part = await self._meet(entity, at, met.end, limit=max(LEAF_ROWS, most // FAN_OUT))
            if part is None:
                return
            await self._narrow(entity, at, part, found, counted=True)
            if part.end == met.end:
                return
            at = part.end

    async def _leaf(self, entity: str, after: str, end: str, found: _Found) -> None:
        # Rows may have come since the digest was taken; those beyond the double are left to another scan.
        limit = 2 * LEAF_ROWS
        ours, theirs = (
            {row.key: row for row in rows}
            for rows in await asyncio.gather(
                self._here.row_digests(entity, after=after, upto=end, limit=limit),
                self._peer.row_digests(entity, after=after, upto=end, limit=limit),
            )
        )
        for key in sorted(ours.keys() | theirs.keys()):
            if _are_equal(ours.get(key), theirs.get(key)):
                found.same(1, ours[key].hash)
            else:
                found.suspects.append(key)

    # --- settling --------------------------------------------------------------------------------------------------

    async def _settle(self, entity: str, keys: Sequence[str], found: _Found) -> None:
        """Tell drift from what is only under way, and repair it."""
        suspects = list(keys)
        for _ in range(ROUNDS):
            heads = await self._caught_up(found)
            ours, theirs = await self._look(entity, suspects)
            real, moving = [], []
            for key in suspects:
                mine, others = ours.get(key), theirs.get(key)
                if _are_equal(mine, others):
                    found.same(1, mine.hash if mine is not None else 0)
                elif _is_aside(mine) or _is_aside(others):
                    pass  # one of the two has a reason, and shows it where parked rows are shown
                elif _lsn(mine) > heads[0] or _lsn(others) > heads[1]:
                    moving.append(key)
                else:
                    real.append(key)
            if real:
                await _carry(self._peer, self._here, [RowKey(entity, key) for key in real if key in theirs])
                await _carry(self._here, self._peer, [RowKey(entity, key) for key in real if key in ours])
                await self._look_again(entity, real, found)
            suspects = moving
            if not suspects:
                return

    async def _look(self, entity: str, keys: Sequence[str]) -> tuple[Mapping[str, RowDigest], Mapping[str, RowDigest]]:
        ours, theirs = await asyncio.gather(
            self._here.row_digests_of(entity, keys), self._peer.row_digests_of(entity, keys)
        )
        return {row.key: row for row in ours}, {row.key: row for row in theirs}

    async def _caught_up(self, found: _Found) -> tuple[int, int]:
        """Wait until each region has applied what the other has by now; returns how far that was.

        Raises:
            Unavailable: they have not within a while; nothing can be said of the rows.
        """
        began = self._clock()
        ours, theirs = await asyncio.gather(self._here.standing(), self._peer.standing())
        heads, waited_s = (ours.head, theirs.head), 0.0
        while ours.applied < heads[1] or theirs.applied < heads[0]:
            waited_s = self._clock() - began
            if waited_s > CATCH_UP_S:
                raise Unavailable(
                    reason=CATCHING_UP,
                    message=f"the regions have not caught up with each other within {CATCH_UP_S:g} s",
                )
            await asyncio.sleep(LOOK_S)
            ours, theirs = await asyncio.gather(self._here.standing(), self._peer.standing())
        found.waited_s += waited_s
        return heads

    async def _look_again(self, entity: str, keys: Sequence[str], found: _Found) -> None:
        """Count what was repaired, and what was not."""
        ours, theirs = await self._look(entity, keys)
        still = []
        for key in keys:
            mine, others = ours.get(key), theirs.get(key)
            if _are_equal(mine, others):
                found.same(1, mine.hash if mine is not None else 0)
            else:
                found.one(mine, others)
                still.append(key)
        found.differing += len(keys)
        found.repaired += len(keys) - len(still)
        if still:
            found.message = f"{len(still)} of entity {entity}, the first is {still[0]}"


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


@dataclass(frozen=True, slots=True)
class _Met:
    """Digests of a range of both regions that ends with the same key, "" for the end of the entity."""

    end: str
    ours: Digest
    theirs: Digest


_Ids: TypeAlias = tuple[int | None, int | None]
_UNWALKED: Final[_Ids] = (0, 0)
_WALKED: Final[_Ids] = (None, None)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chunk begins: the entities that are left, the present one first, and a key of it.

    ``ids``: how far both regions have been looked at for rows without a version; None where nobody looks.
    """

    entities: tuple[str, ...]
    after: str = ""
    rows: int = 0
    of: int = 0
    ids: _Ids | None = None

    @classmethod
    def of_position(cls, position: Position) -> "_Place":
        here, there = position.get("ids") or _WALKED
        ids = (here, there) if position.get("ids") is not None else None
        return cls(tuple(position["entities"]), position["after"], position["rows"], position["of"], ids)

    def position(self) -> Position:
        ids = list(self.ids) if self.ids is not None else None
        return {"entities": list(self.entities), "after": self.after, "rows": self.rows, "of": self.of, "ids": ids}

    def beyond(self, key: str, *, rows: int) -> "_Place":
        return replace(self, after=key, rows=self.rows + rows)

    def following(self, *, rows: int = 0) -> "_Place":
        ids = _UNWALKED if self.ids is not None else None
        return _Place(self.entities[1:], "", self.rows + rows, self.of, ids)

    @property
    def percent(self) -> int:
        return min(99, 100 * self.rows // self.of) if self.of else 0
