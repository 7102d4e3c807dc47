"""The HTTP side: takes requests in, hands each to a worker as one transaction, writes the answer, logs one line.

The log line has the command, its outcome and the caller, never a parameter: those hold passwords, keys and signatures.
"""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import web

from region_operator.errors import Conflict, Unavailable
from region_operator.management.commands.call import Services
from region_operator.management.commands.declaration import SessionEnded, SessionOpened
from region_operator.management.commands.errors import (
    HIDDEN_TEXT,
    ApiError,
    InternalError,
    ServiceUnavailable,
)
from region_operator.management.http.dispatch import Answer, command_of, dispatch, response_key
from region_operator.management.http.envelope import JSON_TYPE, XML_TYPE, error_body, error_header, to_json, to_xml
from region_operator.management.http.jobs import JobRunner
from region_operator.management.http.measurements import Measurements
from region_operator.management.http.requests import Request, SessionInvalid, read_parameters
from region_operator.management.store import sessions
from region_operator.management.store.connection import Database

log = logging.getLogger(__name__)

PATH: Final = "/client/api"
_SESSION_COOKIE: Final = "JSESSIONID"
_KEY_COOKIE: Final = "sessionkey"
_FORM: Final = "application/x-www-form-urlencoded"


class ConcurrentOperation(ApiError):
    """Other writers of the same rows came first each time."""

    code, cs_code = 530, 4300


@dataclass(frozen=True)
class Api:
    """The route ``/client/api``."""

    database: Database
    services: Services
    jobs: JobRunner
    measurements: Measurements
    secure_cookies: bool

    def application(self) -> web.Application:
        application = web.Application()
        for path in (PATH, f"{PATH}/"):
            application.router.add_get(path, self.handle, allow_head=False)
            application.router.add_post(path, self.handle)
        return application

    async def handle(self, http: web.Request) -> web.Response:
        started = time.monotonic()
        request, answer, error = Request(http.method, {}), None, None
        try:
            request = await _read(http)
            answer = await self._answer(request)
        except ApiError as refused:
            error = refused
        response = self._response(request, answer, error)
        if isinstance(error, SessionInvalid) and request.session_id is not None:
            await self._end_session(request.session_id)
            _expire_cookies(response)
        self._record(request, answer, response.status, time.monotonic() - started)
        return response

    async def _answer(self, request: Request) -> Answer:
        now = datetime.now(UTC)
        try:
            answer = await self.database.run(partial(dispatch, request=request, services=self.services, now=now))
        except Unavailable as error:
            log.warning("the database is unavailable: %s", error, extra={"reason": error.reason})
            raise ServiceUnavailable("The database is not available at the moment, try again later") from error
        except Conflict as error:
            raise ConcurrentOperation(str(error)) from error
        except ApiError:
            raise
        except Exception as error:
            log.exception("a request failed by a defect", extra={"command": self._label(request)})
            raise InternalError(HIDDEN_TEXT) from error
        if answer.job:
            self.jobs.wake()
        return answer

    def _response(self, request: Request, answer: Answer | None, error: ApiError | None) -> web.Response:
        body = answer.body if answer is not None else error_body(error or InternalError(HIDDEN_TEXT))
        key = response_key(request, self.services.commands)
        as_json = request.parameters.get("response", "").lower() == "json"
        response = web.Response(
            status=error.code if error is not None else 200,
            body=to_json(key, body) if as_json else to_xml(key, body, version=self.services.version),
            content_type=JSON_TYPE if as_json else XML_TYPE,
            charset="UTF-8",
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
        )
        if error is not None:
            response.headers["X-Description"] = error_header(error)
        if answer is not None and isinstance(answer.session, SessionOpened):
            self._set_cookies(response, answer.session)
        elif answer is not None and isinstance(answer.session, SessionEnded):
            _expire_cookies(response)
        return response

    def _set_cookies(self, response: web.Response, session: SessionOpened) -> None:
        # Strict: cookies alone prove a session, so no other site may make a browser send them.
        for name, value in ((_SESSION_COOKIE, session.session_id), (_KEY_COOKIE, session.session_key)):
            response.set_cookie(
                name, value, path="/client", httponly=True, samesite="Strict", secure=self.secure_cookies
            )

    async def _end_session(self, session_id: str) -> None:
        try:
            await self.database.run(partial(sessions.end_session, session_id=session_id))
        except (Unavailable, Conflict) as error:
            log.warning("a refused session could not be ended: %s", error)

    def _record(self, request: Request, answer: Answer | None, status: int, seconds: float) -> None:
        command = self._label(request)
        self.measurements.record(command=command, status=status, seconds=seconds)
        caller = answer.caller.user_uuid if answer is not None and answer.caller is not None else None
        facts = {"command": command, "status": status, "milliseconds": round(seconds * 1000, 1), "caller": caller}
        log.info("request", extra=facts)

    def _label(self, request: Request) -> str:
        """The command's name if there is such a command; what else clients send is not for logs and metrics."""
        command = command_of(request, self.services.commands)
        return command.name if command is not None else "unknown"


async def _read(http: web.Request) -> Request:
    form = await http.read() if http.method == "POST" and http.content_type == _FORM else b""
    return Request(
        method=http.method,
        sent=read_parameters(http.rel_url.raw_query_string, form),
        session_id=http.cookies.get(_SESSION_COOKIE),
        session_key=http.cookies.get(_KEY_COOKIE),
    )


def _expire_cookies(response: web.Response) -> None:
    for name in (_SESSION_COOKIE, _KEY_COOKIE):
        response.del_cookie(name, path="/client")
