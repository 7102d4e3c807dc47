"""Rows that drifted are mended with what the peer holds of them, however wide they are."""

import uuid

import aiohttp
import pytest

from contract.agent.certificates import FLEET_UID
from contract.agent.regions import PEERING, Memory, Operator, Region, eventually, link_to
from region_operator import mutual_tls, naming
from region_operator.api.scans import ScanReport
from region_operator.replication.agent.scan_answers import comparison
from region_operator.replication.feed import RowKey
from region_operator.replication.scans.contents import AT_ONCE
from stored_scans import grant

SCAN = str(uuid.UUID(int=1))
WIDE = "\N{GRINNING FACE}" * 250
"""About what the columns of users hold; 1,000 bytes."""


def add_users(memory: Memory, number: int) -> list[str]:
    keys = [f"u-{count:03}" for count in range(number)]
    memory.add_account("acme")
    for key in keys:
        memory.add_user(key, account="acme", name=key + WIDE)
        memory.update("user", key, firstname=WIDE, lastname=WIDE, email=WIDE, password=WIDE, timezone=WIDE[:30])
    return keys


def drift(memory: Memory, keys: list[str]) -> None:
    """Change rows behind the triggers."""
    with memory.server.transaction() as draft:
        for row in (RowKey("user", key) for key in keys):
            draft.business[row] = {**draft.business[row], **dict.fromkeys(("firstname", "lastname", "email"), "lost")}


async def asked(operator: Operator, region: Region, method: str, path: str, **body: object) -> ScanReport | None:
    """The only scan of a region."""
    context = mutual_tls.client_context(operator.identity)
    name = naming.agent_server_name(region.id, FLEET_UID)
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, f"https://127.0.0.1:{region.port}{path}", json=body or None, ssl=context, server_hostname=name
        ) as response,
    ):
        document = await response.json()
        assert response.status == 200, document
    scans = document.get("scans", [document])
    return ScanReport.model_validate(scans[0]) if scans else None


@pytest.mark.rule("ENGINE 28")
async def test_as_many_wide_rows_as_are_mended_at_once_are_put_back(operator: Operator, make_region) -> None:
    one, two = await make_region(1), await make_region(2)
    for region, peer in ((one, two), (two, one)):
        region.compare = comparison
        await region.start()
        await operator.configure(region, region.document(link_to(peer), epoch=1))
    keys = add_users(one.memory, AT_ONCE)
    await eventually(lambda: two.memory.value("user", keys[-1], "timezone"))
    drift(two.memory, keys)
    terms = grant(PEERING, verify="Content", drift="Revert").model_dump(mode="json", by_alias=True)
    await asked(operator, one, "PUT", f"/v1/scans/{SCAN}", **terms)

    async def ended() -> ScanReport | None:
        report = await asked(operator, one, "GET", "/v1/scans")
        return report if report is not None and report.state == "Ended" else None

    report = await eventually(ended)
    assert (report.result, report.differing, report.repaired) == ("Repaired", AT_ONCE, AT_ONCE), report.message
    assert {two.memory.value("user", key, "firstname") for key in keys} == {WIDE}
