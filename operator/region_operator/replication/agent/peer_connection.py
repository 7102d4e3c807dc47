"""The way to one peer: HTTPS with both certificates, its answers, and what every failure of them means."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from pydantic import ValidationError

from region_operator import mutual_tls
from region_operator.api.agent import Peer as PeerAddress
from region_operator.api.agent import Refusal, Wire
from region_operator.connection_faults import message_of, reason_of
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication import peer_protocol
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.peer_protocol import PageHead

CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 5.0  # five heartbeats
MAX_SESSION_AGE_S = 3600.0


class PeerConnection:
    """Open connections are given up after an hour and when our certificates change."""

    def __init__(
        self,
        address: PeerAddress,
        *,
        identity: Callable[[], mutual_tls.Identity],
        database_key: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._address = address
        self._identity, self._database_key, self._clock = identity, database_key, clock
        self._session: aiohttp.ClientSession | None = None
        self._session_born, self._session_digest = 0.0, ""
        self._context: ssl.SSLContext | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def asked(
        self, path: str, question: Wire, *, facts: LinkFacts | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, and turn every failure into one of ours; ``facts`` remember what the peer says of itself."""
        url = self._address.url.rstrip("/") + path
        try:
            session = await self._open_session()
            async with session.post(
                url,
                data=io.BytesIO(question.model_dump_json(by_alias=True).encode()),  # in pieces: others go on meanwhile
                headers={"Content-Type": "application/json"},
                ssl=self._context or True,
                server_hostname=self._address.server_name,
                allow_redirects=False,
            ) as response:
                self._check_fingerprint(response)
                if facts is not None:
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


def _remember(response: aiohttp.ClientResponse, facts: LinkFacts) -> None:
    facts.peer_database_key_fingerprint = response.headers.get(peer_protocol.KEY_HEADER, "")
    facts.peer_rules_hash = response.headers.get(peer_protocol.RULES_HEADER, "")


async def page_of(
    response: aiohttp.ClientResponse, *, on_heartbeat: Callable[[], None] = lambda: None
) -> tuple[PageHead, bytes]:
    """The head and the body of the page that an answer is."""
    head = PageHead.model_validate_json(await line_of(response, on_heartbeat=on_heartbeat))
    if head.refusal is not None:
        raise as_error(head.refusal)
    try:
        return head, await response.content.readexactly(head.body_bytes)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the peer broke off in the middle of a page") from error


async def line_of(
    response: aiohttp.ClientResponse,
    *,
    on_heartbeat: Callable[[], None] = lambda: None,
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


async def _refusal(response: aiohttp.ClientResponse, url: str) -> Exception:
    try:
        refusal = Refusal.model_validate_json(await response.content.read(64 * 1024))
    except ValidationError:
        refusal = Refusal(reason="PeerRefused", message=f"HTTP {response.status}")
    if response.status == 403:
        return Unavailable(reason="AuthFailed", message=f"{url}: {refusal.message}")
    return as_error(refusal)


def as_error(refusal: Refusal) -> Exception:
    """A refusal by rule is for people to settle; whatever else a peer cannot do now, it may do later."""
    if refusal.reason in peer_protocol.BY_RULE:
        return Refused(reason=refusal.reason, message=refusal.message)
    return Unavailable(reason="PeerRefused", message=f"{refusal.reason}: {refusal.message}")
