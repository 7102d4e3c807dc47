"""One API server, reached over HTTP: bounded calls, mapped errors, nothing about objects."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from region_operator.errors import RegionOperatorError, Unavailable
from region_operator.kubernetes import answers
from region_operator.kubernetes.addresses import checked_socket
from region_operator.supervision.breaker import Breaker

CALL_TIMEOUT_S = 10.0
_LONGEST_LINE = 8 * 2**20  # an object has at most about 1.5 MiB


@dataclass(frozen=True)
class Call:
    """A request but for its server."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Connection:
    """Client of one API server.

    Args:
        configuration: server and credentials, as the Kubernetes client library takes them.
        tls: verifies the server and holds our certificate; None: made from the configuration's files.
        check_addresses: refuse to connect to special addresses (for servers that a tenant named).
        breaker: asked before each call, when a dead server must not cost each caller the whole timeout.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        tls: ssl.SSLContext | None = None,
        check_addresses: bool = False,
        breaker: Breaker | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = ApiClient(configuration)
        if tls is not None:
            self._api.rest_client.ssl_context = tls
        self._check_addresses, self._breaker, self._timeout_s = check_addresses, breaker, timeout_s
        self._clock = clock
        self.last_answer: float | None = None  # clock time; evidence that the server is reachable

    async def call(self, call: Call, *, timeout_s: float | None = None) -> dict[str, Any]:
        """Send one request and return the object answered."""
        what, limit_s = str(call), min(timeout_s or self._timeout_s, self._timeout_s)
        self._ask_breaker(what)
        try:
            async with asyncio.timeout(limit_s):
                response = await self._send(call, aiohttp.ClientTimeout(total=limit_s))
                async with response:
                    status, body = response.status, await response.read()
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
            raise self._failed(error, what) from error
        self._answered()
        return answers.parse(status, body, what)

    async def stream(self, call: Call, *, silence_s: float) -> AsyncIterator[dict[str, Any]]:
        """Send one request and yield the objects of its answer, one per line, until the server ends it.

        A connection that brings nothing for ``silence_s`` is given up.
        """
        what = str(call)
        self._ask_breaker(what)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=silence_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._send(call, limits)
            async with response:
                if response.status != 200:
                    answers.parse(response.status, await response.read(), what)
                self._answered()
                async for line in response.content:
                    yield json.loads(line)
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
            raise self._failed(error, what) from error

    async def close(self) -> None:
        await self._api.close()

    async def _send(self, call: Call, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        rest = self._api.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = self._session()
        method, url, headers, body, _ = await self._api.param_serialize(
            call.method,
            call.path,
            query_params=list((call.query or {}).items()),
            header_params={"Accept": call.accept, "Content-Type": call.content_type},
            body=call.body,
            auth_settings=["BearerToken"],
        )
        answer = await self._api.call_api(method, url, header_params=headers, body=body, _request_timeout=limits)
        return cast(aiohttp.ClientResponse, answer.response)

    def _session(self) -> aiohttp.ClientSession:
        """As the library makes it, but deaf to proxy variables, without redirects, and with checked addresses."""
        connector = aiohttp.TCPConnector(
            limit=0,  # workers are bounded; watches must not use up a pool
            ssl=self._api.rest_client.ssl_context,
            socket_factory=checked_socket if self._check_addresses else None,
        )
        return aiohttp.ClientSession(
            connector=connector, trust_env=False, read_bufsize=_LONGEST_LINE // 2, middlewares=(_refuse_redirects,)
        )

    def _ask_breaker(self, what: str) -> None:
        if self._breaker and not self._breaker.allows():
            raise Unavailable(reason="ProbeTimeout", message=f"{what}: not sent, the last calls timed out")

    def _answered(self) -> None:
        self.last_answer = self._clock()
        if self._breaker:
            self._breaker.answered()

    def _failed(self, error: Exception, what: str) -> RegionOperatorError:
        if self._breaker and isinstance(error, TimeoutError):
            self._breaker.timed_out()
        return answers.failure(error, what)


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """An API server does not redirect, and following one would take credentials elsewhere."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.ClientResponseError(response.request_info, (), status=response.status, message="a redirect")
    return response
