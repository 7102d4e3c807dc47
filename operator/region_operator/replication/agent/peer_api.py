"""What a peer may ask of this region: changes after its cursor, and rows by key. Contract: ``peer_protocol``."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from aiohttp import web
from pydantic import ValidationError

from region_operator.api.agent import Wire
from region_operator.errors import InvalidInput, RegionOperatorError, Unavailable
from region_operator.replication import peer_protocol
from region_operator.replication.agent import roles
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.configuration import Held
from region_operator.replication.agent.listener import ROLE, refusal
from region_operator.replication.feed import FeedPage, FeedRequest, RowKey
from region_operator.replication.model.lag import Cursor
from region_operator.replication.peer_protocol import FeedQuestion, RowsQuestion

Question = TypeVar("Question", bound=Wire)


class FeedSource(Protocol):
    """This region as peers may read it; encoded pages come from worker threads."""

    head_moved: Bell

    async def read_feed(self, request: FeedRequest) -> tuple[FeedPage, bytes]: ...

    async def read_rows(self, keys: list[RowKey]) -> bytes: ...

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
    return [web.post("/v1/feed", api.feed), web.post("/v1/rows", api.rows)]


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
        response = web.StreamResponse(
            headers={**self._source.identification(), "Content-Type": "application/octet-stream"}
        )
        await response.prepare(request)  # the asker measures the round trip by this
        await response.write(await self._next_page(asked, response, until=self._clock() + question.wait_s))
        await response.write_eof()
        return response

    async def rows(self, request: web.Request) -> web.StreamResponse:
        try:
            question, peer = await self._question(request, RowsQuestion)
            self._admit(question.peering, question.database_key, peer=peer)
            body = await self._source.read_rows(question.row_keys())
        except (_Refusal, RegionOperatorError) as error:
            return self._refused(error)
        return web.Response(body=body, headers=self._source.identification(), content_type="application/octet-stream")

    async def _next_page(self, asked: FeedRequest, response: web.StreamResponse, *, until: float) -> bytes:
        """Wait for something new, at most ``until``, with a sign of life each second."""
        while True:
            count = self._source.head_moved.count
            page, encoded = await self._source.read_feed(asked)
            news = page.rows or page.rewound or page.next.lsn != asked.after.lsn
            while not news:
                left_s = until - self._clock()
                if left_s <= 0:
                    return encoded
                if await self._source.head_moved.beyond(count, timeout_s=min(left_s, peer_protocol.HEARTBEAT_S)):
                    break
                await response.write(peer_protocol.HEARTBEAT)
            if news:
                return encoded

    async def _question(self, request: web.Request, form: type[Question]) -> tuple[Question, int]:
        role = request[ROLE]
        if not isinstance(role, roles.Region):
            raise _Refusal(403, reason="RoleNotAllowed", message="only a region's certificate may read rows")
        body = await request.content.read(peer_protocol.MAX_QUESTION_BYTES + 1)
        while len(body) <= peer_protocol.MAX_QUESTION_BYTES and (more := await request.content.readany()):
            body += more
        if len(body) > peer_protocol.MAX_QUESTION_BYTES:
            raise _Refusal(413, reason="QuestionTooLarge", message="the question is too large")
        try:
            return form.model_validate_json(body), role.id
        except ValidationError as error:
            message = str(error.errors(include_url=False, include_input=False)[0]["msg"])
            raise _Refusal(422, reason="InvalidQuestion", message=message) from error

    def _admit(self, peering_uid: str, database_key: str, *, peer: int) -> None:
        held = self._source.held()
        link = held.links.get(peering_uid)
        if peering_uid in held.left:
            raise _Refusal(409, reason="PeeringWasLeft", message=f"peering {peering_uid} was left")
        if link is None or link.peer.id != peer:
            raise _Refusal(403, reason="NotPeered", message=f"region {peer} has no peering {peering_uid} here")
        if link.state == "Suspended":
            raise _Refusal(409, reason="Suspended", message=f"peering {peering_uid} is suspended")
        own_key = self._source.identification()[peer_protocol.KEY_HEADER]
        if database_key != own_key:
            message = "the two regions have different database keys; secrets would be unreadable after the copy"
            raise _Refusal(409, reason="KeyMismatch", message=message)

    def _refused(self, error: Exception) -> web.Response:
        match error:
            case _Refusal():
                answer = refusal(error.status, reason=error.reason, message=error.message)
            case Unavailable():
                answer = refusal(503, reason=error.reason, message=str(error))
            case InvalidInput():
                answer = refusal(422, reason=error.reason, message=str(error))
            case _:
                answer = refusal(500, reason=type(error).__name__, message="the request failed here; see our log")
        answer.headers.update(self._source.identification())
        return answer
