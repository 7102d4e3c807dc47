"""The conditions of a Region while it comes up, lives, and when a step of its plan fails."""

import pytest

from region_operator.api.reasons import REGION
from region_operator.controller.facts import (
    AgentFacts,
    Invalid,
)
from region_operator.controller.outcome import Failure, Outcome
from region_operator.controller.plan import steps
from unit.controller.plan.regions import SPECS
from unit.controller.status.regions import LOST, Life

NEGATIVE = {"Reconciling", "Stalled", "Paused", "DeletionBlocked"}


@pytest.mark.parametrize("name", [name for name in SPECS if name != "no-admin"])
def test_a_region_that_came_up_is_ready_and_says_nothing_else(name):
    life = Life.ready(name)

    assert life.verdict("Ready") == ("True", "Ready")
    wrong = {
        item.type: (item.status, item.reason, item.message)
        for item in life.region.status.conditions
        if item.status != ("False" if item.type in NEGATIVE else "True")
    }
    assert wrong == {}
    assert life.verdict("Reconciling") == ("False", "Idle")


def test_all_conditions_are_there_from_the_first_pass_on():
    life = Life.of()
    first = life.run()

    assert tuple(item.type for item in first.status.conditions) == tuple(REGION)
    assert first.status.observed_generation == 1
    assert life.verdict("Ready")[0] == "False"
    assert life.verdict("Reconciling") == ("True", "Progressing")


def test_a_region_comes_up_part_by_part():
    life = Life.of()
    life.settle()

    reasons = list(dict.fromkeys(next(c.reason for c in r.status.conditions if c.type == "Ready") for r in life.seen))
    assert reasons[-1] == "Ready"
    assert reasons[0] == "NotClaimed"
    assert reasons.index("DatabaseNotReady") < reasons.index("AgentNotReady")


def test_ready_needs_the_document_of_this_generation():
    life = Life.ready()
    life.edit(deletionProtection=True)

    life.run()
    assert life.verdict("AgentReady") == ("False", "ConfigurationPending")
    assert life.verdict("Ready") == ("False", "AgentNotReady")
    assert life.region.status.observed_generation == 2

    life.settle()
    assert life.verdict("Ready") == ("True", "Ready")


def test_ready_is_not_said_in_a_pass_that_still_changed_something():
    life = Life.ready()
    life.edit(deletionProtection=True)
    life.run()
    seen, plan = life.world.look(), life.world.plan()

    life.judge(seen, plan, Outcome(changed=1))
    assert life.verdict("Ready") == ("False", "Progressing")
    life.judge(seen, plan, Outcome())
    assert life.verdict("Ready") == ("True", "Ready")
    life.judge(seen, plan, Outcome(changed=1))
    assert life.verdict("Ready") == ("True", "Ready"), "a repair of what is ready already is no news"


def failure(stage: str, reason: str, *, unknown: bool = False, stalled: bool = False) -> Failure:
    manifest = {"kind": "Deployment", "metadata": {"namespace": "clouds", "name": "minimal-management"}}
    return Failure(stage, steps.Apply(manifest), reason, "the words of the server", stalled, unknown)


@pytest.mark.parametrize(
    ("failed", "type_", "verdict"),
    [
        (failure("database", "NameCollision", stalled=True), "Claimed", ("False", "NameCollision")),
        (failure("database", "NameCollision", stalled=True), "Stalled", ("True", "NameCollision")),
        (failure("database", "RefusedByKubernetes"), "DatabaseReady", ("False", "InvalidInput")),
        (failure("workloads", "RefusedByKubernetes"), "ManagementServerReady", ("False", "InvalidInput")),
        (failure("certificates", "NotIssued"), "CertificatesReady", ("False", "NotIssued")),
        (failure("database", "NamespaceMissing"), "PlacementReachable", ("False", "NamespaceNotFound")),
        (failure("database", "NamespaceTerminating"), "PlacementReachable", ("False", "NamespaceTerminating")),
        (failure("database", "Forbidden", unknown=True), "PlacementReachable", ("False", "Forbidden")),
        (failure("database", "ProbeTimeout", unknown=True), "PlacementReachable", ("Unknown", "ProbeTimeout")),
        (failure("database", "ServerError", unknown=True), "PlacementReachable", ("Unknown", "Unreachable")),
        (failure("database", "ProbeTimeout", unknown=True), "Ready", ("Unknown", "PlacementUnreachable")),
        (failure("database", "Conflict"), "Ready", ("True", "Ready")),
        (failure("database", "NotLeader"), "Ready", ("True", "Ready")),
    ],
)
def test_a_step_that_failed_is_told_where_it_belongs(failed, type_, verdict):
    life = Life.ready()

    life.run(failure=failed)

    assert life.verdict(type_) == verdict
    if verdict[1] != "Ready" and type_ not in ("Stalled", "Ready"):
        assert "the words of the server" in life.condition(type_).message


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        ("2027-06-01T00:00:00Z", ("True", "Valid")),
        ("2027-10-01T00:00:00Z", ("False", "Expiring")),
        ("2028-01-01T00:00:00Z", ("False", "Expired")),
    ],
)
def test_a_certificate_that_is_not_renewed_is_told_long_before_it_ends(now, verdict):
    life = Life.ready()
    life.world.changes |= {"now": now}

    life.judge(life.world.look(), steps.RegionPlan(), Outcome())

    assert life.verdict("CertificatesReady") == verdict
    assert life.region.status.certificates.not_after.startswith("2027-11-")


def test_a_rotation_of_the_fleets_authority_is_told_and_harms_nothing():
    life = Life.ready()
    ca = life.world.objects[("hub", "Secret", "region-operator-ca")]
    ca["metadata"].setdefault("annotations", {})["region-operator.io/rotate-ca"] = "now"
    life.run()
    life.run(act=False)

    assert life.verdict("CertificatesReady") == ("True", "Rotating")
    assert life.region.status.certificates.rotation == "Distributing"


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (None, ("False", "PolicyNotFound")),
        (Invalid("UnknownEntity", "no entity x"), ("False", "PolicyNotAccepted")),
        (LOST, ("Unknown", "NotObserved")),
    ],
)
def test_a_policy_that_cannot_be_used_is_told_while_its_last_rules_stay(policy, verdict):
    life = Life.ready()
    life.edit(policyRef={"name": "strict"})
    life.settle()
    last = life.world.agent
    agent = AgentFacts("https://a", status=last, last=last, rules_in_force=life.world.look().policy.rules)
    life.world.changes |= {"policy": policy, "agent": agent}

    life.run(act=False)

    assert life.verdict("ReferencesResolved") == verdict
    assert "strict" in life.condition("ReferencesResolved").message


@pytest.mark.rule("OPERATOR 23")
def test_pausing_changes_no_part_and_ready_waits_for_the_end_of_it():
    life = Life.ready()
    parts = {item.type: item.reason for item in life.region.status.conditions}
    life.edit(paused=True)

    life.run()

    assert life.verdict("Paused") == ("True", "PausedBySpec")
    assert life.verdict("Ready") == ("False", "Paused"), "this generation is not acted on"
    assert life.verdict("Reconciling") == ("False", "Paused")
    changed = {item.type for item in life.region.status.conditions if item.reason != parts[item.type]}
    assert changed == {"Paused", "Ready", "Reconciling"}

    life.edit(paused=False)
    life.settle()
    assert life.verdict("Ready") == ("True", "Ready")
