"""A SyncPolicy's passes around a start of the operator."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from region_operator.controller.fleet import Fleet, entry_of
from region_operator.controller.reconcile.policy import PolicyReconciler
from region_operator.supervision.results import After
from region_operator.supervision.units import Key

KEY = Key("SyncPolicy", "clouds", "default")
START = datetime(2026, 1, 1, tzinfo=UTC)


def body(kind, name, spec, **more):
    meta = {"name": name, "namespace": "clouds", "uid": name, "generation": 1}
    return {"apiVersion": "region-operator.io/v1alpha1", "kind": kind, "metadata": meta, "spec": spec, **more}


def in_force():
    since = "2026-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "observedGeneration": 1}
    return {"observedGeneration": 1, "conditions": [{**ready, "lastTransitionTime": since}]}


class Room:
    """A policy that one Region uses, whose agent has not been heard."""

    def __init__(self, **status):
        self.now, self.published = START, []
        policy, fleet = body("SyncPolicy", "default", {}, **status), Fleet()
        region = {"id": 1, "policyRef": {"name": "default"}, "database": {"managed": {"storage": {"size": "1Gi"}}}}
        for item in (policy, body("Region", "eu", region)):
            fleet.seen(entry_of(item), "1")

        async def get(*_):
            return policy

        async def publish(_kind, _body, *, before, after, urgent):
            self.published.append(next(item.reason for item in after.conditions if item.type == "Ready"))

        agents = SimpleNamespace(facts=lambda _: SimpleNamespace(last=None, status=None))
        self.reconciler = PolicyReconciler(
            SimpleNamespace(get=get),
            fleet,
            agents,
            writer=SimpleNamespace(publish=publish),
            now=lambda: self.now,
            poll_s=5,
            scans_of=lambda *_: None,
        )


async def test_what_was_in_force_stays_so_until_the_agents_had_time_to_answer_a_new_operator():
    room = Room(status=in_force())
    assert isinstance(await room.reconciler.reconcile(KEY), After)
    assert room.published == []
    room.now += timedelta(seconds=31)
    await room.reconciler.reconcile(KEY)
    assert room.published == ["NotInForce"]


async def test_what_was_never_in_force_is_judged_at_once():
    room = Room()
    await room.reconciler.reconcile(KEY)
    assert room.published == ["NotInForce"]
