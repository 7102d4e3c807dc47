"""The operator's schedule and two running agents: what is due is granted, runs, and is not granted twice."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from contract.agent.leader import NOW, TERM, Leader
from contract.agent.regions import Operator, Region, eventually, link_to
from contract.agent.walk import STEPS, Walk
from region_operator.api.scan_policy import ScanPolicy
from region_operator.api.scan_terms import scan_terms
from region_operator.controller.agent_client import AgentClient
from region_operator.controller.schedule.wants import AGAIN_AFTER, ended
from region_operator.errors import Refused
from region_operator.replication.load import Counters

pytestmark = pytest.mark.rule("OPERATOR 18")


@dataclass
class Fleets:
    """Two peered regions, and who leads them."""

    regions: tuple[Region, Region]
    operator: Operator
    walk: Walk
    leaders: list[Leader] = field(default_factory=list)

    async def lead(self, *, term: int = TERM, **changes: Any) -> Leader:
        leader = Leader(self.regions, self.operator, term)
        self.leaders.append(leader)
        await leader.begin(**changes)
        return leader


@pytest_asyncio.fixture
async def fleet(make_region: Any, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleets]:
    monkeypatch.setattr("region_operator.replication.scans.run.FIRST_LOOK_S", 0.05)
    regions = (await make_region(1), await make_region(2))
    walk = Walk()
    for region, peer in (regions, regions[::-1]):
        region.compare = walk
        await region.start()
        await operator.configure(region, region.document(link_to(peer), epoch=TERM))

    async def streams() -> bool:
        links = [await operator.link(region) for region in regions]
        return all(link is not None and link.state == "Streaming" for link in links)

    await eventually(streams)
    made = Fleets(regions, operator, walk)
    yield made
    for leader in made.leaders:
        await leader.agents.close()


async def test_what_is_due_is_granted_once_and_its_end_is_known_to_an_operator_that_starts_anew(fleet: Fleets) -> None:
    leader = await fleet.lead()
    report = await leader.reaches(state="Ended")
    assert (report.result, report.rows_compared, report.verify) == ("Clean", 10 * STEPS, "Content")
    again = await fleet.lead()
    assert (await again.reaches(state="Ended")).id == report.id
    await leader.look()
    assert [one.id for one in await again.look()] == [report.id]
    assert fleet.walk.taken == list(range(STEPS))
    assert sum(one["granted"] for one in leader.counted + again.counted) == 1


async def test_a_join_that_meets_a_busy_region_is_proven_by_a_later_scan_once_it_is_not(fleet: Fleets) -> None:
    server = fleet.regions[1].memory.server
    server.load = Counters(threads_running=33, row_lock_waits=0, history_list_length=0)
    threads = scan_terms(ScanPolicy.model_validate({"load": {"skip": {"threadsRunning": 32}}}))
    leader = await fleet.lead(joined=False, verifying=True, terms=threads)
    skipped = await leader.reaches(state="Ended")
    assert (skipped.result, skipped.message) == ("SkippedHighLoad", "threadsRunning of region 2 is 33, over 32")
    server.load = Counters(threads_running=2, row_lock_waits=0, history_list_length=0)
    assert [one.id for one in await leader.look()] == [skipped.id], "not at once"
    leader.later = ended(skipped) - NOW + AGAIN_AFTER
    clean = await leader.reaches(state="Ended", result="Clean")
    assert clean.id != skipped.id


async def test_what_was_asked_for_runs_although_the_slot_was_served(fleet: Fleets) -> None:
    leader = await fleet.lead()
    await leader.reaches(state="Ended")
    leader.learn(request="now")

    async def both() -> bool:
        return [report.result for report in await leader.look()] == ["Clean", "Clean"]

    await eventually(both)


async def test_scans_that_are_switched_off_while_one_runs_end_it(fleet: Fleets) -> None:
    fleet.walk.upto = 2
    leader = await fleet.lead()
    await leader.reaches(state="Running")
    off = scan_terms(ScanPolicy.model_validate({"mode": "Disabled"}))
    leader.learn(terms=off, unwanted=True, startable=False)
    assert (await leader.reaches(state="Ended")).result == "Aborted"


async def test_a_leader_of_the_past_grants_nothing(fleet: Fleets) -> None:
    late = await fleet.lead(term=TERM - 1)
    assert await late.answer() == {"granted": 0, "refused": ["StaleEpoch"]}
    assert fleet.walk.taken == []


async def test_without_the_lease_no_agent_is_told_anything(fleet: Fleets) -> None:
    def refuse() -> None:
        raise Refused(reason="NotLeader", message="the Lease was not renewed in time")

    client, fleet.operator.client = fleet.operator.client, AgentClient(before_write=refuse)
    try:
        late = await fleet.lead()
        assert await late.answer() == {"granted": 0, "refused": ["NotLeader"]}
        await late.agents.close()
        await fleet.operator.client.close()
    finally:
        fleet.operator.client = client
    assert (await client.get_scans(fleet.operator.endpoint(fleet.regions[0]))).scans == []


async def test_a_scan_that_the_agent_does_not_have_cannot_be_aborted(fleet: Fleets) -> None:
    with pytest.raises(Refused) as refused:
        await fleet.operator.client.delete_scan(fleet.operator.endpoint(fleet.regions[0]), str(uuid.UUID(int=5)))
    assert refused.value.reason == "NotFound"
