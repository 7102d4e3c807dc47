"""The network between regions: messages take their time, get lost, overtake each other; ways are cut, in one direction
or both. And a peer as a link sees it, by the wire form of the real agents, without sockets.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from region_operator.api.agent import Refusal
from region_operator.errors import Refused, Unavailable
from region_operator.replication import peer_protocol
from region_operator.replication.agent.peer_connection import SILENCE_TIMEOUT_S
from region_operator.replication.feed import FeedPage, FeedRequest, FetchedRows, RowKey
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.model import Cursor
from region_operator.replication.peer_protocol import PageHead
from simulation.loop import Life

SLOWEST_S = 3.0

Answer = TypeVar("Answer")


class Server(Protocol):
    """A region as its peers reach it; ``life`` is None while its agent does not run."""

    life: Life | None

    def serve(self, answer: Callable[[], Awaitable[bytes]], done: Callable[[bytes | Exception], None]) -> None:
        """Work on a question in a task of the agent's; ``done`` is told of its end, but not of the agent's."""

    async def feed(self, peering: str, *, peer: int, request: FeedRequest, applied: Cursor, wait_s: float) -> bytes: ...

    async def rows(self, peering: str, *, peer: int, keys: list[RowKey]) -> bytes: ...

    async def scanned(self, peering: str, *, peer: int, path: str, question: str) -> bytes: ...


@dataclass
class Network:
    """Attributes: cut: ways (from, to) that let nothing pass; loss: share of messages that get lost on the others."""

    chance: random.Random
    usual_s: float = 0.05
    loss: float = 0.0
    cut: set[tuple[int, int]] = field(default_factory=set)
    servers: dict[int, Server] = field(default_factory=dict)

    def send(self, way: tuple[int, int], arrive: Callable[[], None]) -> None:
        delay_s = self.chance.expovariate(1 / self.usual_s)
        is_lost = self.chance.random() < self.loss
        if not is_lost:
            asyncio.get_running_loop().call_later(min(delay_s, SLOWEST_S), self._arrive, way, arrive)

    def _arrive(self, way: tuple[int, int], arrive: Callable[[], None]) -> None:
        if way not in self.cut:
            arrive()

    def is_open(self, a: int, b: int) -> bool:
        return not {(a, b), (b, a)} & self.cut


class VirtualPeer:
    """``agent.links.Connection`` over the virtual network; the other end of ``peer_client`` and ``peer_api``."""

    def __init__(self, network: Network, *, here: int, there: int, peering: str) -> None:
        self._network, self._here, self._there, self._peering = network, here, there, peering

    async def feed(self, request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        server = self._network.servers[self._there]
        wait_s = peer_protocol.MAX_FEED_WAIT_S if wait else 0
        request = replace(request, peer=self._here)  # the asker's certificate says who it is
        encoded = await self._ask(
            lambda: server.feed(self._peering, peer=self._here, request=request, applied=applied, wait_s=wait_s)
        )
        facts.contact()
        return peer_protocol.decode_page(*_head_and_body(encoded))

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        server = self._network.servers[self._there]
        encoded = await self._ask(lambda: server.rows(self._peering, peer=self._here, keys=keys))
        return peer_protocol.decode_rows(*_head_and_body(encoded))

    async def told(self, path: str, question: str) -> bytes:
        """The answer to a question of a full scan."""
        server = self._network.servers[self._there]
        return await self._ask(lambda: server.scanned(self._peering, peer=self._here, path=path, question=question))

    async def close(self) -> None: ...

    async def _ask(self, question: Callable[[], Awaitable[bytes]]) -> bytes:
        """Ask; silence while nobody works on the question, or while the way is cut, is a fault after some seconds."""
        server = self._network.servers[self._there]
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        at_work: Life | None = None

        def answer(result: bytes | Exception) -> None:
            nonlocal at_work
            at_work = None
            self._network.send((self._there, self._here), lambda: tell(result))

        def tell(result: bytes | Exception) -> None:
            if answered.done():
                return
            if isinstance(result, Exception):
                answered.set_exception(result)
            else:
                answered.set_result(result)

        def arrive() -> None:
            nonlocal at_work
            at_work = server.life
            if at_work is None:
                answer(Unavailable(reason="ConnectionRefused", message="nobody listens"))
            else:
                server.serve(question, answer)

        self._network.send((self._here, self._there), arrive)
        while True:
            await asyncio.wait({answered}, timeout=SILENCE_TIMEOUT_S)
            if answered.done():
                return answered.result()
            if at_work is None or at_work.is_over or not self._network.is_open(self._here, self._there):
                raise Unavailable(reason="ProbeTimeout", message="silence")


def _head_and_body(encoded: bytes) -> tuple[PageHead, bytes]:
    line, _, body = encoded.partition(b"\n")
    head = PageHead.model_validate_json(line)
    if head.refusal is not None:
        raise _as_error(head.refusal)
    return head, body


def _as_error(refusal: Refusal) -> Exception:
    kind = Refused if refusal.reason in peer_protocol.BY_RULE else Unavailable
    return kind(reason=refusal.reason, message=refusal.message)
