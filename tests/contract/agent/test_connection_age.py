"""Connections to an agent, of its peers and of the operator, live for an hour: then certificates are looked at anew."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from contract.agent.certificates import FLEET_UID, Authority
from region_operator import mutual_tls, naming
from region_operator.api.agent import Peer
from region_operator.replication import peer_protocol
from region_operator.replication.agent.listener import MutualTLSListener
from region_operator.replication.agent.peer_client import PeerClient
from region_operator.replication.plan_protocol import IdentitiesAnswer

pytestmark = pytest.mark.rule("OPERATOR 17")

AN_HOUR_S = 3600.0
KEY = "key"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Serving:
    """A listener of region 1 whose application notes on which connection each request came."""

    def __init__(self, authority: Authority) -> None:
        self.clock, self.connections = Clock(), []
        self._identity = authority.agent(1)
        self._listener = MutualTLSListener(host="127.0.0.1", port=0, region_id=1, clock=self.clock)
        self.url = f"https://127.0.0.1:{self._listener.port}"
        self.server_name = naming.agent_server_name(1, FLEET_UID)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._listener.install(app)
        await self._listener.start(app, self._identity)

    async def stop(self) -> None:
        await self._listener.stop()

    async def _answer(self, request: web.Request) -> web.Response:
        self.connections.append(request.get_extra_info("peername"))
        text = IdentitiesAnswer().model_dump_json(by_alias=True) + "\n"
        return web.Response(text=text, headers={peer_protocol.KEY_HEADER: KEY})


@pytest_asyncio.fixture
async def serving(authority: Authority) -> AsyncIterator[Serving]:
    serving = Serving(authority)
    await serving.start()
    yield serving
    await serving.stop()


async def test_an_agent_ends_a_connection_that_is_older_than_an_hour(authority: Authority, serving: Serving) -> None:
    context = mutual_tls.client_context(authority.agent(2))

    async with aiohttp.ClientSession() as patient:

        async def ask() -> None:
            async with patient.get(serving.url, ssl=context, server_hostname=serving.server_name) as answer:
                assert answer.status == 200
                await answer.read()

        await ask()
        serving.clock.now_s += AN_HOUR_S
        await ask()
        serving.clock.now_s += 1
        await ask()  # is answered, and the last on this connection
        await ask()
    first, second, third, fourth = serving.connections
    assert first == second == third != fourth


async def test_an_agent_opens_a_new_connection_to_its_peer_after_an_hour_or_with_a_new_certificate(
    authority: Authority, serving: Serving
) -> None:
    clock, identities = Clock(), [authority.agent(2)]
    client = PeerClient(
        Peer(
            id=1, name="one", url=serving.url, server_name=serving.server_name, management_endpoint="http://one.test/"
        ),
        peering_uid="5b7c2f0e-4a70-4c1c-9a3e-6a1f2b7d9c10",
        identity=lambda: identities[-1],
        database_key=lambda: KEY,
        clock=clock,
    )
    for passed_s in (0, AN_HOUR_S, 1, 1):
        clock.now_s += passed_s
        await client.identities("user", [])
    identities.append(authority.agent(2))
    await client.identities("user", [])
    await client.close()
    first, second, third, fourth, fifth = serving.connections
    assert first == second != third == fourth != fifth
