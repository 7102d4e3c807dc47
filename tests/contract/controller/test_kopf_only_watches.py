"""kopf itself, against an API server that writes down every call: it lists and watches, and writes nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from contract.controller.api_server import KINDS, ApiServer, served
from region_operator.controller.handlers.watching import Watching


@pytest.fixture
async def api(tmp_path, monkeypatch) -> AsyncIterator[ApiServer]:
    server = ApiServer()
    async with served(server.answer, tmp_path) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield server


@pytest.mark.rule("OPERATOR 2")
@pytest.mark.parametrize("namespaces", [("clouds",), ()])
async def test_kopf_hands_every_event_on_and_writes_nothing(api, namespaces):
    heard: list[tuple[str, str]] = []
    loop, everything, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def on_event(change, entry, version):
        heard.append((entry.key.kind, version))
        if len([version for _, version in heard if version == "13"]) == len(KINDS):
            loop.call_soon_threadsafe(everything.set)

    watching = Watching(namespaces=namespaces, on_event=on_event, on_exit=lambda: loop.call_soon_threadsafe(ended.set))
    watching.start()
    try:
        await asyncio.wait_for(everything.wait(), 30)
        await asyncio.sleep(0.5)  # time in which kopf would strip a finalizer or keep its notes
    finally:
        watching.stop()
        await asyncio.wait_for(ended.wait(), 30)
        await asyncio.to_thread(watching.join, 10)

    assert {kind for kind, _ in heard} == set(KINDS.values())
    writes = [call for call in api.calls if not call.startswith("GET")]
    assert writes == []
    assert not [call for call in api.calls if "/secrets" in call or "/events" in call]
