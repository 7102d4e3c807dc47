"""Certificates are exchanged while the agent serves."""

import asyncio
import ssl

import aiohttp
import pytest
from cryptography import x509

from contract.agent.certificates import FLEET_UID, Authority, mount
from contract.agent.regions import Operator, Region, eventually
from region_operator import mutual_tls, naming
from region_operator.errors import Unavailable


async def served_serial(region: Region, identity: mutual_tls.Identity) -> int:
    name = naming.agent_server_name(region.id, FLEET_UID)
    context = mutual_tls.client_context(identity)
    _, writer = await asyncio.open_connection("127.0.0.1", region.port, ssl=context, server_hostname=name)
    try:
        leaf = writer.get_extra_info("ssl_object").getpeercert(True)
    finally:
        writer.close()
    return x509.load_der_x509_certificate(leaf).serial_number


@pytest.mark.rule("OPERATOR 17")
async def test_a_new_leaf_is_served_without_restart(authority: Authority, operator: Operator, region: Region) -> None:
    await eventually(lambda: operator.status(region))
    renewed = authority.agent(region.id)
    assert await served_serial(region, operator.identity) != renewed.leaf.serial_number
    mount(renewed, region.directory / "tls")

    async def renewed_is_served() -> bool:
        return await served_serial(region, operator.identity) == renewed.leaf.serial_number

    await eventually(renewed_is_served)
    status = await operator.status(region)
    assert status.certificate.serial == format(renewed.leaf.serial_number, "x")


@pytest.mark.rule("OPERATOR 17")
async def test_an_authority_that_was_dropped_is_refused_also_on_old_connections(
    authority: Authority, operator: Operator, region: Region
) -> None:
    await eventually(lambda: operator.status(region))
    new = Authority("new")
    mount(authority.agent(region.id).trusting([new.pem]), region.directory / "tls")  # both are trusted
    new_operator = Operator(new)
    new_operator.identity = new_operator.identity.trusting([authority.pem])
    await eventually(lambda: new_operator.status(region))
    await operator.status(region)

    name = naming.agent_server_name(region.id, FLEET_UID)
    url = f"https://127.0.0.1:{region.port}/v1/status?wait=0"
    context = mutual_tls.client_context(operator.identity.trusting([new.pem]))
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as old_connection:
        async with old_connection.get(url, ssl=context, server_hostname=name) as answer:
            assert answer.status == 200
        mount(new.agent(region.id), region.directory / "tls")  # the old one is dropped

        async def old_is_refused() -> bool:
            try:
                async with old_connection.get(url, ssl=context, server_hostname=name):
                    return False
            except (aiohttp.ClientError, ssl.SSLError):
                return True

        await eventually(old_is_refused)
    with pytest.raises(Unavailable) as caught:
        await operator.client.get_status(operator.endpoint(region), wait_s=0)
    assert caught.value.reason == "TLSFailed"
    await new_operator.status(region)
    await new_operator.client.close()


async def test_an_unusable_pair_leaves_the_former_in_use(
    authority: Authority, operator: Operator, region: Region, caplog: pytest.LogCaptureFixture
) -> None:
    await eventually(lambda: operator.status(region))
    before = await served_serial(region, operator.identity)
    one, other = authority.agent(region.id), authority.agent(region.id)
    mount(mutual_tls.Identity(one.ca_pem, one.certificate_pem, other.key_pem), region.directory / "tls")
    await eventually(lambda: "unusable" in caplog.text)
    assert await served_serial(region, operator.identity) == before
    mount(one, region.directory / "tls")

    async def repaired() -> bool:
        return await served_serial(region, operator.identity) == one.leaf.serial_number

    await eventually(repaired)


async def test_an_agent_waits_for_certificates_that_are_not_there_yet(operator: Operator, make_region) -> None:
    region = await make_region(1)
    tls = region.directory / "tls"
    tls.rename(region.directory / "later")
    await region.start()

    async def readiness() -> int:
        url = f"http://127.0.0.1:{region.health_port}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status

    assert await eventually(readiness_or_zero(readiness)) == 503
    (region.directory / "later").rename(tls)
    await eventually(lambda: operator.status(region))


async def test_an_agent_waits_for_a_certificate_of_its_own_region(
    authority: Authority, operator: Operator, make_region, caplog: pytest.LogCaptureFixture
) -> None:
    region = await make_region(1)
    mount(authority.agent(2), region.directory / "tls")
    await region.start()
    await eventually(lambda: "waiting for usable certificates" in caplog.text)
    mount(authority.agent(1), region.directory / "tls")
    await eventually(lambda: operator.status(region))


def readiness_or_zero(readiness):
    async def ask() -> int:
        try:
            return await readiness()
        except aiohttp.ClientError:
            return 0

    return ask
