"""A status is written when it says something new (OPERATOR 12)."""

from dataclasses import replace

import pytest

from region_operator.api.conditions import Finding, set_conditions
from region_operator.api.peering_status import RegionPeeringStatus
from region_operator.controller.events import EventRecorder
from region_operator.controller.fleet import Fleet, entry_of
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.kubernetes import kinds
from region_operator.supervision.units import Key
from unit.controller.api_server import ApiServer
from unit.controller.status.peerings import NOW, Watch, aged, both, broken, link
from unit.supervision.fake_time import FakeTime

PATH = "/apis/region-operator.io/v1alpha1/namespaces/clouds/regionpeerings/p"
BODY = {
    "apiVersion": "region-operator.io/v1alpha1",
    "kind": "RegionPeering",
    "metadata": {"name": "p", "namespace": "clouds", "uid": "uid-p", "generation": 1},
    "spec": {"regions": [{"name": "a"}, {"name": "b"}]},
}
KEY = Key("RegionPeering", "clouds", "p")


class Desk:
    """The writer of one peering's status, and what it wrote."""

    def __init__(self) -> None:
        self.api, self.time, self.fleet = ApiServer(), FakeTime(), Fleet()
        self.api.put(PATH, BODY)
        hub = self.api.cluster()
        self.writer = StatusWriter(hub, self.fleet, EventRecorder(hub, instance="o", clock=self.time), clock=self.time)
        self.watch = Watch()
        self.stands = RegionPeeringStatus()

    async def look(self, facts, *, after_s: float = 10.0) -> float | None:
        """One evaluation, judged from what stands in the API."""
        self.time.pass_by(after_s)
        self.watch.status = self.stands
        after = self.watch.look(facts, after_s=after_s)
        body = self.api.objects[PATH]
        wait_s = await self.writer.publish(
            kinds.REGION_PEERING, body, before=self.stands, after=after, urgent=("observedGeneration", "join")
        )
        self.stands = RegionPeeringStatus.model_validate(self.api.objects[PATH].get("status", {}))
        return wait_s

    @property
    def writes(self) -> list[str]:
        return [call for call in self.api.writes if call.endswith("/status")]

    @property
    def events(self) -> list[str]:
        return [f"{o['type']} {o['reason']}" for p, o in self.api.objects.items() if "/events/" in p]


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    for _ in range(3):
        await desk.look(both(link(2), link(1)), after_s=40)
    desk.api.calls.clear()
    return desk


def busy(step: int):
    """Both directions under write load: every figure is another one at each look."""
    return both(
        link(2, lag_ms=step * 7919 % 50_000, pending_changes=step * 31, rtt_ms=step / 7, cursor=str(step)),
        link(1, lag_ms=step * 104_729 % 50_000, pending_changes=step * 17, cursor=str(step)),
    )


@pytest.mark.rule("OPERATOR 12")
async def test_under_constant_write_load_there_are_at_most_two_status_writes_a_minute(desk):
    for step in range(360):  # an hour
        await desk.look(busy(step))
    assert 60 <= len(desk.writes) <= 120


@pytest.mark.rule("OPERATOR 12")
async def test_while_buckets_are_equal_nothing_is_written_however_figures_move(desk):
    for step in range(360):
        facts = both(
            link(2, lag_ms=step % 999, pending_changes=step % 90, rtt_ms=step, cursor=str(step), contact_age_ms=step),
            link(1, lag_ms=step * 7 % 999, pending_changes=step % 7, cursor=str(step), good_age_ms=600_000 + step),
        )
        assert await desk.look(aged(facts, step % 30, silent=False)) is None
    assert desk.api.writes == []


@pytest.mark.rule("OPERATOR 12")
async def test_a_partition_that_lasts_is_written_once(desk):
    for step in range(60):
        await desk.look(both(broken(2, 31 + step * 10), broken(1, 31 + step * 10)))
    assert len(desk.writes) == 1
    assert desk.events.count("Warning ProbeTimeout") == 1


async def test_a_verdict_that_changed_does_not_wait_for_figures(desk):
    await desk.look(busy(1), after_s=1)
    assert await desk.look(busy(2), after_s=1) is not None
    written = len(desk.writes)

    assert await desk.look(both(link(2), broken(1, 31)), after_s=1) is None

    assert len(desk.writes) == written + 1
    assert "Warning AsymmetricPartition" in desk.events


async def test_figures_that_waited_are_written_in_the_end(desk):
    await desk.look(both(link(2, lag_ms=2000), link(1)), after_s=1)
    desk.api.calls.clear()
    wait_s = await desk.look(both(link(2, lag_ms=20_000), link(1)), after_s=1)
    assert wait_s == pytest.approx(29)
    assert desk.writes == []
    assert await desk.look(both(link(2, lag_ms=20_000), link(1)), after_s=wait_s) is None
    assert len(desk.writes) == 1


async def test_an_urgent_field_does_not_wait(desk):
    await desk.look(busy(1), after_s=1)
    desk.api.calls.clear()
    facts = replace(both(link(2), link(1)), generation=2, paused=True)
    assert await desk.look(facts, after_s=1) is None
    assert len(desk.writes) == 1


async def test_our_own_write_is_no_news_to_the_fleet(desk):
    desk.fleet.seen(entry_of(desk.api.objects[PATH]), "old")
    await desk.look(both(link(2), broken(1, 31)))
    version = desk.api.objects[PATH]["metadata"]["resourceVersion"]
    assert desk.fleet.seen(entry_of(desk.api.objects[PATH]), version) == set()
    assert desk.fleet.seen(entry_of(desk.api.objects[PATH]), "another") == {KEY}


async def test_an_object_that_is_gone_gets_no_status(desk):
    body = desk.api.objects.pop(PATH)
    before = desk.stands
    conditions = set_conditions(
        (), [Finding("Ready", "False", "Deleting", "m")], kind="RegionPeering", generation=1, now=NOW
    )
    after = before.model_copy(update={"conditions": conditions})
    assert await desk.writer.publish(kinds.REGION_PEERING, body, before=before, after=after) is None
    assert desk.events == ["Normal Ready"]


async def test_the_first_look_tells_only_what_is_wrong_or_ready():
    desk = Desk()
    await desk.look(both(link(2), link(1)))
    assert desk.events == ["Normal Ready"]
