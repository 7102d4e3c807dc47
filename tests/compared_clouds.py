"""Regions of tests as a full scan compares them: a store behind the port, with its links at work while one waits."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.scans.compare import Comparison
from region_operator.replication.scans.contents import Mended, Walked
from region_operator.replication.scans.digests import Digest, RowDigest
from region_operator.replication.scans.ports import ChunkOutcome
from region_operator.replication.scans.sides import Range, Standing


class Compared:
    """A store as ``scans.sides.Here``; ``link`` lets the region pull from the other one."""

    def __init__(self, store: Any, *, peer: int, link: Callable[[], object]) -> None:
        self.store, self._peer, self._link = store, peer, link
        self.told: list[str] = []

    async def exchanged(self) -> list[str]:
        return list(self.store.exchanged())

    async def count(self, entities: Collection[str]) -> int:
        return int(self.store.known_rows(entities))

    async def digest(self, entity: str, *, after: str, upto: str, limit: int, contents: bool = False) -> Digest | None:
        found: Digest | None = self.store.digest(entity, after=after, upto=upto, limit=limit, contents=contents)
        return found

    async def parts(self, entity: str, *, after: str, upto: str, rows: int) -> list[Digest]:
        return list(self.store.parts(entity, after=after, upto=upto, rows=rows))

    async def digests(self, entity: str, *, after: str, ends: Sequence[str]) -> list[Digest]:
        return list(self.store.digests(entity, after=after, ends=ends))

    async def hashes(self, entity: str, ranges: Sequence[Range], *, limit: int) -> dict[str, int]:
        found: dict[str, int] = self.store.hashes(entity, ranges, limit=limit)
        self.told += found
        return found

    async def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]:
        return list(self.store.row_digests_of(entity, keys))

    async def standing(self) -> Standing:
        head = int(self.store.fold_captured())
        self._link()
        return Standing(head, self.store.history(), self.store.cursor(self._peer))

    async def drifted(self, entity: str, *, after: str, upto: str) -> list[str]:
        return list(self.store.drifted(entity, after=after, upto=upto))

    async def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        mended: Mended = self.store.mend(entity, keys, rows, capture=capture)
        return mended

    async def name(self, entity: str, *, after: int, limit: int) -> Walked:
        walked: Walked = self.store.name(entity, after=after, limit=limit)
        return walked

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        fetched: FetchedRows = self.store.read_rows(keys)
        return fetched

    async def take(self, rows: FetchedRows) -> Sequence[RowKey]:
        return tuple(self.store.apply_rows(self._peer, rows).missing)


async def scan(comparison: Comparison, *, max_rows: int = 1000) -> list[ChunkOutcome]:
    """All chunks."""
    outcomes = [await comparison.chunk(None, max_rows)]
    while (position := outcomes[-1].next) is not None:
        outcomes.append(await comparison.chunk(position, max_rows))
    return outcomes
