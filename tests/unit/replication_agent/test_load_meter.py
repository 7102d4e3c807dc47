"""How slow the management server is, measured only while a scan wants to know; time is virtual."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from region_operator.errors import Unavailable
from region_operator.replication.agent.load_meter import SAMPLE_S, WANTED_S, ApiLatency
from simulation.loop import VirtualLoop


@dataclass
class Server:
    takes_s: float = 0.1
    fault: Unavailable | None = None
    calls: int = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Server"]:
        yield self

    async def list_capabilities(self) -> None:
        self.calls += 1
        await asyncio.sleep(self.takes_s)
        if self.fault is not None:
            raise self.fault


def play(server: Server, story: Callable[[ApiLatency], Awaitable[None]]) -> None:
    loop = VirtualLoop(random.Random(1))

    async def told() -> None:
        latency = ApiLatency(server.open, clock=loop.time)  # type: ignore[arg-type]
        running = asyncio.ensure_future(latency.run())
        await story(latency)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    try:
        loop.run_until_complete(told())
    finally:
        loop.close()


def test_the_latency_is_known_soon_after_it_was_first_asked_for() -> None:
    async def story(latency: ApiLatency) -> None:
        assert latency.p95_s() is None
        await asyncio.sleep(1)
        assert round(latency.p95_s() or 0, 3) == 0.1
        server.takes_s = 2.0
        await asyncio.sleep(5)
        assert round(latency.p95_s() or 0, 3) == 2.0

    server = Server()
    play(server, story)


def test_nobody_is_asked_while_nobody_wants_to_know() -> None:
    async def story(latency: ApiLatency) -> None:
        await asyncio.sleep(600)
        assert server.calls == 0
        latency.p95_s()
        await asyncio.sleep(600)
        assert 1 < server.calls <= WANTED_S / SAMPLE_S + 2
        assert latency.p95_s() is None  # what was measured ten minutes ago says nothing

    server = Server()
    play(server, story)


def test_a_server_that_is_not_there_is_no_load_and_one_that_does_not_answer_in_time_is() -> None:
    async def refused(latency: ApiLatency) -> None:
        latency.p95_s()
        await asyncio.sleep(5)
        assert latency.p95_s() is None

    play(Server(fault=Unavailable(reason="ConnectionRefused", message="")), refused)

    async def silent(latency: ApiLatency) -> None:
        latency.p95_s()
        await asyncio.sleep(15)
        assert round(latency.p95_s() or 0) == 10

    play(Server(takes_s=10, fault=Unavailable(reason="ProbeTimeout", message="")), silent)
