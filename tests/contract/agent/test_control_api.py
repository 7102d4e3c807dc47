"""What an operator may ask of an agent, over real TLS, with the operator's own client."""

import asyncio
import time

import aiohttp
import pytest

from contract.agent.certificates import FLEET_UID, Authority
from contract.agent.regions import Operator, Region, eventually, link_to
from region_operator import mutual_tls, naming
from region_operator.api.agent import ConfigurationDocument
from region_operator.controller import agent_client
from region_operator.controller.agent_client import AgentClient, AgentEndpoint, AgentRefused
from region_operator.errors import Conflict, Refused, Unavailable

LONG_POLL_S = 20.0


async def configured(operator: Operator, region: Region, *, epoch: int = 1) -> str:
    await operator.configure(region, region.document(epoch=epoch))
    return (await operator.client.get_configuration(operator.endpoint(region))).etag


async def settled(operator: Operator, region: Region) -> str:
    """The etag of a status that no longer changes by itself."""
    etag = (await eventually(lambda: operator.status(region))).etag
    while (new := (await operator.client.get_status(operator.endpoint(region), etag=etag, wait_s=0.7)).etag) != etag:
        etag = new
    return etag


async def post(region: Region, identity: mutual_tls.Identity, path: str, body: dict) -> tuple[int, dict]:
    context = mutual_tls.client_context(identity)
    name = naming.agent_server_name(region.id, FLEET_UID)
    url = f"https://127.0.0.1:{region.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, ssl=context, server_hostname=name) as response,
    ):
        return response.status, await response.json()


@pytest.mark.rule("OPERATOR 16")
async def test_a_document_is_stored_before_it_is_acknowledged(operator: Operator, region: Region) -> None:
    etag = await configured(operator, region)
    assert region.memory.server.database.configuration.etag == etag
    assert region.memory.server.database.configuration.claim_hub == "hub-1"
    status = await operator.status(region)
    assert (status.configuration_etag, status.rules_hash) == (etag, "sha256:rules")


@pytest.mark.rule("OPERATOR 16")
async def test_a_second_writer_gets_a_conflict(operator: Operator, region: Region) -> None:
    await configured(operator, region)
    with pytest.raises(Conflict):
        await operator.client.put_configuration(operator.endpoint(region), region.document(epoch=2), etag="")


@pytest.mark.rule("OPERATOR 14")
async def test_a_lower_epoch_is_refused(operator: Operator, region: Region) -> None:
    etag = await configured(operator, region, epoch=5)
    with pytest.raises(AgentRefused) as refused:
        await operator.client.put_configuration(operator.endpoint(region), region.document(epoch=4), etag=etag)
    assert refused.value.reason == "StaleEpoch"


@pytest.mark.rule("OPERATOR 8")
async def test_a_hub_that_was_restored_is_refused_also_after_the_agent_was_restarted(
    operator: Operator, region: Region
) -> None:
    def at(generation: int, *, accept: int = 0) -> ConfigurationDocument:
        (source,) = region.document().sources
        update = {"generation": generation, "accept_rewind": accept}
        return region.document().model_copy(update={"sources": [source.model_copy(update=update)]})

    await operator.configure(region, at(7))
    await region.restart()
    etag = (await eventually(lambda: operator.client.get_configuration(operator.endpoint(region)))).etag
    with pytest.raises(AgentRefused) as refused:
        await operator.client.put_configuration(operator.endpoint(region), at(3), etag=etag)
    assert (refused.value.reason, refused.value.pointer) == ("HubRewound", "/sources/0/generation")
    assert "generation 7" in str(refused.value)
    assert (await operator.status(region)).sources[0].generation == 7
    await operator.configure(region, at(3, accept=7))
    assert (await operator.status(region)).sources[0].generation == 3


@pytest.mark.rule("OPERATOR 16")
async def test_an_unknown_requirement_is_refused_with_its_place(operator: Operator, region: Region) -> None:
    etag = await configured(operator, region)
    document = region.document().model_copy(update={"requires": ["time-travel"]})
    with pytest.raises(AgentRefused) as refused:
        await operator.client.put_configuration(operator.endpoint(region), document, etag=etag)
    assert (refused.value.reason, refused.value.pointer) == ("UnknownFeature", "/requires/0")


async def test_rules_for_an_unknown_entity_are_refused_and_nothing_is_stored(
    operator: Operator, region: Region
) -> None:
    etag = await configured(operator, region)
    document = region.document(epoch=2)
    wrong = document.model_copy(
        update={"rules": document.rules.model_copy(update={"entities": [agent_entity_rules("volcano")]})}
    )
    with pytest.raises(AgentRefused) as refused:
        await operator.client.put_configuration(operator.endpoint(region), wrong, etag=etag)
    assert (refused.value.reason, refused.value.pointer) == ("UnknownEntity", "/rules/entities/0/name")
    assert (await operator.client.get_configuration(operator.endpoint(region))).etag == etag


def agent_entity_rules(name: str):
    from region_operator.api.agent import EntityRules

    return EntityRules(name=name)


async def test_a_client_that_may_not_write_does_not(region: Region, operator: Operator) -> None:
    def lease_in_doubt() -> None:
        raise Refused(reason="LeaseInDoubt", message="not renewed in time")

    client = AgentClient(before_write=lease_in_doubt)
    with pytest.raises(Refused, match="not renewed"):
        await client.put_configuration(operator.endpoint(region), region.document(), etag="")
    await client.close()


async def test_a_long_poll_answers_at_once_when_something_changes(operator: Operator, region: Region) -> None:
    await configured(operator, region)
    endpoint = operator.endpoint(region)

    etag = await settled(operator, region)
    waiting = asyncio.create_task(operator.client.get_status(endpoint, etag=etag, wait_s=LONG_POLL_S))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    began = time.monotonic()
    await configured(operator, region, epoch=2)
    assert (await waiting).claim.epoch == 2
    assert time.monotonic() - began < LONG_POLL_S / 2


async def test_a_long_poll_without_news_ends_in_time(operator: Operator, region: Region) -> None:
    etag = await settled(operator, region)
    began = time.monotonic()
    assert (await operator.client.get_status(operator.endpoint(region), etag=etag, wait_s=0.5)).etag == etag
    assert time.monotonic() - began > 0.4


@pytest.mark.rule("OPERATOR 17")
async def test_a_regions_certificate_may_not_configure(
    authority: Authority, region: Region, operator: Operator
) -> None:
    await eventually(lambda: operator.status(region))
    endpoint = operator.endpoint(region)
    foreign = AgentEndpoint(url=endpoint.url, server_name=endpoint.server_name, identity=authority.agent(2))
    with pytest.raises(Unavailable) as caught:
        await operator.client.put_configuration(foreign, region.document(), etag="")
    assert caught.value.reason == "AuthFailed"
    assert region.memory.server.database.configuration is None
    with pytest.raises(Unavailable):
        await operator.client.get_status(foreign, wait_s=0)


@pytest.mark.rule("OPERATOR 17")
async def test_an_operators_certificate_may_not_read_rows(operator: Operator, region: Region) -> None:
    await configured(operator, region)
    status, answer = await post(region, operator.identity, "/v1/feed", {"peering": "p", "databaseKey": "k"})
    assert (status, answer["reason"]) == (403, "RoleNotAllowed")


@pytest.mark.rule("OPERATOR 17")
async def test_a_region_reads_only_over_links_it_shares(
    authority: Authority, operator: Operator, region: Region, make_region
) -> None:
    peer = await make_region(2)
    await operator.configure(region, region.document(link_to(peer)))
    question = {"peering": link_to(peer).peering_uid, "databaseKey": "k"}
    status, answer = await post(region, authority.agent(3), "/v1/feed", question)
    assert (status, answer["reason"]) == (403, "NotPeered")
    status, answer = await post(region, authority.agent(2), "/v1/rows", {**question, "peering": "other", "keys": []})
    assert (status, answer["reason"]) == (403, "NotPeered")


@pytest.mark.rule("OPERATOR 17")
async def test_a_certificate_without_a_role_gets_nothing(
    authority: Authority, region: Region, operator: Operator
) -> None:
    await eventually(lambda: operator.status(region))
    status, answer = await post(region, authority.issue("spiffe://other-fleet/operator"), "/v1/feed", {})
    assert (status, answer["reason"]) == (403, "NoRole")


@pytest.mark.rule("OPERATOR 17")
async def test_a_certificate_of_another_authority_is_refused_in_the_handshake(
    authority: Authority, region: Region, operator: Operator
) -> None:
    await eventually(lambda: operator.status(region))
    stranger = Authority("stranger").operator()
    half_trusted = mutual_tls.Identity(authority.pem, stranger.certificate_pem, stranger.key_pem)
    endpoint = operator.endpoint(region)
    for identity in (stranger, half_trusted):
        with pytest.raises(Unavailable) as caught:
            await operator.client.get_status(AgentEndpoint(endpoint.url, endpoint.server_name, identity), wait_s=0)
        assert caught.value.reason == "TLSFailed"


async def test_an_agent_of_another_region_is_not_mistaken_for_this_one(operator: Operator, region: Region) -> None:
    await eventually(lambda: operator.status(region))
    endpoint = operator.endpoint(region)
    other = AgentEndpoint(endpoint.url, naming.agent_server_name(2, FLEET_UID), endpoint.identity)
    with pytest.raises(Unavailable) as caught:
        await operator.client.get_status(other, wait_s=0)
    assert caught.value.reason == "TLSFailed"


async def test_an_agent_that_is_away_or_silent_is_named_so(
    operator: Operator, region: Region, cable_to, monkeypatch: pytest.MonkeyPatch
) -> None:
    await eventually(lambda: operator.status(region))
    endpoint = operator.endpoint(region)
    cable = await cable_to(region)
    cable.cut()
    monkeypatch.setattr(agent_client, "REQUEST_TIMEOUT_S", 0.3)
    silent = AgentEndpoint(f"https://127.0.0.1:{cable.port}", endpoint.server_name, endpoint.identity)
    with pytest.raises(Unavailable) as caught:
        await operator.client.get_status(silent, wait_s=0)
    assert caught.value.reason == "ProbeTimeout"
    await region.stop()
    with pytest.raises(Unavailable) as caught:
        await operator.client.get_status(endpoint, wait_s=0)
    assert caught.value.reason == "ConnectionRefused"


async def test_a_database_that_is_away_is_reported_and_waited_for(operator: Operator, make_region) -> None:
    region = await make_region(1)
    region.memory.server.down = True
    await region.start()
    status = await eventually(lambda: operator.status(region))
    assert not status.database_reachable
    endpoint = operator.endpoint(region)
    with pytest.raises(Unavailable):  # what is stored is not known, so nothing may be said of it
        await operator.client.get_configuration(endpoint)
    region.memory.server.down = False
    await configured(operator, region)
    region.memory.server.down = True

    async def noticed() -> bool:
        return not (await operator.status(region)).database_reachable

    await eventually(noticed)
    region.memory.server.down = False

    async def recovered() -> bool:
        return (await operator.status(region)).database_reachable

    await eventually(recovered)


async def test_health_and_metrics(operator: Operator, region: Region, make_region) -> None:
    peer = await make_region(2)
    await operator.configure(region, region.document(link_to(peer)))

    async def get(path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{region.health_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.text()

    assert (await get("/healthz"))[0] == 200
    assert (await get("/readyz"))[0] == 200

    async def drawn() -> str:
        text = (await get("/metrics"))[1]
        return text if 'region_operator_agent_link_up{peer="2"} 0.0' in text else ""

    text = await eventually(drawn)
    assert "region_operator_agent_database_up 1.0" in text
    assert "region_operator_agent_captured_rows_total 0.0" in text
    assert "region_operator_agent_certificate_not_after_timestamp_seconds" in text
