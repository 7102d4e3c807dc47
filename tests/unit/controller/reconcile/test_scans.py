"""Passes over the full scans of a fleet: who is asked, what is granted, and when to look again (OPERATOR 18)."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from region_operator.api.agent import Claim
from region_operator.api.conditions import timestamp
from region_operator.api.scans import FEATURE, ScanReports
from region_operator.controller.facts import AgentFacts, Unknown
from region_operator.controller.fleet import Fleet, entry_of
from region_operator.controller.observe.scans import ScanObserver, Subjects
from region_operator.controller.plan.claim import document_epoch
from region_operator.controller.reconcile.scans import FIRST_PASSES_S, FULL_SCANS, Command, FullScansReconciler
from region_operator.errors import Refused, Unavailable
from region_operator.supervision.results import Done
from region_operator.supervision.units import Key
from unit.controller.schedule.subjects import DAY, NOW, report, subject, terms, uid
from unit.controller.status.peerings import agent
from unit.supervision.fake_time import FakeTime

pytestmark = pytest.mark.rule("OPERATOR 18")

HUB, TERM, KEY = "hub-1", 7, Key(FULL_SCANS, "clouds", "")
IDS = {"a": 1, "b": 2, "c": 3, "d": 4}


def body(kind, name, spec):
    meta = {"name": name, "namespace": "clouds", "uid": f"uid-{name}", "generation": 1}
    return {"kind": kind, "metadata": meta, "spec": spec}


class Agents:
    """Agents that run what they are granted until told otherwise; an endpoint is the name of its Region."""

    def __init__(self):
        self.scans = {name: {} for name in IDS}
        self.asked, self.grants, self.aborted = [], [], []
        self.fault = {}

    async def get_scans(self, region):
        self.asked.append(region)
        if region in self.fault:
            raise self.fault[region]
        return ScanReports(scans=list(self.scans[region].values()))

    async def put_scan(self, region, scan, grant):
        self.grants.append((region, scan, grant))
        if region in self.fault:
            raise self.fault[region]
        return self.says(region, scan, "Running", peering_uid=grant.peering_uid)

    async def delete_scan(self, region, scan):
        self.aborted.append((region, scan))
        return self.says(region, scan, "Ended", result="Aborted", peering_uid=self.scans[region][scan].peering_uid)

    def says(self, region, scan, state, *, peering_uid, **said):
        made = report(scan, state, ended=NOW, **said).model_copy(update={"peering_uid": peering_uid})
        self.scans[region][scan] = made
        return made


class Room:
    """A fleet of four regions, three of them in a row: a-b, b-c, c-d."""

    def __init__(self, *subjects, limit=4):
        self.time, self.agents, self.fleet, self.subjects = FakeTime(), Agents(), Fleet(), Subjects()
        began_s = self.time()
        self.says = {name: self.heard(name) for name in IDS}
        self.enqueued, self.counted = [], []
        self.observer = ScanObserver(self.agents, lambda key: key.name)
        for name, number in IDS.items():
            self.fleet.seen(entry_of(body("Region", name, {"id": number})), "1")
        for one in subjects:
            self.join(one)
        self.reconciler = FullScansReconciler(
            Command(HUB, TERM, limit, 5.0),
            fleet=self.fleet,
            subjects=self.subjects,
            observer=self.observer,
            agents=self.agents,
            heard=SimpleNamespace(endpoint=lambda key: key.name, facts=lambda key: self.says[key.name]),
            enqueue=self.enqueued.append,
            now=lambda: NOW + timedelta(seconds=self.time() - began_s),
            on_pass=lambda namespace, counted, **more: self.counted.append((namespace, counted, more)),
            clock=self.time,
            chance=lambda: 1.0,
        )

    def heard(self, name, *, hub=HUB, features=(FEATURE,), term=TERM):
        claim = Claim(hub=hub, region="clouds/a", epoch=document_epoch(3, term))
        said = agent(IDS[name], features=list(features), claim=claim)
        return AgentFacts(name, status=said, last=said)

    def join(self, one):
        names = [{"name": name} for name in one.regions]
        self.fleet.seen(entry_of(body("RegionPeering", one.name, {"regions": names})), "1")
        self.subjects.publish(Key("RegionPeering", "clouds", one.name), one)

    async def look(self, *, after_s=0.0):
        self.time.pass_by(after_s)
        return await self.reconciler.reconcile(KEY)

    def end(self, region, scan, **said):
        known = self.agents.scans[region][scan]
        self.agents.says(region, scan, "Ended", peering_uid=known.peering_uid, **said)

    def granted(self):
        return [(region, grant.peer) for region, _, grant in self.agents.grants]


def names(keys, kind):
    return sorted({key.name for key in keys if key.kind == kind})


async def test_a_scan_that_is_due_is_granted_to_the_agent_of_the_lower_id_with_the_terms_of_its_policy():
    given = terms(verify="Versions", drift="Revert", chunk={"targetMillis": 100, "maxRows": 7})
    room = Room(subject(1, ("a", "b"), terms=given))
    await room.look()
    ((region, _, grant),) = room.agents.grants
    assert (region, grant.peering_uid, grant.peer, grant.verify, grant.drift) == ("a", uid(1), 2, "Versions", "Revert")
    assert (grant.chunk.target_millis, grant.chunk.max_rows, grant.epoch) == (100, 7, document_epoch(3, TERM))
    assert grant.load.pause == {"threadsRunning": 48}
    assert grant.not_after == timestamp(NOW + DAY)
    assert names(room.enqueued, "RegionPeering") == ["p1"]
    assert names(room.enqueued, "SyncPolicy") == ["default"]


async def test_no_region_is_in_two_scans_and_who_waits_for_one_is_not_overtaken():
    room = Room(subject(1, ("a", "b")), subject(2, ("b", "c")), subject(3, ("c", "d")))
    for count in (1, 2, 3):
        await room.look(after_s=5)
        assert room.granted() == [("a", 2), ("b", 3), ("c", 4)][:count]
        region, scan, _ = room.agents.grants[-1]
        room.end(region, scan)


async def test_the_limit_of_the_fleet_holds():
    room = Room(subject(1, ("a", "b")), subject(2, ("c", "d")), limit=1)
    await room.look()
    assert len(room.agents.grants) == 1
    assert (room.counted[-1][1].running, room.counted[-1][1].waiting) == (1, 1)


async def test_what_an_agent_runs_for_a_peering_that_nobody_knows_keeps_its_region():
    room = Room(subject(1, ("a", "b")))
    room.agents.says("a", "stranger", "Running", peering_uid=uid(9))
    await room.look()
    assert room.agents.grants == []
    room.end("a", "stranger")
    await room.observer.ask([Key("Region", "clouds", "a")])
    await room.look(after_s=5)
    assert room.granted() == [("a", 2)]


async def test_nothing_is_granted_before_every_peering_was_looked_at_or_that_was_waited_for_long():
    room = Room(subject(1, ("a", "b")))
    unseen = {"regions": [{"name": "c"}, {"name": "d"}]}
    room.fleet.seen(entry_of(body("RegionPeering", "unseen", unseen)), "1")
    assert (await room.look()).seconds <= 5
    assert (room.agents.grants, room.reconciler.figures_of("clouds", "default")) == ([], None)
    await room.look(after_s=FIRST_PASSES_S)
    assert room.granted() == [("a", 2)]
    assert room.reconciler.figures_of("clouds", "default").running == 1


@pytest.mark.parametrize(
    "said",
    [
        {"hub": "another-hub"},
        {"features": ()},
    ],
)
async def test_an_agent_that_is_not_ours_or_offers_no_scans_is_neither_asked_nor_told(said):
    room = Room(subject(1, ("a", "b")))
    room.says["a"] = room.heard("a", **said)
    await room.look()
    assert (room.agents.asked, room.agents.grants) == ([], [])


async def test_an_agent_that_is_lost_is_not_waited_for_and_its_scan_keeps_its_place():
    room = Room(subject(1, ("a", "b")), subject(2, ("b", "c")))
    await room.look()
    first = room.granted()
    name = room.agents.grants[0][0]
    heard, room.says[name] = room.says[name], AgentFacts(name, status=Unknown("ProbeTimeout", "no answer"))
    room.agents.asked.clear()
    await room.look(after_s=30)
    assert name not in room.agents.asked
    assert room.granted() == first, "the region may still be scanned"
    room.says[name] = heard
    room.end(name, room.agents.grants[0][1])
    await room.look(after_s=30)
    assert len(room.granted()) == 2


async def test_an_operator_that_lost_the_lease_to_another_names_its_own_term_so_that_agents_refuse_it():
    room = Room(subject(1, ("a", "b")))
    room.says["a"] = room.heard("a", term=TERM + 1)
    await room.look()
    assert room.agents.grants[0][2].epoch < room.says["a"].last.claim.epoch


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Refused(reason="RegionBusy", message="held"), "RegionBusy"),
        (Unavailable(reason="ProbeTimeout", message="late"), "ProbeTimeout"),
    ],
)
async def test_a_grant_that_was_not_taken_is_tried_again_under_its_name_with_growing_rests(fault, reason):
    room = Room(subject(1, ("a", "b")))
    await room.observer.ask([Key("Region", "clouds", "a")])

    async def refuse(region, scan, grant):
        room.agents.grants.append((region, scan, grant))
        raise fault

    taken, room.agents.put_scan = room.agents.put_scan, refuse
    rests = []
    for _ in range(3):
        result = await room.look()
        rests.append(result.seconds)
        assert room.counted[-1][2] == {"granted": 0, "refused": [reason]}
        await room.look(after_s=result.seconds / 2)
        assert len(room.agents.grants) == len(rests)
        room.time.pass_by(result.seconds / 2)
    assert rests == [30, 60, 120]
    room.agents.put_scan = taken
    await room.look()
    assert len({scan for _, scan, _ in room.agents.grants}) == 1
    assert room.counted[-1][2] == {"granted": 1, "refused": []}


async def test_a_scan_that_is_not_wanted_any_more_is_aborted():
    room = Room(subject(1, ("a", "b")))
    await room.look()
    scan = room.agents.grants[0][1]
    room.join(subject(1, ("a", "b"), terms=terms(mode="Disabled"), startable=False, unwanted=True))
    await room.look(after_s=5)
    assert room.agents.aborted == [("a", scan)]
    await room.look(after_s=5)
    assert len(room.agents.aborted) == 1
    assert len(room.agents.grants) == 1


async def test_an_interrupted_scan_goes_on_under_its_name_until_a_later_time():
    room = Room(subject(1, ("a", "b")))
    await room.look()
    first = room.agents.grants[0]
    room.agents.scans["a"][first[1]] = room.agents.scans["a"][first[1]].model_copy(update={"state": "Interrupted"})
    await room.look(after_s=DAY.total_seconds())
    again = room.agents.grants[1]
    assert again[1] == first[1]
    assert again[2].not_after > first[2].not_after


@pytest.mark.rule("OPERATOR 12")
async def test_agents_are_asked_while_they_run_something_and_rest_then_until_the_next_slot():
    room = Room(subject(1, ("a", "b")))
    assert (await room.look()).seconds == 5
    assert room.agents.asked == ["a"]
    await room.look(after_s=5)
    room.end("a", room.agents.grants[0][1])
    result = await room.look(after_s=5)
    assert room.agents.asked == ["a"] * 3
    assert result.seconds == pytest.approx(12 * 3600 - 10)  # midnight
    room.enqueued.clear()
    await room.look(after_s=60)
    assert (room.agents.asked, room.enqueued) == (["a"] * 3, [])


async def test_an_agent_that_answers_but_not_this_question_is_asked_again():
    room = Room(subject(1, ("a", "b")))
    room.agents.fault["a"] = Unavailable(reason="AgentError", message="database away")
    assert (await room.look()).seconds == 30
    assert room.agents.grants == []
    del room.agents.fault["a"]
    await room.look(after_s=30)
    assert room.granted() == [("a", 2)]


async def test_a_fleet_without_peerings_rests():
    assert isinstance(await Room().look(), Done)


async def test_what_is_remembered_of_an_agent_goes_with_its_last_peering():
    room = Room(subject(1, ("a", "b")))
    await room.look()
    room.subjects.withdraw(Key("RegionPeering", "clouds", "p1"))
    room.fleet.gone(Key("RegionPeering", "clouds", "p1"))
    await room.look()
    assert not room.observer.facts(Key("Region", "clouds", "a"), uid(1)).heard


def test_news_of_a_peering_is_told_once():
    subjects, key, one = Subjects(), Key("RegionPeering", "clouds", "p1"), subject(1)
    assert [subjects.publish(key, one), subjects.publish(key, one)] == [True, False]
    assert (subjects.publish(key, None), subjects.of("clouds")) == (True, [])
    assert subjects.are_complete("clouds", ["p1"])
    assert [subjects.withdraw(key), subjects.withdraw(key)] == [True, False]
    assert not subjects.are_complete("clouds", ["p1"])
