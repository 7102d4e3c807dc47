"""What a pass over a RegionPeering tells the schedule of full scans, and what it says of a scan (OPERATOR 12, 18)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from region_operator.controller.events import EventRecorder
from region_operator.controller.fleet import Fleet
from region_operator.controller.observe.scans import Subjects
from region_operator.controller.reconcile.peering import PeeringReconciler
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.supervision.units import Key
from unit.controller.api_server import ApiServer
from unit.controller.status.peerings import NOW, UID, agent, link, peering, side
from unit.controller.status.test_scans import facts, report
from unit.supervision.fake_time import FakeTime

pytestmark = pytest.mark.rule("OPERATOR 18")

PATH = "/apis/region-operator.io/v1alpha1/namespaces/clouds/regionpeerings/p"
KEY, SCANS = Key("RegionPeering", "clouds", "p"), Key("FullScans", "clouds", "")
BODY = {
    "apiVersion": "region-operator.io/v1alpha1",
    "kind": "RegionPeering",
    "metadata": {
        "name": "p",
        "namespace": "clouds",
        "uid": UID,
        "generation": 1,
        "finalizers": ["region-operator.io/teardown"],
    },
    "spec": {"regions": [{"name": "a"}, {"name": "b"}], "policyRef": {"name": "default"}},
}


class Room:
    """One peering, whose observer finds what a test puts there."""

    def __init__(self) -> None:
        self.api, self.time, self.subjects = ApiServer(), FakeTime(), Subjects()
        self.api.put(PATH, BODY)
        self.found, self.woken = facts(), []
        hub = self.api.cluster()
        events = EventRecorder(hub, instance="o", clock=self.time)
        began_s = self.time()
        self.reconciler = PeeringReconciler(
            hub,
            self,
            StatusWriter(hub, Fleet(), events, clock=self.time),
            subjects=self.subjects,
            events=events,
            now=lambda: NOW + timedelta(seconds=self.time() - began_s),
            poll_s=5.0,
            enqueue=self.woken.append,
        )

    async def facts(self, _):
        return self.found

    async def look(self, *reports, after_s=30.0, **more):
        self.time.pass_by(after_s)
        self.found = facts(*reports, **more)
        return await self.reconciler.reconcile(KEY)

    @property
    def events(self):
        return [o["reason"] for p, o in self.api.objects.items() if "/events/" in p]


async def test_the_schedule_is_woken_when_a_peering_has_news_for_it_and_only_then():
    room = Room()
    await room.look()
    assert room.woken.count(SCANS) == 1
    assert room.subjects.of("clouds")[0].verifying
    await room.look(report())
    assert room.subjects.of("clouds")[0].joined
    assert room.woken.count(SCANS) == 2
    for percent in (10, 20, 30):
        await room.look(report(), report("Running", id="s2", percent=percent))
    woken = room.woken.count(SCANS)
    await room.look(report(), report("Running", id="s2", percent=40))
    assert room.woken.count(SCANS) == woken
    await room.look(report(), report("Running", id="s2", percent=40), scan_request="now")
    assert room.woken.count(SCANS) == woken + 1


async def test_nothing_begins_while_an_agent_is_not_heard_and_what_runs_is_left_alone():
    room = Room()
    await room.look()
    await room.look(report())
    assert room.subjects.of("clouds")[0].startable
    await room.look(report(), silent_s=600.0)
    (subject,) = room.subjects.of("clouds")
    assert (subject.startable, subject.unwanted) == (False, False)


@pytest.mark.rule("OPERATOR 20")
async def test_a_peering_that_goes_without_a_dead_side_says_what_that_one_still_holds():
    room = Room()
    dead = side(2, agent(2, link(1)), age_s=500.0, silent=True)
    left = side(1, agent(1, sources=[], left_peerings=[UID]))
    room.found = peering(left, dead, deleting=True, deleting_age_s=600.0)
    await room.reconciler.reconcile(KEY)
    assert room.events == ["LeftWithoutPeer"]
    assert room.api.objects[PATH]["metadata"]["finalizers"] == []


async def test_a_peering_that_is_gone_has_nothing_to_scan():
    room = Room()
    await room.look()
    del room.api.objects[PATH]
    await room.look()
    assert room.subjects.of("clouds") == []
    assert room.woken.count(SCANS) == 2


async def test_a_scan_is_told_in_events_once_it_stands_in_the_status():
    room = Room()
    await room.look()
    await room.look(report("Running", percent=0))
    await room.look(report("Running", percent=0))
    await room.look(report())
    await room.look(report())
    scans = [reason for reason in room.events if reason.startswith("FullScan")]
    assert scans == ["FullScanStarted", "FullScanClean"]


async def test_a_scan_that_is_overdue_warns_once_and_its_end_is_told_too():
    room = Room()
    await room.look()
    await room.look(report())
    day_s = 86_400
    for _ in range(3):
        await room.look(report(), after_s=3 * day_s)
    warned = [reason for reason in room.events if reason in ("Overdue", "Clean")]
    assert warned == ["Clean", "Overdue"]
    later = report(at=NOW + timedelta(days=9), id="s9")
    await room.look(report(), later)
    assert room.events[-2:] == ["Clean", "FullScanClean"]


@pytest.mark.rule("OPERATOR 12")
async def test_progress_alone_is_written_twice_a_minute_at_most():
    room = Room()
    await room.look()
    await room.look(report())
    before = len(room.api.writes)
    for percent in range(100):
        await room.look(report(), report("Running", id="s2", percent=percent), after_s=1.0)
    assert len([call for call in room.api.writes[before:] if call.endswith("/status")]) <= 4


@pytest.mark.rule("OPERATOR 12")
async def test_a_join_whose_scan_is_skipped_again_and_again_is_written_twice_a_minute_at_most():
    room = Room()
    await room.look()
    before, skipped, due_s = len(room.api.writes), [], 0
    for second in range(0, 360, 5):
        if second == due_s:
            due_s += min(300, 20 * 2 ** len(skipped))
            at = NOW + timedelta(seconds=30 + second)
            busy = f"threadsRunning of region 2 is {40 + second}, over 32"
            skipped.append(report(result="SkippedHighLoad", message=busy, at=at, id=f"s{second}"))
        await room.look(*skipped, after_s=5.0)
    assert len(skipped) == 5
    assert len([call for call in room.api.writes[before:] if call.endswith("/status")]) <= 12
    told = {item["type"]: item["message"] for item in room.api.objects[PATH]["status"]["conditions"]}
    assert busy in told["JoinCompleted"]


@pytest.mark.rule("OPERATOR 8")
async def test_a_peering_that_is_deleted_has_both_regions_looked_at_once():
    room = Room()
    await room.look()
    await room.look(report())
    room.woken.clear()
    room.api.objects[PATH]["metadata"]["deletionTimestamp"] = "2026-11-22T03:00:00Z"
    for _ in range(3):
        await room.look(report(), deleting=True)
    assert [key.name for key in room.woken if key.kind == "Region"] == ["a", "b"]
    assert room.api.objects[PATH]["status"]["join"]["stage"] == "Draining"
    sides = tuple(side(number, agent(number, link(3 - number, unwiring=True))) for number in (1, 2))
    for _ in range(3):
        room.time.pass_by(30.0)
        room.found = replace(facts(report(), deleting=True), sides=sides)
        await room.reconciler.reconcile(KEY)
    assert [key.name for key in room.woken if key.kind == "Region"] == ["a", "b"]
    assert room.api.objects[PATH]["status"]["join"]["stage"] == "Unwiring"
