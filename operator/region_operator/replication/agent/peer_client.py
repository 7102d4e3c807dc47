"""Asks a peer for changes and rows, over mutual TLS; the other end of ``peer_api``."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from region_operator import mutual_tls
from region_operator.api.agent import Peer as PeerAddress
from region_operator.api.agent import Wire
from region_operator.errors import Refused
from region_operator.replication import peer_protocol
from region_operator.replication.agent.peer_connection import PeerConnection, as_error, line_of, page_of
from region_operator.replication.comparison import Sketch, Totals, Verdict
from region_operator.replication.feed import FeedPage, FeedRequest, FetchedRows, RowKey
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.model.lag import Cursor
from region_operator.replication.peer_protocol import FeedQuestion, LineAnswer, RowsQuestion
from region_operator.replication.plan_protocol import (
    CompareAnswer,
    CompareQuestion,
    IdentitiesAnswer,
    IdentitiesQuestion,
    TotalsAnswer,
    TotalsQuestion,
    WireSketch,
)
from region_operator.replication.scan_protocol import (
    MAX_ANSWER_BYTES,
    DigestAnswer,
    DigestsAnswer,
    DigestsQuestion,
    DriftedAnswer,
    DriftedQuestion,
    HashesAnswer,
    HashesQuestion,
    HoldAnswer,
    HoldQuestion,
    MendedAnswer,
    MendQuestion,
    NameQuestion,
    RangeQuestion,
    RowsAnswer,
    ScanQuestion,
    StandingAnswer,
    TakeAnswer,
    TakeQuestion,
)
from region_operator.replication.scan_protocol import RowsQuestion as RowDigestsQuestion
from region_operator.replication.scans.contents import Mended, Walked
from region_operator.replication.scans.digests import Digest, RowDigest
from region_operator.replication.scans.ports import REGION_BUSY, Held
from region_operator.replication.scans.sides import Range, Standing

Answer = TypeVar("Answer", bound=LineAnswer)


class PeerClient:
    """What one link asks of its peer."""

    def __init__(
        self,
        address: PeerAddress,
        *,
        peering_uid: str,
        identity: Callable[[], mutual_tls.Identity],
        database_key: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._region_id, self._peering_uid = address.id, peering_uid
        self._database_key, self._clock = database_key, clock
        self._connection = PeerConnection(address, identity=identity, database_key=database_key, clock=clock)

    async def close(self) -> None:
        await self._connection.close()

    async def feed(self, request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        """Return the next page; the peer's key is compared before its first row is looked at."""
        question = FeedQuestion(
            peering=self._peering_uid,
            database_key=self._database_key(),
            after=str(request.after) if request.after.incarnation else "",
            applied=str(applied) if applied.incarnation else "",
            peer_history=peer_protocol.history_to_wire(request.peer_history),
            known_history=peer_protocol.history_to_wire(request.known_history),
            seen=(request.seen.whole, request.seen.head) if request.seen is not None else None,
            max_rows=request.max_rows,
            max_bytes=request.max_bytes,
            wait_s=peer_protocol.MAX_FEED_WAIT_S if wait else 0,
            fold_first=request.fold_first,
            bulk=request.bulk,
        )
        began = self._clock()
        async with self._connection.asked("/v1/feed", question, facts=facts) as response:
            facts.contact(rtt_s=self._clock() - began)
            head, body = await page_of(response, on_heartbeat=facts.contact)
            facts.contact()
        return await asyncio.to_thread(peer_protocol.decode_page, head, body)

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        question = RowsQuestion(
            peering=self._peering_uid,
            database_key=self._database_key(),
            keys=[(key.entity, key.key) for key in keys],
        )
        async with self._connection.asked("/v1/rows", question) as response:
            head, body = await page_of(response)
        return await asyncio.to_thread(peer_protocol.decode_rows, head, body)

    # --- a join that is only planned -----------------------------------------------------------------------------

    async def totals(self, entity: str, *, after: str) -> Totals | None:
        question = TotalsQuestion(**self._about(entity), after=after)
        return (await self._asked_for("plan/totals", question, TotalsAnswer)).totals()

    async def compare(self, entity: str, sketches: Sequence[Sketch]) -> list[Verdict]:
        question = CompareQuestion(**self._about(entity), rows=[WireSketch.of(sketch) for sketch in sketches])
        return (await self._asked_for("plan/compare", question, CompareAnswer)).found(asked=len(sketches))

    async def identities(self, entity: str, keys: Sequence[str]) -> dict[str, str]:
        question = IdentitiesQuestion(**self._about(entity), keys=list(keys))
        return (await self._asked_for("plan/identities", question, IdentitiesAnswer)).identities

    def _about(self, entity: str) -> dict[str, str]:
        return {"peering": self._peering_uid, "database_key": self._database_key(), "entity": entity}

    # --- a full scan ---------------------------------------------------------------------------------------------

    async def hold(self, scan_id: str) -> Held:
        return (await self._hold("hold", scan_id)).held()

    async def release(self, scan_id: str) -> None:
        await self._hold("release", scan_id)

    async def _hold(self, what: str, scan_id: str) -> HoldAnswer:
        question = HoldQuestion(peering=self._peering_uid, database_key=self._database_key(), scan=scan_id)
        answer = await self._told(f"scan/{what}", question, HoldAnswer)
        if answer.refusal is not None and answer.refusal.reason == REGION_BUSY:
            raise Refused(reason=REGION_BUSY, message=f"region {self._region_id}: {answer.refusal.message}")
        return _unless_refused(answer)

    async def digest(self, entity: str, *, after: str, upto: str, limit: int, contents: bool = False) -> Digest | None:
        question = RangeQuestion(**self._about(entity), after=after, upto=upto, limit=limit, contents=contents)
        return (await self._asked_for("scan/digest", question, DigestAnswer)).digest()

    async def parts(self, entity: str, *, after: str, upto: str, rows: int) -> list[Digest]:
        question = DigestsQuestion(**self._about(entity), after=after, upto=upto, rows=rows)
        return (await self._asked_for("scan/digests", question, DigestsAnswer)).found()

    async def digests(self, entity: str, *, after: str, ends: Sequence[str]) -> list[Digest]:
        question = DigestsQuestion(**self._about(entity), after=after, ends=list(ends))
        return (await self._asked_for("scan/digests", question, DigestsAnswer)).found()

    async def hashes(self, entity: str, ranges: Sequence[Range], *, limit: int) -> dict[str, int]:
        question = HashesQuestion(**self._about(entity), ranges=list(ranges), limit=limit)
        return (await self._asked_for("scan/hashes", question, HashesAnswer)).found()

    async def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]:
        question = RowDigestsQuestion(**self._about(entity), keys=sorted(keys))
        return (await self._asked_for("scan/rows", question, RowsAnswer)).digests()

    async def standing(self) -> Standing:
        question = ScanQuestion(peering=self._peering_uid, database_key=self._database_key())
        return (await self._asked_for("scan/standing", question, StandingAnswer)).standing()

    async def drifted(self, entity: str, *, after: str, upto: str) -> list[str]:
        question = DriftedQuestion(**self._about(entity), after=after, upto=upto)
        return (await self._asked_for("scan/drifted", question, DriftedAnswer)).keys

    async def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        about = self._about(entity)
        held = TakeQuestion.of(rows, peering=about["peering"], database_key=about["database_key"]) if rows else None
        question = MendQuestion(**about, keys=list(keys), capture=capture, held=held)
        return (await self._asked_for("scan/mend", question, MendedAnswer)).mended()

    async def name(self, entity: str, *, after: int, limit: int) -> Walked:
        question = NameQuestion(**self._about(entity), after=after, limit=limit)
        return (await self._asked_for("scan/name", question, MendedAnswer)).walked()

    async def take(self, rows: FetchedRows) -> list[RowKey]:
        question = TakeQuestion.of(rows, peering=self._peering_uid, database_key=self._database_key())
        return (await self._asked_for("scan/take", question, TakeAnswer)).row_keys()

    async def _asked_for(self, what: str, question: Wire, form: type[Answer]) -> Answer:
        return _unless_refused(await self._told(what, question, form))

    async def _told(self, what: str, question: Wire, form: type[Answer]) -> Answer:
        """The answer of one line, which may be a refusal."""
        async with self._connection.asked(f"/v1/{what}", question) as response:
            return form.model_validate_json(await line_of(response, max_bytes=MAX_ANSWER_BYTES))


def _unless_refused(answer: Answer) -> Answer:
    if answer.refusal is not None:
        raise as_error(answer.refusal)
    return answer
