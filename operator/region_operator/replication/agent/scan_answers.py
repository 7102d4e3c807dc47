"""How this region answers a peer that compares: its store behind worker threads, and a route for each question."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from region_operator.api.agent import Wire
from region_operator.api.scans import ScanGrant
from region_operator.errors import InvalidInput
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.agent.scan_regions import ScanPeer
from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.scan_protocol import (
    DigestAnswer,
    DigestsAnswer,
    DigestsQuestion,
    DriftedAnswer,
    DriftedQuestion,
    HashesAnswer,
    HashesQuestion,
    MendedAnswer,
    MendQuestion,
    NameQuestion,
    RangeQuestion,
    RowsAnswer,
    RowsQuestion,
    ScanQuestion,
    StandingAnswer,
    TakeAnswer,
    TakeQuestion,
)
from region_operator.replication.scans.compare import Comparison
from region_operator.replication.scans.contents import Mended, Walked
from region_operator.replication.scans.digests import Digest, RowDigest
from region_operator.replication.scans.sides import Range, Side, Standing


class ComparedHere:
    """This region as it is compared with a peer, by its own agent (``scans.sides.Here``) and by the peer's."""

    def __init__(self, region: LocalRegion, *, peer: int) -> None:
        self._region, self._peer = region, peer

    async def exchanged(self) -> list[str]:
        return await self._region.read(lambda store: store.exchanged())

    async def count(self, entities: Collection[str]) -> int:
        return await self._region.read(lambda store: store.known_rows(entities))

    async def digest(self, entity: str, *, after: str, upto: str, limit: int, contents: bool = False) -> Digest | None:
        return await self._region.read(
            lambda store: store.digest(entity, after=after, upto=upto, limit=limit, contents=contents)
        )

    async def parts(self, entity: str, *, after: str, upto: str, rows: int) -> list[Digest]:
        return await self._region.read(lambda store: store.parts(entity, after=after, upto=upto, rows=rows))

    async def digests(self, entity: str, *, after: str, ends: Sequence[str]) -> list[Digest]:
        return await self._region.read(lambda store: store.digests(entity, after=after, ends=ends))

    async def hashes(self, entity: str, ranges: Sequence[Range], *, limit: int) -> dict[str, int]:
        return await self._region.read(lambda store: store.hashes(entity, ranges, limit=limit))

    async def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]:
        return await self._region.read(lambda store: store.row_digests_of(entity, keys))

    async def standing(self) -> Standing:
        head = await self._region.covering_head()
        cursor, _, _ = await self._region.position(self._peer)
        return Standing(head, await self._region.history(), cursor)

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        return await self._region.read(lambda store: store.read_rows(keys))

    async def drifted(self, entity: str, *, after: str, upto: str) -> list[str]:
        return await self._region.write(lambda store: store.drifted(entity, after=after, upto=upto))

    async def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        self._check_source(rows)
        mended = await self._region.write(lambda store: store.mend(entity, keys, rows, capture=capture))
        self._region.head_moved.ring()
        return mended

    async def name(self, entity: str, *, after: int, limit: int) -> Walked:
        walked = await self._region.write(lambda store: store.name(entity, after=after, limit=limit))
        if walked.mended.found:
            self._region.head_moved.ring()
        return walked

    async def take(self, rows: FetchedRows) -> Sequence[RowKey]:
        self._check_source(rows)
        return (await self._region.apply_rows(self._peer, rows)).missing

    def _check_source(self, rows: FetchedRows | None) -> None:
        if rows is not None and rows.source != self._peer:
            raise InvalidInput(
                field="source", problem=f"is {rows.source}, the peer is {self._peer}", remedy="send rows of your own"
            )


def comparison(region: LocalRegion, grant: ScanGrant, peer: ScanPeer) -> Comparison:
    """What compares the chunks of a scan that was granted."""
    drift = grant.drift if grant.verify == "Content" else None
    return Comparison(ComparedHere(region, peer=grant.peer), peer, entities=grant.entities, drift=drift)


async def _digest(here: Side, asked: RangeQuestion) -> Wire:
    found = await here.digest(
        asked.entity, after=asked.after, upto=asked.upto, limit=asked.limit, contents=asked.contents
    )
    return DigestAnswer.of(found)


async def _digests(here: Side, asked: DigestsQuestion) -> Wire:
    if asked.ends is not None:
        return DigestsAnswer.of(await here.digests(asked.entity, after=asked.after, ends=asked.ends))
    return DigestsAnswer.of(await here.parts(asked.entity, after=asked.after, upto=asked.upto, rows=asked.rows))


async def _hashes(here: Side, asked: HashesQuestion) -> Wire:
    return HashesAnswer.of(await here.hashes(asked.entity, asked.ranges, limit=asked.limit))


async def _rows(here: Side, asked: RowsQuestion) -> Wire:
    return RowsAnswer.of(await here.row_digests_of(asked.entity, asked.keys))


async def _standing(here: Side, _: ScanQuestion) -> Wire:
    return StandingAnswer.of(await here.standing())


async def _drifted(here: Side, asked: DriftedQuestion) -> Wire:
    return DriftedAnswer(keys=await here.drifted(asked.entity, after=asked.after, upto=asked.upto))


async def _mend(here: Side, asked: MendQuestion) -> Wire:
    rows = asked.held.fetched() if asked.held is not None else None
    return MendedAnswer.of(await here.mend(asked.entity, asked.keys, rows, capture=asked.capture))


async def _name(here: Side, asked: NameQuestion) -> Wire:
    walked = await here.name(asked.entity, after=asked.after, limit=asked.limit)
    return MendedAnswer.of(walked.mended, last=walked.last)


async def _take(here: Side, asked: TakeQuestion) -> Wire:
    return TakeAnswer.of(await here.take(asked.fetched()))


Answering: TypeAlias = Callable[[Side, Any], Awaitable[Wire]]

ANSWERS: Final[Mapping[str, tuple[type[ScanQuestion], Answering]]] = {
    "/v1/scan/digest": (RangeQuestion, _digest),
    "/v1/scan/digests": (DigestsQuestion, _digests),
    "/v1/scan/hashes": (HashesQuestion, _hashes),
    "/v1/scan/rows": (RowsQuestion, _rows),
    "/v1/scan/standing": (ScanQuestion, _standing),
    "/v1/scan/drifted": (DriftedQuestion, _drifted),
    "/v1/scan/mend": (MendQuestion, _mend),
    "/v1/scan/name": (NameQuestion, _name),
    "/v1/scan/take": (TakeQuestion, _take),
}
