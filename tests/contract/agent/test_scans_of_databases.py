"""The operator's schedule over two real agents and databases: regions are proven equal, and what was lost returns."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

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
PATIENT = scan_terms(ScanPolicy.model_validate({"verify": "Versions", "load": {}}))
CONTENT = replace(PATIENT, verify="Content")


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


@pytest.mark.rule("ENGINE 28")
@pytest.mark.parametrize(("drift", "kept"), [("Capture", "surgery.test"), ("Revert", "right.test")])
async def test_a_value_that_was_changed_behind_the_triggers_is_captured_or_put_back(
    pair: Pair, leader: Leader, drift: str, kept: str
) -> None:
    key = str(uuid.uuid4())
    pair.one.database.add_domain(key, f"drift-{key[:6]}")
    pair.one.database.run("UPDATE domain SET network_domain = 'right.test' WHERE uuid = %s", key)
    await eventually(lambda: (pair.two.database.domain(key) or ("",) * 3)[2] == "right.test")
    await pair.in_sync()
    leader.learn(terms=replace(CONTENT, drift=drift))
    await scanned(leader, f"before {key}")
    behind_the_triggers(pair.two, "UPDATE domain SET network_domain = 'surgery.test' WHERE uuid = %s", key)
    assert pair.one.database.domain(key)[2] == "right.test"
    report = await scanned(leader, f"drifted {key}")
    assert (report.result, report.verify) == ("Repaired", "Content")
    for region in (pair.one, pair.two):
        await eventually(lambda: region.database.domain(key)[2] == kept)  # noqa: B023
    assert (await scanned(leader, f"after {key}")).result == "Clean"


def lose(region: Region, key: str) -> None:
    """The domain is gone behind everybody's back, and so is what is known of it."""
    behind_the_triggers(region, "DELETE FROM domain WHERE uuid = %s", key)
    sync = region.database.settings().sync_schema
    region.database.run(f"DELETE FROM `{sync}`.row_version WHERE entity = 'domain' AND entity_key = %s", key)


def behind_the_triggers(region: Region, statement: str, key: str) -> None:
    region.database.run("SET @region_sync_apply = 1, foreign_key_checks = 0")
    region.database.run(statement, key)
    region.database.run("SET @region_sync_apply = NULL, foreign_key_checks = 1")
