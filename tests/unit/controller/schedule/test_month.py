"""A month of a fleet: agents that fail, hang, restart and forget, an operator that is away now and then.

What the schedule is given is what agents say; after the month every promise is checked on what was run.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from region_operator.api.conditions import timestamp
from region_operator.api.scans import ScanReport
from region_operator.controller.schedule.starts import Case, starts
from region_operator.controller.schedule.times import latest_slot, open_until
from region_operator.controller.schedule.wants import scan_id, under_way
from unit.controller.schedule.subjects import subject, terms, uid

START = datetime(2026, 10, 10, tzinfo=UTC)  # Berlin's clocks change on the 25th
STEP = timedelta(minutes=15)
LIMIT = 3
POLICIES = {
    "nightly": terms(windows=[{"start": "22:00", "end": "05:00"}], timeZone="Europe/Berlin", jitterPercent=10),
    "cron": terms(cron="0 */8 * * *", timeZone="Asia/Kathmandu", jitterPercent=20, maxConcurrent=1),
    "often": terms(intervalSeconds=21_600, jitterPercent=50, maxConcurrent=1),
}


@dataclass
class Agents:
    """What the coordinators run: each scan for some minutes; some are interrupted on the way, some end badly."""

    chance: random.Random
    reports: dict[str, list[ScanReport]] = field(default_factory=dict)
    ends: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    not_after: dict[str, datetime] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)
    served: dict[str, list[datetime]] = field(default_factory=dict)

    def put(self, start, now):
        known = self.reports.setdefault(start.subject.uid, [])
        before = next((report for report in known if report.id == start.scan), None)
        assert before is None or before.state == "Interrupted", "a scan that has ended is not started once more"
        self.begun[start.scan] += before is None
        self.not_after[start.scan] = start.not_after
        result = self.chance.choices(["Clean", "Repaired", "SkippedHighLoad", "Failed", "cut"], [70, 10, 5, 5, 10])[0]
        minutes = 0 if result == "SkippedHighLoad" else self.chance.randint(5, 60)
        self.ends[start.scan] = (now + timedelta(minutes=minutes), result)
        running = ScanReport(
            id=start.scan,
            peering_uid=start.subject.uid,
            state="Running",
            verify="Content",
            started_at=before.started_at if before else timestamp(now),
        )
        self._replace(start.subject.uid, running)
        self.served.setdefault(start.subject.uid, []).append(now)

    def on(self, now):
        for peering, known in self.reports.items():
            running = under_way(known)
            if running is None:
                continue
            ends, result = self.ends[running.id]
            if now >= self.not_after[running.id] or (now >= ends and result == "cut"):
                self._replace(peering, running.model_copy(update={"state": "Interrupted"}))
            elif now >= ends:
                ended = {"state": "Ended", "result": result, "ended_at": timestamp(ends)}
                self._replace(peering, running.model_copy(update=ended))

    def _replace(self, peering, report):
        others = [one for one in self.reports.get(peering, []) if one.id != report.id]
        self.reports[peering] = [*others, report][-16:]


def fleet():
    """A ring of six regions, a hub with four spokes, and a pair apart."""
    ring = [(f"r{n}", f"r{(n + 1) % 6}") for n in range(6)]
    star = [("hub", f"s{n}") for n in range(4)]
    pairs = [*ring, *star, ("x", "y")]
    names = sorted(POLICIES)
    return [
        subject(number, regions, policy=names[number % 3], terms=POLICIES[names[number % 3]])
        for number, regions in enumerate(pairs)
    ]


def live(seed, *, days=31):
    """Run it; yields after every look at the fleet by the operator."""
    chance = random.Random(seed)
    agents, subjects, now, away_until = Agents(chance), fleet(), START, START
    while now < START + timedelta(days=days):
        agents.on(now)
        if chance.random() < 0.002:
            away_until = now + timedelta(minutes=chance.randint(10, 600))
        if now >= away_until:
            known = {one.uid for one in subjects if chance.random() > 0.02}  # the others do not answer just now
            cases = [Case(one, tuple(agents.reports.get(one.uid, ())), one.uid in known) for one in subjects]
            for start in starts(cases, limit=LIMIT, now=now):
                agents.put(start, now)
            yield now, agents, subjects
        now += STEP


@pytest.mark.rule("OPERATOR 18")
def test_in_a_month_no_limit_is_exceeded_no_scan_begins_twice_and_nobody_starves():
    for now, agents, subjects in live(1):
        running = [one for one in subjects if under_way(agents.reports.get(one.uid, ()))]
        assert len(running) <= LIMIT
        touched = Counter(name for one in running for name in one.regions)
        assert not touched or max(touched.values()) == 1
        for policy, count in Counter(one.policy for one in running).items():
            assert count <= POLICIES[policy].max_concurrent
        assert all(open_until(one.terms, now) is not None for one in running)
    assert set(agents.begun.values()) == {1}
    for one in subjects:
        gaps = [later - earlier for earlier, later in pairwise(agents.served[one.uid])]
        assert max(gaps) < timedelta(days=3), one.name


def test_two_operators_that_look_at_the_same_agents_decide_alike():
    seen = []
    for _ in range(2):
        *_, (_, agents, _) = live(7, days=4)
        seen.append({peering: [report.id for report in known] for peering, known in agents.reports.items()})
    assert seen[0] == seen[1]


def test_a_slot_that_came_due_while_the_operator_was_away_is_served_when_it_is_back():
    alone, back = subject(terms=terms(jitterPercent=10)), START + timedelta(hours=20)
    (start,) = starts([Case(alone)], limit=LIMIT, now=back)
    assert start.scan == scan_id(uid(1), latest_slot(alone.terms, uid(1), back).name)
