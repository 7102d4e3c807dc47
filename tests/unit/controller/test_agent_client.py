"""What a thousand open connections to agents cost."""

import asyncio.sslproto
import inspect
import ssl

import pytest

from region_operator.controller import agent_client
from region_operator.controller.agent_client import AgentClient, AgentEndpoint
from region_operator.errors import Unavailable
from region_operator.mutual_tls import Identity


@pytest.fixture
def contexts(monkeypatch) -> list[ssl.SSLContext]:
    """The contexts made, in order."""
    made: list[ssl.SSLContext] = []

    def client_context(_):
        made.append(ssl.create_default_context())
        return made[-1]

    monkeypatch.setattr(agent_client.mutual_tls, "client_context", client_context)
    return made


async def ask(client: AgentClient, identity: Identity) -> None:
    with pytest.raises(Unavailable, match="127"):
        await client.get_status(AgentEndpoint("https://127.0.0.1:9", "agent-1", identity))


async def test_a_connection_buffers_one_record_and_not_a_quarter_of_a_megabyte(contexts):
    client = AgentClient()
    await ask(client, Identity("ca", "leaf", "key"))
    await client.close()
    assert asyncio.sslproto.SSLProtocol.max_size == agent_client.TLS_BUFFER_BYTES
    assert "bytearray(self.max_size)" in inspect.getsource(asyncio.sslproto.SSLProtocol), "asyncio sizes it otherwise"


async def test_regions_with_the_same_identity_share_a_context_and_others_do_not(contexts):
    client, first, second = AgentClient(), Identity("ca", "leaf", "key"), Identity("ca", "leaf", "key")
    for identity in (first, second, first):
        await ask(client, identity)
    assert len(contexts) == 1
    await ask(client, Identity("ca", "renewed", "key"))
    assert len(contexts) == 2
    await client.close()
