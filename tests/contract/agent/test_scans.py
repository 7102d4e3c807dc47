"""Full scans as operators grant them to running agents; what is compared is a walk over steps that only count."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from contract.agent.certificates import FLEET_UID
from contract.agent.regions import PEERING, Operator, Region, eventually, link_to
from contract.agent.walk import STEPS, Walk
from region_operator import mutual_tls, naming
from region_operator.api.scans import ScanReport
from region_operator.replication.load import Counters
from region_operator.replication.scans.record import StoredScan
from stored_scans import grant

pytestmark = pytest.mark.rule("OPERATOR 18")

SCAN = str(uuid.UUID(int=1))
OTHER = str(uuid.UUID(int=2))
MARKS = {"skip": {"threadsRunning": 30}, "pause": {"threadsRunning": 60}, "abort": {"threadsRunning": 90}}


@dataclass
class Two:
    one: Region
    two: Region
    operator: Operator
    walk: Walk

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, of: Region | None = None) -> Any:
        """Status and document of an answer; ``of``: another region's agent."""
        region = of or self.one
        context = mutual_tls.client_context(self.operator.identity)
        name = naming.agent_server_name(region.id, FLEET_UID)
        url = f"https://127.0.0.1:{region.port}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body, ssl=context, server_hostname=name) as response,
        ):
            return response.status, await response.json()

    async def grant(self, scan_id: str = SCAN, *, of: Region | None = None, **changes: Any) -> Any:
        body = grant(PEERING).model_dump(mode="json", by_alias=True) | changes
        return await self.ask("PUT", f"/v1/scans/{scan_id}", body, of=of)

    async def report(self, scan_id: str = SCAN) -> ScanReport | None:
        status, body = await self.ask("GET", "/v1/scans")
        reports = [ScanReport.model_validate(one) for one in body["scans"]] if status == 200 else []
        return next((report for report in reports if report.id == scan_id), None)

    async def reaches(self, scan_id: str = SCAN, **wanted: Any) -> ScanReport:
        async def look() -> ScanReport | None:
            report = await self.report(scan_id)
            return report if report and all(getattr(report, name) == value for name, value in wanted.items()) else None

        return await eventually(look)

    async def lease_is_free(self, region: Region) -> bool:
        server = region.memory.server
        return server.read().scan_lease.expires_s <= server.clock()


@pytest_asyncio.fixture
async def two(make_region: Any, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Two]:
    """Two peered regions in memory whose clocks stand still, so no lease ends by itself."""
    monkeypatch.setattr("region_operator.replication.scans.run.FIRST_LOOK_S", 0.05)
    walk = Walk()
    one, other = await make_region(1), await make_region(2)
    one.compare = walk
    for region, peer in ((one, other), (other, one)):
        await region.start()
        await operator.configure(region, region.document(link_to(peer), epoch=3))
    made = Two(one, other, operator, walk)

    async def streams() -> bool:
        links = [await operator.link(region) for region in (one, other)]
        return all(link is not None and link.state == "Streaming" for link in links)

    await eventually(streams)
    yield made


async def test_a_granted_scan_runs_to_its_end_and_gives_both_regions_back(two: Two) -> None:
    status, body = await two.grant(epoch=3)
    assert (status, body["state"], body["peeringUid"]) == (200, "Running", PEERING)
    report = await two.reaches(state="Ended")
    assert (report.result, report.rows_compared, report.percent) == ("Clean", 10 * STEPS, 100)
    assert two.walk.taken == list(range(STEPS))
    for region in (two.one, two.two):
        await eventually(lambda region=region: two.lease_is_free(region))


async def test_a_scan_is_begun_although_the_operator_gave_up_waiting_for_the_answer(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = two.one.agent._scans
    kept, go_on, keep = asyncio.Event(), asyncio.Event(), scans._keep

    async def keep_and_wait(scan: StoredScan) -> None:
        await keep(scan)
        kept.set()
        await go_on.wait()

    monkeypatch.setattr(scans, "_keep", keep_and_wait)
    asking = asyncio.ensure_future(scans.grant(SCAN, grant(PEERING, epoch=3)))
    await kept.wait()
    asking.cancel()
    await asyncio.wait({asking})
    monkeypatch.setattr(scans, "_keep", keep)
    go_on.set()
    assert (await two.reaches(state="Ended")).result == "Clean"


async def test_a_repeat_tells_how_the_scan_stands_and_begins_nothing(two: Two) -> None:
    await two.grant(epoch=3)
    ended = await two.reaches(state="Ended")
    status, body = await two.grant(epoch=3)
    assert (status, ScanReport.model_validate(body)) == (200, ended)
    assert two.walk.taken == list(range(STEPS))


async def test_a_scan_goes_on_where_it_stood_when_the_agent_is_started_again(two: Two) -> None:
    two.walk.upto = 3
    await two.grant(epoch=3)
    await two.reaches(rows_compared=30)
    await two.one.restart()
    await eventually(lambda: two.report())
    two.walk.upto = STEPS
    assert (await two.reaches(state="Ended")).rows_compared == 10 * STEPS
    assert two.walk.taken == list(range(STEPS))


async def test_a_scan_survives_the_peers_absence(two: Two) -> None:
    two.walk.upto = 2
    await two.grant(epoch=3)
    await two.reaches(rows_compared=20)
    await two.two.stop()
    two.walk.upto = 3
    waiting = await eventually(lambda: _waits(two))
    assert "waits to go on" in waiting.message
    await two.two.start()
    two.walk.upto = STEPS
    report = await two.reaches(state="Ended")
    assert (report.result, report.rows_compared, report.message) == ("Clean", 10 * STEPS, "")


async def _waits(two: Two) -> ScanReport | None:
    report = await two.report()
    return report if report is not None and report.message else None


async def test_a_scan_whose_granted_time_ends_is_interrupted_and_goes_on_with_the_next_grant(two: Two) -> None:
    two.walk.upto = 2
    await two.grant(epoch=3)
    await two.reaches(rows_compared=20)
    await two.one.stop()
    with two.one.memory.server.transaction() as draft:  # as if the agent came back only after the end of the grant
        scan = draft.scans[SCAN]
        over = scan.grant.model_copy(update={"not_after": "2026-01-01T00:00:00Z"})
        draft.scans[SCAN] = type(scan)(over, scan.report, scan.position)
    await two.one.start()
    await two.reaches(state="Interrupted")
    two.walk.upto = STEPS
    assert (await two.grant(epoch=3))[0] == 200
    assert (await two.reaches(state="Ended")).rows_compared == 10 * STEPS
    assert two.walk.taken == list(range(STEPS))


async def test_an_aborted_scan_keeps_its_position_and_frees_both_regions(two: Two) -> None:
    two.walk.upto = 2
    await two.grant(epoch=3)
    await two.reaches(rows_compared=20)
    for _ in range(2):
        status, body = await two.ask("DELETE", f"/v1/scans/{SCAN}")
        assert (status, body["state"], body["result"]) == (200, "Ended", "Aborted")
    assert two.one.memory.server.read().scans[SCAN].position == {"step": 2}
    assert [await two.lease_is_free(region) for region in (two.one, two.two)] == [True, True]
    assert (await two.ask("DELETE", f"/v1/scans/{OTHER}"))[0] == 404


async def test_a_region_that_another_scan_holds_is_busy_and_the_other_one_is_given_back(two: Two) -> None:
    with two.two.memory.server.transaction() as draft:
        held = draft.scan_lease
        draft.scan_lease = type(held)("another-scan", held.number + 1, two.two.memory.server.clock() + 60)
    status, body = await two.grant(epoch=3)
    assert (status, body["reason"]) == (409, "RegionBusy")
    assert "region 2" in body["message"]
    assert await two.report() is None
    assert await two.lease_is_free(two.one)


async def test_one_region_takes_part_in_one_scan_at_a_time(two: Two) -> None:
    two.walk.upto = 0
    await two.grant(epoch=3)
    status, body = await two.grant(OTHER, epoch=3)
    assert (status, body["reason"]) == (409, "RegionBusy")


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"peeringUid": "unknown"}, 404, "UnknownLink"),
        ({"peer": 7}, 404, "UnknownLink"),
        ({"epoch": 2}, 409, "StaleEpoch"),
        ({"notAfter": "soon"}, 422, "InvalidInput"),
        ({"notAfter": "2026-01-01T00:00:00Z"}, 422, "InvalidInput"),
        ({"verify": "Everything"}, 422, "InvalidInput"),
        ({"chunk": {"targetMillis": 0, "maxRows": 1}}, 422, "InvalidInput"),
    ],
)
async def test_a_grant_that_cannot_be_taken_names_its_reason(
    two: Two, changes: dict[str, Any], status: int, reason: str
) -> None:
    answered, body = await two.grant(**({"epoch": 3} | changes))
    assert (answered, body["reason"]) == (status, reason)
    assert await two.report() is None


async def test_the_agent_of_the_higher_id_coordinates_nothing(two: Two) -> None:
    two.two.compare = two.walk
    await two.two.restart()
    answered, body = await eventually(lambda: _answered(two, of=two.two))
    assert (answered, body["reason"]) == (409, "NotCoordinator")


async def _answered(two: Two, *, of: Region) -> Any:
    try:
        status, body = await two.grant(epoch=3, peer=1, of=of)
    except aiohttp.ClientError:
        return None
    return None if status == 503 else (status, body)


async def test_an_agent_that_cannot_compare_takes_no_grant_and_says_so(two: Two) -> None:
    two.one.compare = None
    await two.one.restart()
    status = await eventually(lambda: two.operator.status(two.one))
    assert "scans" not in status.features
    answered, body = await two.grant(epoch=3)
    assert (answered, body["reason"]) == (409, "NotYetSupported")


async def test_a_busy_peer_has_the_scan_skipped_and_named(two: Two) -> None:
    two.two.memory.server.load = Counters(40, 0, 0)
    await two.grant(epoch=3, load=MARKS)
    report = await two.reaches(state="Ended")
    assert (report.result, report.message) == ("SkippedHighLoad", "threadsRunning of region 2 is 40, over 30")
    assert two.walk.taken == []


async def test_a_peer_that_becomes_busy_throttles_the_scan_until_it_is_not(two: Two) -> None:
    two.walk.upto = 2
    await two.grant(epoch=3, load=MARKS)
    await two.reaches(rows_compared=20)
    two.two.memory.server.load = Counters(70, 0, 0)
    two.walk.upto = STEPS
    report = await two.reaches(state="Throttled")
    assert report.throttled_by.model_dump() == {"region": 2, "gauge": "threadsRunning", "value": 70, "limit": 60}
    two.two.memory.server.load = Counters(1, 0, 0)
    assert (await two.reaches(state="Ended")).result == "Clean"


async def test_what_nobody_foresaw_ends_the_scan_after_some_tries(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("region_operator.replication.agent.scans.CRASHES", 2)
    two.walk.fault = ZeroDivisionError("a bug")
    await two.grant(epoch=3)
    report = await two.reaches(state="Ended")
    assert (report.result, report.message) == ("Failed", "ZeroDivisionError; see the agent's log")


async def test_a_scan_of_a_peering_that_is_left_ends(two: Two) -> None:
    two.walk.upto = 1
    await two.grant(epoch=3)
    await two.reaches(rows_compared=10)
    leaving = link_to(two.two, state="Leaving", drain=0)
    await two.operator.configure(two.one, two.one.document(leaving, epoch=3))
    report = await two.reaches(state="Ended")
    assert (report.result, report.message) == ("Aborted", "the peering is left")


async def test_only_operators_grant_scans_and_only_peers_hold_regions(two: Two) -> None:
    held = {"peering": PEERING, "databaseKey": "", "scan": SCAN}
    assert (await two.ask("POST", "/v1/scan/hold", held))[0] == 403
    two.operator.identity = two.operator.authority.agent(2)
    assert (await two.grant(epoch=3))[0] == 403
    assert (await two.ask("GET", "/v1/scans"))[0] == 403


async def test_metrics_tell_of_scans(two: Two) -> None:
    await two.grant(epoch=3)
    await two.reaches(state="Ended")
    url = f"http://127.0.0.1:{two.one.health_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        text = await response.text()
    assert f'region_operator_agent_scan_rows_compared_total{{peer="2"}} {10.0 * STEPS}' in text
    assert 'region_operator_agent_scans_ended_total{peer="2",result="Clean"} 1.0' in text
    assert f'region_operator_agent_scan_chunk_seconds_count{{peer="2"}} {float(STEPS)}' in text
    assert 'region_operator_agent_scan_running{peer="2"} 0.0' in text
    assert 'region_operator_agent_seconds_since_clean_scan{peer="2"}' in text
