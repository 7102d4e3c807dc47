"""Every condition of a Region, from a Region that lives."""

import pytest

from region_operator.api.agent import ManagementStatus
from region_operator.api.reasons import REGION
from region_operator.controller.facts import (
    AgentFacts,
    Children,
    Invalid,
    NamespaceFacts,
    PlacementFacts,
    Unknown,
)
from region_operator.controller.outcome import Failure, Outcome
from region_operator.controller.plan import steps
from unit.controller.plan.regions import SPECS
from unit.controller.status.regions import HEALTHY, LOST, Life, lost_cluster, silent_agent

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


@pytest.mark.parametrize("age_s", [0.0, 30.0, 90.0])
def test_an_agent_that_is_silent_for_a_moment_does_not_move_ready(age_s):
    life = Life.ready()
    before = life.region.status.conditions
    silent_agent(life, age_s=age_s)

    life.run(act=False)

    assert life.region.status.conditions == before


def test_an_agent_that_stays_silent_makes_ready_unknown_and_keeps_what_was_known():
    life = Life.ready()
    known = life.region.status.agent
    silent_agent(life, age_s=91)

    life.run(act=False)

    assert life.verdict("AgentReady") == ("Unknown", "ProbeTimeout")
    assert life.verdict("Registered") == ("Unknown", "AgentUnreachable")
    assert life.verdict("HistoryIntact") == ("Unknown", "AgentUnreachable")
    assert life.verdict("Ready") == ("Unknown", "AgentUnreachable")
    assert life.verdict("DatabaseReady") == ("True", "Ready"), "the cluster says so"
    assert life.region.status.agent == known


def test_the_external_database_of_a_silent_agent_is_unknown():
    life = Life.ready("external-database")
    silent_agent(life, age_s=91)

    life.run(act=False)

    assert life.verdict("DatabaseReady") == ("Unknown", "AgentUnreachable")


def test_a_lost_cluster_makes_ready_unknown_and_erases_nothing():
    life = Life.ready("other-cluster")
    before = life.region.status
    lost_cluster(life)

    life.run(act=False)

    after = life.region.status
    assert life.verdict("PlacementReachable") == ("Unknown", "ProbeTimeout")
    for part in ("Claimed", "DatabaseReady", "ManagementServerReady", "CertificatesReady"):
        assert life.verdict(part) == ("Unknown", "PlacementUnreachable"), part
    assert life.verdict("Ready") == ("Unknown", "PlacementUnreachable")
    assert after.claim == before.claim is not None
    assert after.placement == before.placement is not None
    assert (after.database, after.management_server, after.retained) == (
        before.database,
        before.management_server,
        before.retained,
    )
    assert after.observed_generation == life.region.metadata.generation


def test_a_lost_cluster_that_changes_nothing_is_told_once():
    life = Life.ready("other-cluster")
    lost_cluster(life)
    first = life.run(act=False).status
    assert life.run(act=False).status == first


def test_being_forbidden_to_look_is_an_answer():
    life = Life.ready()
    life.world.changes |= {"children": Unknown("Forbidden", "list secrets: 403")}

    life.run(act=False)

    assert life.verdict("PlacementReachable") == ("False", "Forbidden")
    assert life.verdict("Ready") == ("False", "PlacementNotReachable")


@pytest.mark.parametrize(
    ("place", "verdict", "stalled"),
    [
        (
            PlacementFacts(cluster="c", namespace=NamespaceFacts("placed", consent=())),
            ("False", "PlacementNotPermitted"),
            ("True", "PlacementNotPermitted"),
        ),
        (PlacementFacts(cluster="c", namespace=None), ("False", "NamespaceNotFound"), ("False", "NotStalled")),
        (
            PlacementFacts(cluster=Invalid("KubeconfigRefused", "exec"), namespace=LOST),
            ("False", "KubeconfigRefused"),
            ("True", "KubeconfigRefused"),
        ),
        (
            PlacementFacts(cluster=Invalid("SecretNotFound", "Secret far"), namespace=LOST),
            ("Unknown", "NotObserved"),
            ("False", "NotStalled"),
        ),
    ],
)
def test_a_placement_that_cannot_be_used(place, verdict, stalled):
    life = Life.of("other-namespace")
    life.world.changes |= {"placement": place, "children": Children()}

    life.run(act=False)

    assert life.verdict("PlacementReachable") == verdict
    assert life.verdict("Stalled") == stalled
    assert life.verdict("Ready")[0] == "False"
    assert life.region.status.placement is None


def test_the_cluster_is_noted_when_the_claim_is_ours_and_never_changed():
    life = Life.ready()
    assert life.region.status.placement.wire() == {"cluster": "cluster-uid", "namespace": "clouds"}
    life.world.changes |= {"placement": PlacementFacts(cluster="another", namespace=NamespaceFacts("clouds"))}

    life.run(act=False)

    assert life.verdict("PlacementReachable") == ("False", "ClusterChanged")
    assert life.region.status.placement.cluster == "cluster-uid"
    assert life.verdict("Reconciling") == ("False", "Waiting")


def test_a_region_that_another_hub_commands_is_stalled():
    life = Life.of()
    life.run()
    life.world.objects[("placement", "ConfigMap", "minimal-claim")]["data"]["hub"] = "other-hub"

    life.run()

    assert life.verdict("Claimed") == ("False", "ClaimedByAnotherHub")
    assert life.verdict("Stalled") == ("True", "ClaimedByAnotherHub")
    assert life.verdict("Ready") == ("False", "Stalled")
    assert life.region.status.claim.hub == "other-hub"


def test_a_claim_that_the_agent_refuses_is_stalled_too():
    life = Life.ready()
    life.edit(deletionProtection=True)
    push = next(step for step in life.world.plan().acts if isinstance(step, steps.PushConfiguration))
    refused = Failure("configuration", push, "ClaimedByAnotherHub", "hub other commands it")

    life.run(failure=refused)

    assert life.verdict("Claimed") == ("False", "ClaimedByAnotherHub")
    assert life.verdict("Stalled") == ("True", "ClaimedByAnotherHub")
    assert life.region.status.agent.configuration.state == "Refused"


def test_a_document_that_the_agent_refuses_waits_for_somebody():
    life = Life.ready()
    life.edit(deletionProtection=True)
    refusal = Invalid("RuleNotApplicable", "/rules/0: no order on this field")
    last = life.world.agent
    life.world.changes |= {"agent": AgentFacts("https://a", status=last, last=last, refusal=refusal)}

    life.run(act=False)

    assert life.verdict("AgentReady") == ("False", "ConfigurationRefused")
    assert "RuleNotApplicable" in life.condition("AgentReady").message
    assert life.region.status.agent.configuration.state == "Refused"
    assert life.verdict("Stalled") == ("False", "NotStalled")


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
    ("message", "reason"),
    [("Access denied for user 'agent_a'", "CredentialsRejected"), ("no route to host", "ConnectionFailed")],
)
def test_an_agent_that_does_not_reach_its_database_says_so(message, reason):
    life = Life.ready("external-database")
    life.agent(database_reachable=False, database_message=message)

    life.run()

    assert life.verdict("DatabaseReady") == ("False", reason)
    assert life.condition("DatabaseReady").message == message


def test_without_an_admin_the_sql_is_shown_until_it_was_run():
    life = Life.of("no-admin")
    for _ in range(8):
        life.run()
        life.world.start()
    life.agent(schema_version=0)
    life.run()

    assert life.verdict("DatabaseReady") == ("False", "GrantsRequired")
    sql = life.region.status.database.required_grants
    assert "CREATE USER IF NOT EXISTS 'region_7_prepare'@'%'" in sql
    assert "`cloud`.*" in sql

    life.agent(schema_version=1, management=HEALTHY)
    life.settle()
    assert life.verdict("DatabaseReady") == ("True", "ExternalReady")
    assert life.region.status.database.required_grants == ""
    assert life.verdict("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    ("management", "servers", "registered"),
    [
        (ManagementStatus(), ("Unknown", "NotObserved"), ("Unknown", "NotObserved")),
        (
            ManagementStatus(reachable=False, reason="AuthFailed", message="401"),
            ("False", "CredentialsRejected"),
            ("Unknown", "ManagementServerUnreachable"),
        ),
        (
            ManagementStatus(reachable=False, reason="ProbeTimeout", message="no answer"),
            ("False", "ConnectionFailed"),
            ("Unknown", "ManagementServerUnreachable"),
        ),
        (
            ManagementStatus(reachable=True, own_region_listed=False),
            ("True", "ExternalReady"),
            ("False", "NotRegistered"),
        ),
        (HEALTHY, ("True", "ExternalReady"), ("True", "Registered")),
    ],
)
def test_what_the_agent_finds_at_an_external_management_server(management, servers, registered):
    life = Life.ready("external-server")
    life.agent(management=management)

    life.run()

    assert life.verdict("ManagementServerReady") == servers
    assert life.verdict("Registered") == registered


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"region_id": 9}, "WrongRegion"),
        ({"api_versions": ["v7"]}, "VersionSkew"),
        ({"sources": []}, "ConfigurationPending"),
    ],
)
def test_an_agent_that_is_not_the_one_we_need(said, reason):
    life = Life.ready()
    life.agent(**said)

    life.run(act=False)

    assert life.verdict("AgentReady") == ("False", reason)
    assert life.verdict("Ready") == ("False", "AgentNotReady")


@pytest.mark.parametrize(
    ("history", "verdict", "ready"),
    [
        ("Continuous", ("True", "Continuous"), "True"),
        ("Restored", ("True", "Restored"), "True"),
        ("ForgedVersion", ("False", "ForgedVersion"), "False"),
    ],
)
def test_only_a_forged_history_keeps_a_region_from_being_ready(history, verdict, ready):
    life = Life.ready()
    life.agent(history_intact=history)

    life.run()

    assert life.verdict("HistoryIntact") == verdict
    assert life.verdict("Ready")[0] == ready


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
