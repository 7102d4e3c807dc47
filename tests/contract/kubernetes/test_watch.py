"""A watch of an API server that breaks off, expires, answers garbage or falls silent."""

import asyncio

import pytest
from aiohttp import web

from contract.kubernetes.api_servers import PAIR, connected, serving
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.kinds import CONFIG_MAP
from region_operator.kubernetes.watch import Watch


class Script:
    """A server that answers lists, and each watch with what the test wrote for it."""

    def __init__(self, *watches) -> None:
        self.watches, self.queries = list(watches), []

    async def __call__(self, request):
        if "watch" not in request.query:
            self.queries.append("list")
            return web.json_response({"metadata": {"resourceVersion": "10"}, "items": []})
        self.queries.append(request.query["resourceVersion"])
        answer = self.watches.pop(0) if self.watches else "hang"
        if isinstance(answer, int):
            return web.json_response({"kind": "Status", "code": answer}, status=answer)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"" if answer == "hang" else answer)
        if answer == "hang":
            await asyncio.Event().wait()
        return response


def event(kind, name, version):
    labels = '"labels": {"a": "b"}'
    return (
        f'{{"type": "{kind}", "object": {{"metadata": '
        f'{{"name": "{name}", "namespace": "eu", "resourceVersion": "{version}", {labels}}}}}}}\n'
    ).encode()


EXPIRED = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410}}\n'


BROKEN = b'{"type": "ERROR", "object": {"kind": "Status", "code": 500}}\n'


@pytest.mark.rule("OPERATOR 3")
@pytest.mark.parametrize(
    ("watches", "queries"),
    [
        ([event("ADDED", "x", 11), event("ADDED", "y", 12)], ["list", "10", "11", "12"]),
        ([event("BOOKMARK", "", 20)], ["list", "10", "20"]),
        ([event("ADDED", "x", 11) + EXPIRED], ["list", "10", "list", "10"]),
        ([410], ["list", "10", "list", "10"]),
        ([event("ADDED", "x", 11) + BROKEN, 500, 429, 403], ["list", "10", "11", "11", "11", "11"]),
        ([event("ADDED", "x", 11) + b'{"type": "ADD'], ["list", "10", "11"]),
        ([b"garbage\n"], ["list", "10", "10"]),
    ],
    ids=[
        "ended by the server",
        "bookmark",
        "expired in the stream",
        "expired",
        "server errors",
        "truncated",
        "garbage",
    ],
)
async def test_a_watch_goes_on_after_a_break_from_where_it_was(tmp_path, watches, queries):
    script, changes, sleeps = Script(*watches), [], []

    async def sleep(seconds):
        sleeps.append(seconds)

    async with (
        serving(script, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}") as connection,
    ):
        cluster = Cluster("remote", connection, may_write=lambda: False)
        watch = Watch(cluster, CONFIG_MAP, "eu", selector="a=b", on_change=changes.append, sleep=sleep)
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(30):
            while len(script.queries) < len(queries):
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert script.queries == queries
    assert all(change.labels == {"a": "b"} for change in changes)
    if queries.count("list") == 2 and changes:  # the second list does not hold what the watch saw
        assert [(change.name, change.gone) for change in changes] == [("x", False), ("x", True)]


async def test_a_watch_that_falls_silent_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("region_operator.kubernetes.watch.SILENCE_S", 0.05)
    script = Script()
    async with (
        serving(script, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}") as connection,
    ):
        cluster = Cluster("remote", connection, may_write=lambda: False)

        async def sleep(seconds):
            await asyncio.sleep(0)

        watch = Watch(cluster, CONFIG_MAP, "eu", selector="a=b", on_change=lambda change: None, sleep=sleep)
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(30):
            while len(script.queries) < 4:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert script.queries[:4] == ["list", "10", "10", "10"]
