"""A listener of region 1 over a real handshake, in front of an application that answers what a test wants."""

from aiohttp import web

from contract.agent.certificates import FLEET_UID, Authority
from region_operator import naming
from region_operator.api.agent import Peer
from region_operator.replication import peer_protocol
from region_operator.replication.agent.listener import MutualTLSListener
from region_operator.replication.agent.peer_client import PeerClient
from region_operator.replication.plan_protocol import IdentitiesAnswer

KEY = "key"
PEERING = "5b7c2f0e-4a70-4c1c-9a3e-6a1f2b7d9c10"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Serving:
    """Answers every request with ``text``, and notes on which connection it came."""

    def __init__(self, authority: Authority) -> None:
        self.clock, self.connections = Clock(), []
        self.text = IdentitiesAnswer().model_dump_json(by_alias=True) + "\n"
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

    def client(self, **arguments: object) -> PeerClient:
        """Of region 2, for this listener."""
        peer = Peer(
            id=1, name="one", url=self.url, server_name=self.server_name, management_endpoint="http://one.test/"
        )
        return PeerClient(peer, peering_uid=PEERING, database_key=lambda: KEY, **arguments)

    async def _answer(self, request: web.Request) -> web.Response:
        self.connections.append(request.get_extra_info("peername"))
        return web.Response(text=self.text, headers={peer_protocol.KEY_HEADER: KEY})
