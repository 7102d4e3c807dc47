"""Bodies that are too large are refused with the number that they may have, without being read whole."""

import asyncio
import json
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import streams, web
from aiohttp.test_utils import make_mocked_request

from region_operator.api.scans import ScanGrant
from region_operator.replication import peer_protocol
from region_operator.replication.agent import answers, peer_api, roles
from region_operator.replication.agent.listener import ROLE


class Source:
    """A region as peers reach it, which is never asked."""

    def identification(self) -> dict[str, str]:
        return {}


def request_of(size: int, path: str = "/") -> web.Request:
    """A request with a body of so many bytes."""
    content = streams.StreamReader(Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
    content.feed_data(b" " * size)
    content.feed_eof()
    request = make_mocked_request("POST", path, payload=content)
    request[ROLE] = roles.Region(2)
    return request


async def answer_of(size: int, path: str) -> Any:
    source: Any = Source()
    handler = next(route.handler for route in peer_api.routes(source) if route.path == path)
    response = await handler(request_of(size, path))
    return response.status, json.loads(response.text)


async def test_a_question_that_is_too_large_is_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_protocol, "MAX_QUESTION_BYTES", 1000)
    status, refusal = await answer_of(1001, "/v1/scan/mend")
    assert (status, refusal["reason"]) == (413, "QuestionTooLarge")
    assert "1000 bytes" in refusal["message"]
    status, refusal = await answer_of(1000, "/v1/scan/mend")
    assert (status, refusal["reason"]) == (422, "InvalidQuestion")  # read, and blanks are no question


async def test_a_document_that_is_too_large_is_refused_with_the_limit() -> None:
    async def handler(request: web.Request) -> ScanGrant:
        return await answers.body_of(request, ScanGrant, contract="api/scans.py")

    response: Any = await answers.answering(handler)(request_of(answers.MAX_BODY_BYTES + 1))
    refusal = json.loads(response.text)
    assert response.status == 422
    assert str(answers.MAX_BODY_BYTES) in refusal["message"]
    assert "body" in refusal["message"]
