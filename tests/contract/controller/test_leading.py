"""The whole program before an API server that notes every call: what a standby, a leader and one that stops ask."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from contract.controller.api_server import GROUP_PATH, ApiServer, served
from region_operator.controller.handlers.watching import PLURALS

LEASE = "/apis/coordination.k8s.io/v1/namespaces/operators/leases/region-operator"
LISTS = {f"GET {GROUP_PATH}/{plural}" for plural in PLURALS}


class Hub(ApiServer):
    """Has the Lease, which somebody holds, and no object of the three kinds."""

    def __init__(self) -> None:
        super().__init__()
        spec = {"holderIdentity": "another", "renewTime": "2026-11-22T00:00:00Z", "leaseTransitions": 1}
        self.lease: dict[str, Any] = {"metadata": {"name": "region-operator", "resourceVersion": "1"}, "spec": spec}

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == LEASE:
            self.calls.append(f"{request.method} Lease")
            if request.method == "PUT":
                self.lease = await request.json()
            return web.json_response(self.lease)
        if request.path.startswith("/api/v1/namespaces/"):
            return web.json_response({"metadata": {"name": "kube-system", "uid": "hub"}})
        return await super().answer(request)

    async def _list(self, request: web.Request, plural: str) -> web.Response:
        return web.json_response({"kind": "List", "metadata": {"resourceVersion": "10"}, "items": []})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        self.watched.add(plural)
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    yield Hub()


@pytest.fixture
async def operator(hub: Hub, tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """``region-operator run`` with the hub as its cluster."""
    async with served(hub.answer, tmp_path) as kubeconfig:
        settings = {"NAMESPACE": "operators", "POD_NAME": "me", "IMAGE": "operator:test", "HEALTH_PORT": "0"}
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": str(Path(__file__).parents[3] / "operator"),
            **{f"OPERATOR_{name}": value for name, value in settings.items()},
        }
        command = (sys.executable, "-m", "region_operator", "run")
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        yield process
        with suppress(ProcessLookupError):  # it has ended
            process.kill()
        await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.rule("OPERATOR 3")
@pytest.mark.rule("OPERATOR 14")
async def test_a_standby_asks_for_the_lease_only_a_leader_lists_before_it_watches_and_hands_over_when_told_to_stop(
    hub: Hub, operator: asyncio.subprocess.Process
) -> None:
    await until(lambda: len(hub.calls) >= 2)
    assert set(hub.calls) == {"GET Lease"}

    hub.lease["spec"]["holderIdentity"] = ""
    await until(lambda: hub.watched >= set(PLURALS))
    assert hub.holder.startswith("me_")
    # kopf asks what there is before it lists and watches, so what comes before that is the operator's own.
    before_kopf = hub.calls[hub.calls.index("PUT Lease") : hub.calls.index("GET /apis")]
    assert set(before_kopf) >= LISTS

    operator.terminate()
    assert await asyncio.wait_for(operator.wait(), 60) == 0
    assert hub.holder == ""
    assert {call for call in hub.calls if not call.startswith("GET")} == {"PUT Lease"}
