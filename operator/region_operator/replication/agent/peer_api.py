"""What a peer may ask of this region: changes after its cursor, rows by key, what a join would do, to be scanned.

Contract: ``peer_protocol``, ``plan_protocol`` and ``scan_protocol``.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from aiohttp import web
from pydantic import ValidationError

from region_operator.api.agent import Refusal, Wire
from region_operator.errors import InvalidInput, Refused, RegionOperatorError, Unavailable
from region_operator.replication import peer_protocol
from region_operator.replication.agent import roles
from region_operator.replication.agent.answers import read_within
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.configuration import Held
from region_operator.replication.agent.dry_run import LocalPlan
from region_operator.replication.agent.listener import ROLE, refusal
from region_operator.replication.agent.scan_answers import ANSWERS
from region_operator.replication.feed import FeedPage, FeedRequest, RowKey
from region_operator.replication.model.lag import Cursor
from region_operator.replication.peer_protocol import FeedQuestion, RowsQuestion
from region_operator.replication.plan_protocol import (
    CompareAnswer,
    CompareQuestion,
    IdentitiesAnswer,
    IdentitiesQuestion,
    PlanAnswer,
    PlanQuestion,
    TotalsAnswer,
    TotalsQuestion,
)
from region_operator.replication.scan_protocol import HoldAnswer, HoldQuestion, ScanQuestion
from region_operator.replication.scans.ports import Scanned
from region_operator.replication.scans.sides import Side

log = logging.getLogger(__name__)

Question = TypeVar("Question", bound=Wire)
Asked = TypeVar("Asked", bound=PlanQuestion | ScanQuestion)
Answer = TypeVar("Answer")


class FeedSource(Protocol):
    """This region as peers may read it; encoded pages come from worker threads."""

    head_moved: Bell

    async def read_feed(self, request: FeedRequest) -> tuple[FeedPage, bytes]: ...

    async def read_rows(self, keys: list[RowKey]) -> bytes: ...

    def planned(self) -> LocalPlan:
        """This region as a dry run compares it; raises Unavailable."""

    def scanned(self) -> Scanned:
        """This region as a scan holds it; raises Unavailable."""

    def compared(self, peer: int) -> Side:
        """This region as it is compared with a peer; raises Unavailable."""

    def held(self) -> Held:
        """What is configured; raises Unavailable while the database is not at hand."""

    def identification(self) -> dict[str, str]:
        """Headers that say which key, rules and incarnation stand behind the answers."""

    def acknowledged(self, peering_uid: str, applied: Cursor) -> None:
        """The peer has committed all up to ``applied``."""


class _Refusal(Exception):
    def __init__(self, status: int, *, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(message)


def routes(source: FeedSource) -> list[web.RouteDef]:
    """Return the routes of the peer API; each answers only to regions, and only about links they share with us."""
    api = _PeerApi(source)
    return [
        web.post("/v1/feed", api.feed),
        web.post("/v1/rows", api.rows),
        web.post("/v1/plan/totals", api.totals),
        web.post("/v1/plan/compare", api.compare),
        web.post("/v1/plan/identities", api.identities),
        web.post("/v1/scan/hold", api.hold),
        web.post("/v1/scan/release", api.release),
        *(web.post(path, partial(api.compared, path)) for path in ANSWERS),
    ]


class _PeerApi:
    def __init__(self, source: FeedSource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock

    async def feed(self, request: web.Request) -> web.StreamResponse:
        try:
            question, peer = await self._question(request, FeedQuestion)
            self._admit(question.peering, question.database_key, peer=peer)
            asked = question.request(peer=peer)
            applied = Cursor.parse(question.applied)
        except (_Refusal, RegionOperatorError) as error:
            return self._refused(error)
        self._source.acknowledged(question.peering, applied)
        until = self._clock() + question.wait_s

        def admit() -> None:
            self._admit(question.peering, question.database_key, peer=peer)

        return await self._stream(request, lambda response: self._next_page(asked, response, until=until, admit=admit))

    async def rows(self, request: web.Request) -> web.StreamResponse:
        try:
            question, peer = await self._question(request, RowsQuestion)
            self._admit(question.peering, question.database_key, peer=peer)
        except (_Refusal, RegionOperatorError) as error:
            return self._refused(error)
        keys = question.row_keys()
        return await self._stream(request, lambda response: _alive(response, self._source.read_rows(keys)))

    # --- a join that is only planned -----------------------------------------------------------------------------

    async def totals(self, request: web.Request) -> web.StreamResponse:
        async def answer(asked: TotalsQuestion, _: int) -> PlanAnswer:
            return TotalsAnswer.of(await self._source.planned().totals(asked.entity, after=asked.after))

        return await self._answered(request, TotalsQuestion, answer, for_a_plan=True)

    async def compare(self, request: web.Request) -> web.StreamResponse:
        async def answer(asked: CompareQuestion, _: int) -> PlanAnswer:
            sketches = [row.sketch() for row in asked.rows]
            return CompareAnswer.of(await self._source.planned().compare(asked.entity, sketches))

        return await self._answered(request, CompareQuestion, answer, for_a_plan=True)

    async def identities(self, request: web.Request) -> web.StreamResponse:
        async def answer(asked: IdentitiesQuestion, _: int) -> PlanAnswer:
            return IdentitiesAnswer(identities=await self._source.planned().identities(asked.entity, asked.keys))

        return await self._answered(request, IdentitiesQuestion, answer, for_a_plan=True)

    # --- a full scan ---------------------------------------------------------------------------------------------

    async def hold(self, request: web.Request) -> web.StreamResponse:
        async def answer(asked: HoldQuestion, _: int) -> HoldAnswer:
            return HoldAnswer.of(await self._source.scanned().hold(asked.scan))

        return await self._answered(request, HoldQuestion, answer)

    async def release(self, request: web.Request) -> web.StreamResponse:
        async def answer(asked: HoldQuestion, _: int) -> HoldAnswer:
            await self._source.scanned().release(asked.scan)
            return HoldAnswer()

        return await self._answered(request, HoldQuestion, answer)

    async def compared(self, path: str, request: web.Request) -> web.StreamResponse:
        form, read = ANSWERS[path]

        async def answer(asked: Any, peer: int) -> Wire:
            return await read(self._source.compared(peer), asked)

        return await self._answered(request, form, answer)

    async def _answered(
        self,
        request: web.Request,
        form: type[Asked],
        answer: Callable[[Asked, int], Coroutine[Any, Any, Wire]],
        *,
        for_a_plan: bool = False,
    ) -> web.StreamResponse:
        """Answer with one line of JSON, once it is worked out."""
        try:
            question, peer = await self._question(request, form)
            self._admit(question.peering, question.database_key, peer=peer, for_a_plan=for_a_plan)
        except (_Refusal, RegionOperatorError) as error:
            return self._refused(error)

        async def line(response: web.StreamResponse) -> bytes:
            return (await _alive(response, answer(question, peer))).model_dump_json(by_alias=True).encode() + b"\n"

        return await self._stream(request, line)

    async def _stream(
        self, request: web.Request, page: Callable[[web.StreamResponse], Awaitable[bytes]]
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={**self._source.identification(), "Content-Type": "application/octet-stream"}
        )
        with contextlib.suppress(ConnectionResetError):  # a peer that went is nobody's error
            await response.prepare(request)  # the asker measures the round trip by this
            try:
                encoded = await page(response)
            except ConnectionResetError:
                raise
            except Exception as error:  # the status is sent already; the page says what happened
                encoded = peer_protocol.encode_refusal(_refusal_of(error)[1])
            await response.write(encoded)
            await response.write_eof()
        return response

    async def _next_page(
        self, asked: FeedRequest, response: web.StreamResponse, *, until: float, admit: Callable[[], None]
    ) -> bytes:
        """Wait for something new, at most ``until``, with a sign of life each second and while the peer is welcome."""
        bell = self._source.head_moved
        while True:
            count = bell.count
            page, encoded = await _alive(response, self._source.read_feed(asked))
            if page.count or page.rewound or page.next.lsn != asked.after.lsn:
                return encoded
            while (left_s := until - self._clock()) > 0:
                if await bell.beyond(count, timeout_s=min(left_s, peer_protocol.HEARTBEAT_S)):
                    break
                await response.write(peer_protocol.HEARTBEAT)
                admit()
            else:
                return encoded

    async def _question(self, request: web.Request, form: type[Question]) -> tuple[Question, int]:
        role = request[ROLE]
        if not isinstance(role, roles.Region):
            raise _Refusal(403, reason="RoleNotAllowed", message="only a region's certificate may read rows")
        body = await read_within(request, peer_protocol.MAX_QUESTION_BYTES)
        if body is None:
            message = f"the question is larger than {peer_protocol.MAX_QUESTION_BYTES} bytes; ask for less at once"
            raise _Refusal(413, reason="QuestionTooLarge", message=message)
        try:
            return form.model_validate_json(body), role.id
        except ValidationError as error:
            message = str(error.errors(include_url=False, include_input=False)[0]["msg"])
            raise _Refusal(422, reason="InvalidQuestion", message=message) from error

    def _admit(self, peering_uid: str, database_key: str, *, peer: int, for_a_plan: bool = False) -> None:
        held = self._source.held()
        link = held.links.get(peering_uid)
        if peering_uid in held.left:
            raise _Refusal(409, reason="PeeringWasLeft", message=f"peering {peering_uid} was left")
        if link is None or link.peer.id != peer:
            raise _Refusal(403, reason="NotPeered", message=f"region {peer} has no peering {peering_uid} here")
        if link.state == "Plan" and not for_a_plan:
            raise _Refusal(409, reason="OnlyPlanned", message=f"peering {peering_uid} is only planned, nothing is sent")
        if link.state == "Suspended":
            raise _Refusal(409, reason="Suspended", message=f"peering {peering_uid} is suspended")
        own_key = self._source.identification()[peer_protocol.KEY_HEADER]
        if database_key != own_key:
            message = "the two regions have different database keys; secrets would be unreadable after the copy"
            raise _Refusal(409, reason="KeyMismatch", message=message)

    def _refused(self, error: Exception) -> web.Response:
        status, told = _refusal_of(error)
        answer = refusal(status, reason=told.reason, message=told.message)
        answer.headers.update(self._source.identification())
        return answer


async def _alive(response: web.StreamResponse, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Await ``work`` and give a sign of life each second meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=peer_protocol.HEARTBEAT_S))[0]:
            await response.write(peer_protocol.HEARTBEAT)
        return task.result()
    finally:
        task.cancel()


def _refusal_of(error: Exception) -> tuple[int, Refusal]:
    match error:
        case _Refusal():
            return error.status, Refusal(reason=error.reason, message=error.message)
        case Unavailable():
            return 503, Refusal(reason=error.reason, message=str(error))
        case Refused():
            return 409, Refusal(reason=error.reason, message=str(error))
        case InvalidInput():
            return 422, Refusal(reason=error.reason, message=str(error))
        case _:
            log.error("a peer's question failed", exc_info=error)
            return 500, Refusal(reason=type(error).__name__, message="the request failed here; see the agent's log")
