"""A peer that goes away in the middle of an answer is nobody's error."""

import asyncio
import contextlib
import logging
import socket
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from region_operator.replication import peer_protocol
from region_operator.replication.agent import peer_api, roles
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.listener import ROLE
from region_operator.replication.feed import FeedPage, FeedRequest
from region_operator.replication.model.lag import Cursor, Incarnation
from region_operator.replication.peer_protocol import FeedQuestion

HISTORY = (Incarnation("a1", 1),)


class Source:
    """A region whose pages take until the peer is gone."""

    def __init__(self) -> None:
        self.head_moved = Bell()
        self.asked, self.gone, self.answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def read_feed(self, request: FeedRequest) -> tuple[FeedPage, bytes]:
        self.asked.set()
        await self.gone.wait()
        self.answered.set()
        page = FeedPage(1, HISTORY, (), Cursor("a1", 7), 7)
        return page, peer_protocol.encode_page(page)

    def held(self) -> Any:
        link = SimpleNamespace(peer=SimpleNamespace(id=2), state="Active")
        return SimpleNamespace(links={"p": link}, left=())

    def identification(self) -> dict[str, str]:
        return {peer_protocol.KEY_HEADER: "key"}

    def acknowledged(self, peering_uid: str, applied: Cursor) -> None: ...


@web.middleware
async def as_region_2(request: web.Request, handler: Any) -> web.StreamResponse:
    request[ROLE] = roles.Region(2)
    return await handler(request)


async def test_a_peer_that_hangs_up_while_its_page_is_read_leaves_no_error_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Source()
    app = web.Application(middlewares=[as_region_2])
    app.add_routes(peer_api.routes(source))  # type: ignore[arg-type]
    runner = web.AppRunner(app, handler_cancellation=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    with caplog.at_level(logging.WARNING):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        question = FeedQuestion(peering="p", database_key="key").model_dump_json(by_alias=True).encode()
        writer.write(b"POST /v1/feed HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(question), question))
        await source.asked.wait()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await asyncio.sleep(0.05)  # until the server has heard of it
        source.gone.set()
        await source.answered.wait()
        await asyncio.sleep(0.05)
        await runner.cleanup()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
