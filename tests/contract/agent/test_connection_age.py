"""Connections to an agent, of its peers and of the operator, live for an hour: then certificates are looked at anew."""

import aiohttp
import pytest

from contract.agent.certificates import Authority
from contract.agent.serving import Clock, Serving
from region_operator import mutual_tls

pytestmark = pytest.mark.rule("OPERATOR 17")

AN_HOUR_S = 3600.0


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
    client = serving.client(identity=lambda: identities[-1], clock=clock)
    for passed_s in (0, AN_HOUR_S, 1, 1):
        clock.now_s += passed_s
        await client.identities("user", [])
    identities.append(authority.agent(2))
    await client.identities("user", [])
    await client.close()
    first, second, third, fourth, fifth = serving.connections
    assert first == second != third == fourth != fifth
