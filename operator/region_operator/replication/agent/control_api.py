"""What an operator may ask of the agent: take a configuration, tell its status (contract: ``api/agent.py``)."""

import asyncio
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from region_operator.api.agent import AgentStatus
from region_operator.errors import Unavailable
from region_operator.replication.agent import roles
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.configuration import Held, Rejected
from region_operator.replication.agent.listener import ROLE, refusal

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
MAX_STATUS_WAIT_S = 30.0
STATUS_LOOK_S = 1.0  # facts that ring no bell (an age that crosses a mark) are seen within this


class Keeper(Protocol):
    """Keeps the configuration in the region's database; raises Unavailable while that cannot be reached."""

    async def read(self) -> Held: ...

    async def put(self, body: bytes, *, if_match: str | None) -> Held: ...


class StatusSource(Protocol):
    """Tells the present status; ``changed`` rings when it may differ."""

    changed: Bell

    def status(self) -> AgentStatus: ...


def routes(keeper: Keeper, source: StatusSource) -> list[web.RouteDef]:
    """Return the routes of the control API; every one answers 403 to callers that are not an operator."""
    api = _ControlApi(keeper, source)
    return [
        web.get("/v1/configuration", for_operators(api.get_configuration), allow_head=False),
        web.put("/v1/configuration", for_operators(api.put_configuration)),
        web.get("/v1/status", for_operators(api.get_status), allow_head=False),
    ]


class _ControlApi:
    def __init__(self, keeper: Keeper, source: StatusSource) -> None:
        self._keeper, self._source = keeper, source

    async def get_configuration(self, _: web.Request) -> web.Response:
        try:
            held = await self._keeper.read()
        except Unavailable as error:
            return refusal(503, reason=error.reason, message=str(error))
        return _json(held.acknowledgement().model_dump_json(by_alias=True))

    async def put_configuration(self, request: web.Request) -> web.Response:
        body = await request.content.read(MAX_DOCUMENT_BYTES + 1)
        while len(body) <= MAX_DOCUMENT_BYTES and (more := await request.content.read(MAX_DOCUMENT_BYTES)):
            body += more
        if len(body) > MAX_DOCUMENT_BYTES:
            return refusal(413, reason="DocumentTooLarge", message=f"at most {MAX_DOCUMENT_BYTES} bytes are taken")
        if_match = request.headers.get("If-Match")
        try:
            # A caller that hangs up must not leave us with half a decision.
            held = await asyncio.shield(
                self._keeper.put(body, if_match=if_match.strip('" ') if if_match is not None else None)
            )
        except Rejected as rejected:
            return _json(rejected.refusal.model_dump_json(by_alias=True), status=rejected.status)
        except Unavailable as error:
            return refusal(503, reason=error.reason, message=str(error))
        return _json(held.acknowledgement().model_dump_json(by_alias=True))

    async def get_status(self, request: web.Request) -> web.Response:
        known = request.query.get("etag", "").strip('" ')
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _wait_s(request.query.get("wait"))
        while True:
            count = self._source.changed.count
            status = self._source.status()
            left_s = deadline - loop.time()
            if status.etag != known or left_s <= 0:
                return _json(status.model_dump_json(by_alias=True))
            await self._source.changed.beyond(count, timeout_s=min(left_s, STATUS_LOOK_S))


def for_operators(handler: Handler) -> Handler:
    """Answer 403 to whoever is no operator."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if not isinstance(request[ROLE], roles.Operator):
            return refusal(403, reason="RoleNotAllowed", message="only an operator's certificate may do this")
        return await handler(request)

    return guarded


def _wait_s(text: str | None) -> float:
    try:
        return min(max(float(text), 0.0), MAX_STATUS_WAIT_S) if text else MAX_STATUS_WAIT_S
    except ValueError:
        return MAX_STATUS_WAIT_S


def _json(text: str, *, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="application/json")
