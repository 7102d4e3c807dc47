"""Asks a peer for changes and rows, over mutual TLS; the other end of ``peer_api``."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from pydantic import ValidationError

from region_operator import mutual_tls
from region_operator.api.agent import Peer as PeerAddress
from region_operator.api.agent import Refusal, Wire
from region_operator.connection_faults import message_of, reason_of
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication import peer_protocol
from region_operator.replication.comparison import Sketch, Totals, Verdict
from region_operator.replication.feed import FeedPage, FeedRequest, FetchedRows, RowKey
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.model.lag import Cursor
from region_operator.replication.peer_protocol import FeedQuestion, LineAnswer, PageHead, RowsQuestion
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

CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 5.0  # five heartbeats
MAX_SESSION_AGE_S = 3600.0


class PeerClient:
    """One peer of one link; open connections are given up after an hour and when our certificates change."""

    def __init__(
        self,
        address: PeerAddress,
        *,
        peering_uid: str,
        identity: Callable[[], mutual_tls.Identity],
        database_key: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._peering_uid = address, peering_uid
        self._identity, self._database_key, self._clock = identity, database_key, clock
        self._session: aiohttp.ClientSession | None = None
        self._session_born, self._session_digest = 0.0, ""
        self._context: ssl.SSLContext | None = None

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
        async with self._asked("/v1/feed", question.model_dump_json(by_alias=True), facts=facts) as response:
            facts.contact(rtt_s=self._clock() - began)
            head = await _head(response, on_heartbeat=facts.contact)
            body = await _body(response, head)
            facts.contact()
        return await asyncio.to_thread(peer_protocol.decode_page, head, body)

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        question = RowsQuestion(
            peering=self._peering_uid,
            database_key=self._database_key(),
            keys=[(key.entity, key.key) for key in keys],
        )
        async with self._asked("/v1/rows", question.model_dump_json(by_alias=True), facts=None) as response:
            head = await _head(response, on_heartbeat=lambda: None)
            body = await _body(response, head)
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
            raise Refused(reason=REGION_BUSY, message=f"region {self._address.id}: {answer.refusal.message}")
        return _unless_refused(answer)

    async def digest(self, entity: str, *, after: str, upto: str, limit: int) -> Digest | None:
        question = RangeQuestion(**self._about(entity), after=after, upto=upto, limit=limit)
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
        async with self._asked(f"/v1/{what}", question.model_dump_json(by_alias=True), facts=None) as response:
            line = await _line(response, on_heartbeat=lambda: None, max_bytes=MAX_ANSWER_BYTES)
        return form.model_validate_json(line)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _asked(
        self, path: str, question: str, *, facts: LinkFacts | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, and turn every failure into one of ours."""
        url = self._address.url.rstrip("/") + path
        try:
            session = await self._open_session()
            async with session.post(
                url,
                data=question,
                headers={"Content-Type": "application/json"},
                ssl=self._context or True,
                server_hostname=self._address.server_name,
                allow_redirects=False,
            ) as response:
                self._check_fingerprint(response)
                _remember(response, facts)
                if response.status != 200:
                    raise await _refusal(response, url)
                self._check_key(response)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(reason=reason_of(error), message=f"{url}: {message_of(error)}") from error
        except ValueError as error:
            message = f"{url}: {message_of(error)}"
            raise InvalidInput(
                field="page", problem=message, remedy="compare the versions of both agents", reason="PeerRefused"
            ) from error

    async def _open_session(self) -> aiohttp.ClientSession:
        identity = self._identity()
        outdated = self._clock() - self._session_born > MAX_SESSION_AGE_S or self._session_digest != identity.digest
        if self._session is not None and outdated:
            await self.close()
        if self._session is None:
            self._context = await asyncio.to_thread(mutual_tls.client_context, identity)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=4),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S),
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._session_born, self._session_digest = self._clock(), identity.digest
        return self._session

    def _check_fingerprint(self, response: aiohttp.ClientResponse) -> None:
        wanted = self._address.certificate_fingerprint
        connection = response.connection
        if not wanted or connection is None or connection.transport is None:
            return
        leaf = connection.transport.get_extra_info("ssl_object").getpeercert(True)
        if mutual_tls.fingerprint(leaf) != wanted:
            raise Unavailable(
                reason="TLSFailed",
                message=f"{self._address.url} presents {mutual_tls.fingerprint(leaf)}, configured is {wanted}",
            )

    def _check_key(self, response: aiohttp.ClientResponse) -> None:
        if response.headers.get(peer_protocol.KEY_HEADER) != self._database_key():
            raise Refused(reason="KeyMismatch", message="the peer has another database key")


def _unless_refused(answer: Answer) -> Answer:
    if answer.refusal is not None:
        raise _as_error(answer.refusal)
    return answer


def _remember(response: aiohttp.ClientResponse, facts: LinkFacts | None) -> None:
    if facts is not None:
        facts.peer_database_key_fingerprint = response.headers.get(peer_protocol.KEY_HEADER, "")
        facts.peer_rules_hash = response.headers.get(peer_protocol.RULES_HEADER, "")


async def _head(response: aiohttp.ClientResponse, *, on_heartbeat: Callable[[], None]) -> PageHead:
    head = PageHead.model_validate_json(await _line(response, on_heartbeat=on_heartbeat))
    if head.refusal is not None:
        raise _as_error(head.refusal)
    return head


async def _line(
    response: aiohttp.ClientResponse,
    *,
    on_heartbeat: Callable[[], None],
    max_bytes: int = peer_protocol.MAX_HEAD_BYTES,
) -> bytes:
    """The first line that is no heartbeat."""
    while True:
        line = await response.content.readuntil(b"\n", max_size=max_bytes)
        if line == peer_protocol.HEARTBEAT:
            on_heartbeat()
        elif line:
            return line
        else:
            raise ConnectionResetError("the peer ended its answer without a page")


async def _body(response: aiohttp.ClientResponse, head: PageHead) -> bytes:
    try:
        return await response.content.readexactly(head.body_bytes)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the peer broke off in the middle of a page") from error


async def _refusal(response: aiohttp.ClientResponse, url: str) -> Exception:
    try:
        refusal = Refusal.model_validate_json(await response.content.read(64 * 1024))
    except ValidationError:
        refusal = Refusal(reason="PeerRefused", message=f"HTTP {response.status}")
    if response.status == 403:
        return Unavailable(reason="AuthFailed", message=f"{url}: {refusal.message}")
    return _as_error(refusal)


def _as_error(refusal: Refusal) -> Exception:
    """A refusal by rule is for people to settle; whatever else a peer cannot do now, it may do later."""
    if refusal.reason in peer_protocol.BY_RULE:
        return Refused(reason=refusal.reason, message=refusal.message)
    return Unavailable(reason="PeerRefused", message=f"{refusal.reason}: {refusal.message}")
