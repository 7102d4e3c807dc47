"""What a RegionPeering of mode Plan says: who works it out, what was found, and for which generations."""

from dataclasses import replace
from typing import Any

import pytest

from region_operator.api.agent import LinkStatus, PlannedAmount, PlanReport
from region_operator.controller.facts import PeeringFacts
from region_operator.controller.plan import dry_run
from region_operator.controller.status.patience import look_again_s
from unit.controller.status.gitops import argo_health, kstatus
from unit.controller.status.peerings import Watch, agent, joined, link, peering, side

IDLE = {"state": "Suspended", "reason": "Suspended", "contact_age_ms": None, "good_age_ms": None, "registered": False}


def planned(told: PlanReport | None = None, *, first: LinkStatus | None = None, **more: Any) -> PeeringFacts:
    """Region a, of the lower id, tells ``told``."""
    own = first or link(2, **{**IDLE, "plan": told})
    return peering(side(1, agent(1, own)), side(2, agent(2, link(1, **IDLE))), mode="Plan", **more)


def report(facts: PeeringFacts, **more: Any) -> PlanReport:
    usual = {
        "token": dry_run.token(facts),
        "computed_at": "2026-11-22T03:00:00Z",
        "sent": PlannedAmount(rows=7, size=700),
        "received": PlannedAmount(rows=5, size=500),
        "equal": 100,
        "concurrent": 2,
        "unique_clashes": 3,
        "reused_keys": 1,
        "estimated_seconds": 9,
    }
    return PlanReport(**{**usual, **more})


def test_a_plan_is_told_and_the_peering_is_as_asked_for_though_nothing_is_wired() -> None:
    watch = Watch()
    watch.look(planned(report(planned())))
    found = watch.status.plan
    assert found is not None
    assert [(one.source, one.target, one.rows, one.bytes) for one in found.directions] == [
        ("a", "b", 7, 700),
        ("b", "a", 5, 500),
    ]
    assert (found.unique_clashes, found.concurrent, found.estimated_seconds) == (3, 2, 9)
    assert (found.computed_at, found.for_generations) == ("2026-11-22T03:00:00Z", (1, 1))
    assert watch.verdict("Ready") == ("True", "Planned")
    assert "KeyReused): 1" in watch.condition("Ready").message
    assert "equal on both sides: 100" in watch.condition("Ready").message
    assert watch.verdict("Wired") == ("False", "Planned")
    assert watch.verdict("JoinCompleted") == ("False", "NotStarted")
    assert watch.verdict("Partitioned") == watch.verdict("InSync") == ("False", "Suspended")
    assert watch.verdict("Reconciling") == ("False", "Idle")
    assert [direction.state for direction in watch.status.directions] == ["Suspended", "Suspended"]
    assert watch.status.join.started_at is None
    status = watch.status.wire()
    metadata = {"generation": 1}
    assert (kstatus(metadata, status), argo_health(metadata, status)) == ("Current", "Healthy")


def test_the_order_of_the_spec_may_be_another_than_that_of_the_ids() -> None:
    facts = planned(report(planned()))
    turned = replace(facts, regions=facts.regions[::-1], sides=facts.sides[::-1])
    own = replace(facts.sides[0].agent, last=agent(1, link(2, **{**IDLE, "plan": report(turned)})))
    turned = replace(turned, sides=(turned.sides[0], replace(turned.sides[1], agent=own)))
    watch = Watch()
    watch.look(turned)
    assert [(one.source, one.rows) for one in watch.status.plan.directions] == [("b", 5), ("a", 7)]


def test_until_it_is_worked_out_it_is_under_way_and_a_fault_is_told() -> None:
    watch = Watch()
    watch.look(planned(first=link(2, **{**IDLE, "state": "Connecting", "reason": "NotYetConnected"})))
    assert watch.verdict("Ready") == ("False", "Planning")
    assert watch.verdict("Reconciling") == ("True", "Progressing")
    assert "Region a" in watch.condition("Ready").message
    lost = link(2, **{**IDLE, "state": "Broken", "reason": "ProbeTimeout", "bad_age_ms": 9, "message": "no answer"})
    watch.look(planned(first=lost))
    assert watch.condition("Ready").message.endswith("no answer")


@pytest.mark.parametrize("change", ["generation", "token"])
def test_what_is_of_the_past_stays_with_its_generations_until_the_next_is_there(change: str) -> None:
    watch = Watch()
    old = report(planned())
    watch.look(planned(old))
    facts = planned(old, reconcile_token="now" if change == "token" else "")
    if change == "generation":
        facts = replace(facts, sides=(facts.sides[0], replace(facts.sides[1], generation=2)))
    watch.look(facts)
    assert watch.verdict("Ready") == ("False", "Planning")
    assert watch.status.plan.for_generations == (1, 1)


def test_guards_hold_for_a_dry_run_too() -> None:
    watch = Watch()
    facts = planned(report(planned()))
    other = facts.sides[1].agent.last.model_copy(update={"database_key_fingerprint": "sha256:other"})
    watch.look(replace(facts, sides=(facts.sides[0], side(2, other))))
    assert watch.verdict("Stalled") == ("True", "KeyMismatch")
    watch.look(replace(facts, generation=2))
    assert watch.verdict("Wired") == ("False", "ConfigurationPending")


def test_a_plan_that_becomes_active_joins_from_now_on_and_is_no_plan_any_more() -> None:
    watch = Watch()
    watch.look(planned(report(planned())))
    watch.look(peering(generation=1))
    assert watch.status.plan is None
    assert watch.status.join.started_at == "2026-11-22T03:00:20Z"
    assert watch.verdict("Ready") == ("True", "Ready")


def test_nobody_looks_again_at_a_plan_that_is_told() -> None:
    def again(facts: PeeringFacts) -> float | None:
        watch = joined()
        watch.look(facts)
        return look_again_s(facts, shown=watch.status, memory=watch.memory, poll_s=5)

    assert again(planned(report(planned()))) is None
    assert again(planned()) == 5
