"""The operator's schedule over two real agents and databases: regions are proven equal, and what was lost returns."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contract.agent.leader import Leader
from contract.agent.regions import PEERING, Pair, Region, eventually
from region_operator.api.scan_policy import ScanPolicy
from region_operator.api.scan_terms import scan_terms
from region_operator.api.scans import ScanReport
from region_operator.controller.schedule.wants import scan_id

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.rule("OPERATOR 18"),
    pytest.mark.rule("ENGINE 27"),
]

# Whatever else this machine does is no reason to skip a scan here.
PATIENT = scan_terms(ScanPolicy.model_validate({"mode": "Enabled", "load": {}}))


@pytest_asyncio.fixture(loop_scope="module")
async def leader(pair: Pair) -> AsyncIterator[Leader]:
    """Its term is that of the document which the agents hold."""
    made = Leader((pair.one, pair.two), pair.operator, pair.epoch)
    await made.begin(terms=PATIENT)
    yield made
    await made.agents.close()


async def scanned(leader: Leader, token: str) -> ScanReport:
    """The end of the scan that is asked for now."""
    leader.learn(request=token)

    async def ended() -> ScanReport | None:
        wanted = scan_id(PEERING, token)
        return next((one for one in await leader.look() if one.id == wanted and one.state == "Ended"), None)

    return await eventually(ended, within_s=120.0, step_s=0.1)


async def test_regions_that_are_equal_are_proven_equal(pair: Pair, leader: Leader) -> None:
    keys = [str(uuid.uuid4()) for _ in range(20)]
    for number, key in enumerate(keys):
        source = (pair.one, pair.two)[number % 2]
        source.database.add_domain(key, f"equal-{number}")
    await pair.in_sync()
    await leader.reaches(state="Ended")  # the slot whose turn it is
    report = await scanned(leader, "equal")
    assert (report.result, report.differing, report.message) == ("Clean", 0, "")
    domains = next(entity for entity in report.entities if entity.name == "domain")
    assert domains.equal
    assert domains.rows[0] == domains.rows[1] >= len(keys)


async def test_a_row_that_a_region_lost_behind_the_triggers_is_found_and_brought_back(
    pair: Pair, leader: Leader
) -> None:
    key = str(uuid.uuid4())
    pair.one.database.add_domain(key, f"lost-{key[:6]}")
    await eventually(lambda: pair.two.database.domain(key))
    await pair.in_sync()
    await leader.reaches(state="Ended")
    lose(pair.two, key)
    assert pair.two.database.domain(key) is None
    report = await scanned(leader, f"lost {key}")
    assert (report.result, report.differing, report.repaired) == ("Repaired", 1, 1)
    assert pair.two.database.domain(key) == pair.one.database.domain(key)
    assert (await scanned(leader, f"found {key}")).result == "Clean"


def lose(region: Region, key: str) -> None:
    """The domain is gone behind everybody's back, and so is what is known of it."""
    database = region.database
    database.run("SET @region_sync_apply = 1, foreign_key_checks = 0")
    database.run("DELETE FROM domain WHERE uuid = %s", key)
    database.run("SET @region_sync_apply = NULL, foreign_key_checks = 1")
    sync = database.settings().sync_schema
    database.run(f"DELETE FROM `{sync}`.row_version WHERE entity = 'domain' AND entity_key = %s", key)
