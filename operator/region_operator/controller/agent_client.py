"""The operator's way to an agent: ``api/agent.py`` and ``api/scans.py`` over mutual TLS, every call bounded in time.

What can go wrong comes out as one of ours: ``Unavailable`` (we learned nothing; reasons ``ProbeTimeout``,
``ConnectionRefused``, ``TLSFailed``, ``AuthFailed``, ``AgentError``), ``Refused`` (the agent said no; its reason and
pointer), ``Conflict`` (the document changed meanwhile: read again, build again).
"""

import asyncio
import asyncio.sslproto
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import aiohttp
from pydantic import ValidationError

from region_operator import mutual_tls
from region_operator.api.agent import Acknowledgement, AgentStatus, ConfigurationDocument, Refusal, Wire
from region_operator.api.scans import ScanGrant, ScanReport, ScanReports
from region_operator.connection_faults import message_of, reason_of
from region_operator.errors import Conflict, Refused, Unavailable

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 10.0
STATUS_WAIT_S = 30.0  # an agent answers a long poll within this; the call itself is bounded by this plus a request
MAX_ANSWER_BYTES = 8 * 1024 * 1024
TLS_BUFFER_BYTES = 8 * 1024  # of what the network brings; an answer of an agent is smaller
IDLE_CONNECTION_S = 5.0  # the next poll comes within a second; a second connection, made to configure, goes soon

Answer = TypeVar("Answer", bound=Wire)

# Each agent has one connection open all the time, and asyncio gives each its own read buffer: with the usual 256 KiB a
# thousand agents would take a quarter of a gigabyte. Nothing offers a way to say it per connection, and everything else
# that this process does over TLS (it watches some twenty kinds) does with smaller reads as well.
asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES


@dataclass(frozen=True)
class AgentEndpoint:
    """Where an agent is and how its certificate must be named.

    Attributes:
        url: ``https://host:port``.
        server_name: TLS name to verify (``naming.agent_server_name``); independent of the address.
        identity: the operator's certificate and the CAs it believes.
    """

    url: str
    server_name: str
    identity: mutual_tls.Identity


class AgentRefused(Refused):
    """The agent did not take what it was given; ``pointer`` names the offending place, if there is one."""

    def __init__(self, refusal: Refusal) -> None:
        self.pointer = refusal.pointer
        where = f"{refusal.pointer}: " if refusal.pointer else ""
        super().__init__(reason=refusal.reason, message=where + refusal.message)


class AgentClient:
    """Speaks to all agents; open one per process and ``close`` it."""

    def __init__(self, *, before_write: Callable[[], None] = lambda: None) -> None:
        """Remember ``before_write``, which raises when this process may not write (its Lease is in doubt)."""
        self._before_write = before_write
        self._contexts: WeakKeyDictionary[mutual_tls.Identity, ssl.SSLContext] = WeakKeyDictionary()
        self._session: aiohttp.ClientSession | None = None

    async def get_status(
        self, endpoint: AgentEndpoint, *, etag: str = "", wait_s: float = STATUS_WAIT_S
    ) -> AgentStatus:
        """Return the status as soon as it differs from ``etag``, at the latest after ``wait_s``."""
        query = {"etag": etag, "wait": f"{wait_s:g}"}
        return await self._call(
            endpoint, "GET", "/v1/status", answer=AgentStatus, params=query, timeout_s=wait_s + REQUEST_TIMEOUT_S
        )

    async def get_configuration(self, endpoint: AgentEndpoint) -> Acknowledgement:
        return await self._call(endpoint, "GET", "/v1/configuration", answer=Acknowledgement)

    async def put_configuration(
        self, endpoint: AgentEndpoint, document: ConfigurationDocument, *, etag: str
    ) -> Acknowledgement:
        """Replace the document whose etag is ``etag`` ("" = the agent has none yet).

        Raises:
            Conflict: the agent holds another document than ``etag``.
            AgentRefused: foreign claim, older epoch, a peering that was left, or an unusable field.
        """
        self._before_write()
        return await self._call(
            endpoint,
            "PUT",
            "/v1/configuration",
            answer=Acknowledgement,
            headers={"If-Match": etag},
            json=document.model_dump(mode="json", by_alias=True),
        )

    async def get_scans(self, endpoint: AgentEndpoint) -> ScanReports:
        return await self._call(endpoint, "GET", "/v1/scans", answer=ScanReports)

    async def put_scan(self, endpoint: AgentEndpoint, scan: str, grant: ScanGrant) -> ScanReport:
        """Have the agent run a scan, or go on with one that was interrupted.

        Raises:
            AgentRefused: a region is busy, the epoch is of the past, the link is not known or not active.
        """
        self._before_write()
        body = grant.model_dump(mode="json", by_alias=True)
        return await self._call(endpoint, "PUT", f"/v1/scans/{scan}", answer=ScanReport, json=body)

    async def delete_scan(self, endpoint: AgentEndpoint, scan: str) -> ScanReport:
        """Abort a scan; one that has ended stays as it is."""
        self._before_write()
        return await self._call(endpoint, "DELETE", f"/v1/scans/{scan}", answer=ScanReport)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self,
        endpoint: AgentEndpoint,
        method: str,
        path: str,
        *,
        answer: type[Answer],
        timeout_s: float = REQUEST_TIMEOUT_S,
        **request: Any,
    ) -> Answer:
        try:
            async with asyncio.timeout(timeout_s):
                status, body = await self._exchange(endpoint, method, endpoint.url.rstrip("/") + path, request)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(reason=reason_of(error), message=f"{endpoint.url}: {message_of(error)}") from error
        if status == 200:
            return _parse(answer, body, endpoint)
        raise _refusal(status, body, endpoint)

    async def _exchange(
        self, endpoint: AgentEndpoint, method: str, url: str, request: dict[str, Any]
    ) -> tuple[int, bytes]:
        async with self._open_session().request(
            method,
            url,
            ssl=self._context(endpoint.identity),
            server_hostname=endpoint.server_name,
            allow_redirects=False,
            **request,
        ) as response:
            body = await response.content.read(MAX_ANSWER_BYTES + 1)
            while body and len(body) <= MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                body += more
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            return response.status, body

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # No limit on connections: each agent has one long poll, and callers hold their own bulkheads.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _context(self, identity: mutual_tls.Identity) -> ssl.SSLContext:
        """One context per identity, for as long as somebody has that identity: connections are kept by it."""
        context = self._contexts.get(identity)
        if context is None:
            context = self._contexts[identity] = mutual_tls.client_context(identity)
        return context


def _parse(answer: type[Answer], body: bytes, endpoint: AgentEndpoint) -> Answer:
    try:
        return answer.model_validate_json(body)
    except ValidationError as error:
        raise Unavailable(
            reason="AgentError", message=f"{endpoint.url}: the answer is not a {answer.__name__}: {message_of(error)}"
        ) from error


def _refusal(status: int, body: bytes, endpoint: AgentEndpoint) -> Exception:
    """Return what to raise for an answer other than 200."""
    try:
        refusal = Refusal.model_validate_json(body)
    except ValidationError:
        refusal = Refusal(reason="AgentError", message=f"HTTP {status}")
    if status in (401, 403):
        return Unavailable(reason="AuthFailed", message=f"{endpoint.url}: {refusal.message}")
    if status == 412:
        return Conflict(f"{endpoint.url}: {refusal.message}")
    if status in (409, 422) or (status == 404 and refusal.reason != "AgentError"):
        return AgentRefused(refusal)
    return Unavailable(reason="AgentError", message=f"{endpoint.url}: HTTP {status}: {refusal.message}")
