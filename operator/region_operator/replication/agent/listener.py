"""The TLS socket of the agent, whose certificates can be exchanged while it serves.

A new context gets a new acceptor on a duplicate of the listening socket, so no client ever meets a closed port.
Requests on connections of an older context, or on connections older than an hour, are answered with
``Connection: close``: a CA that was dropped, or a certificate that ended, cannot live on in an old connection.
"""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.typedefs import Handler

from region_operator import mutual_tls
from region_operator.api.agent import Refusal
from region_operator.replication.agent import roles

log = logging.getLogger(__name__)

MAX_CONNECTION_AGE_S = 3600.0
ROLE: web.RequestKey[roles.Operator | roles.Region] = web.RequestKey("role")


class MutualTLSListener:
    """Serves an application to clients that hold a certificate with a role in this fleet."""

    def __init__(self, *, host: str, port: int, region_id: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._socket = socket.create_server((host, port), backlog=128, reuse_port=False)
        self._region_id, self._clock = region_id, clock
        self._fleet: roles.Fleet | None = None
        self._context: ssl.SSLContext | None = None
        self._opened: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def install(self, app: web.Application) -> None:
        """Add who-is-calling and connection ageing to ``app``; call before it is started."""
        app.middlewares.append(self._authenticate)
        app.on_response_prepare.append(self._close_outdated)

    async def start(self, app: web.Application, identity: mutual_tls.Identity) -> None:
        # Handlers are cancelled when the peer is gone, so an abandoned long poll costs nothing.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.3)
        await self._runner.setup()
        await self.use(identity)

    async def use(self, identity: mutual_tls.Identity) -> None:
        """Serve with ``identity`` from now on; raises InvalidInput and changes nothing if it is unusable."""
        assert self._runner is not None, "start() first"
        fleet = roles.own_fleet(mutual_tls.uri_names(identity.leaf), region_id=self._region_id)
        context = mutual_tls.server_context(identity)
        site = web.SockSite(self._runner, self._socket.dup(), ssl_context=context)
        await site.start()
        if self._site is not None:
            await self._site.stop()
        self._fleet, self._context, self._site = fleet, context, site

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.close()

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.get_extra_info("ssl_object")
        certificate = connection.getpeercert() if connection is not None else None
        role = roles.role_of(certificate, fleet_uid=self._fleet.uid) if self._fleet else None
        if role is None:
            return refusal(403, reason="NoRole", message="the client certificate names no role in this fleet")
        request[ROLE] = role
        return await handler(request)

    async def _close_outdated(self, request: web.Request, response: web.StreamResponse) -> None:
        transport, connection = request.transport, request.get_extra_info("ssl_object")
        if transport is None or connection is None:
            return
        now = self._clock()
        opened = self._opened.setdefault(transport, now)
        if connection.context is not self._context or now - opened > MAX_CONNECTION_AGE_S:
            response.force_close()


def refusal(status: int, *, reason: str, message: str) -> web.Response:
    """Answer with the one error body that every client of the agent reads."""
    body = Refusal(reason=reason, message=message)
    return web.Response(status=status, text=body.model_dump_json(by_alias=True), content_type="application/json")
