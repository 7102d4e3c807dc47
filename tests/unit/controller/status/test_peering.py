"""Every condition of a RegionPeering."""

from dataclasses import replace

import pytest

from region_operator.api.agent import EntityStatus
from region_operator.api.reasons import REGION_PEERING
from region_operator.controller.facts import Invalid, LinkPolicyFacts, Unknown
from unit.controller.status.peerings import UID, Watch, aged, agent, both, broken, joined, link, peering, side


def test_both_wired_and_caught_up_is_ready_for_good():
    watch = joined()
    assert watch.verdict("Ready") == ("True", "Ready")
    assert watch.verdict("Wired") == ("True", "Wired")
    assert watch.verdict("JoinCompleted") == ("True", "Completed")
    assert watch.verdict("InSync") == ("True", "WithinObjective")
    assert watch.verdict("Reconciling") == ("False", "Idle")
    assert watch.status.join.stage == "InSync"
    assert watch.status.join.for_uid == UID
    assert tuple(item.type for item in watch.status.conditions) == tuple(REGION_PEERING)


def test_a_partition_lag_and_conflicts_do_not_move_ready():
    watch = joined()
    for facts in (
        both(broken(2, 60), broken(1, 60)),
        both(link(2, lag_ms=999_000), link(1, lag_ms=999_000)),
        both(link(2, open_conflicts=3, parked=9), link(1)),
        aged(peering(), 60, silent=True),
    ):
        watch.look(facts)
        watch.look(facts)
        assert watch.verdict("Ready") == ("True", "Ready")


def test_a_new_object_of_the_same_name_joins_anew():
    watch = joined()
    other = replace(both(link(2, peering_uid="new"), link(1, peering_uid="new")), uid="new")
    watch.look(other)
    assert watch.verdict("JoinCompleted") == ("False", "NotStarted")


def test_the_join_is_not_done_before_both_have_caught_up():
    watch = Watch()
    watch.look(both(link(2, state="CatchingUp"), link(1)))
    assert watch.verdict("JoinCompleted") == ("False", "CatchingUp")
    assert watch.verdict("Ready") == ("False", "Joining")
    assert watch.verdict("InSync") == ("False", "CatchingUp")


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (None, ("False", "PolicyNotFound")),
        (Invalid("InvalidInput", "spec.lag"), ("False", "PolicyNotAccepted")),
        (Unknown("ProbeTimeout", "no answer"), ("Unknown", "NotObserved")),
    ],
)
def test_a_policy_that_cannot_be_used(policy, verdict):
    watch = Watch()
    watch.look(peering(policy=policy))
    assert watch.verdict("ReferencesResolved") == verdict


@pytest.mark.rule("OPERATOR 7")
def test_different_rules_are_told_and_stop_nothing():
    watch = Watch()
    watch.look(peering(side(1, agent(1, link(2), rules_hash="sha256:other"))))
    assert watch.verdict("PolicyAgreed") == ("False", "PolicyMismatch")
    assert watch.verdict("Ready") == ("True", "Ready")


def test_different_schemas_are_told():
    watch = Watch()
    watch.look(peering(side(1, agent(1, link(2), schema_version=9))))
    assert watch.verdict("SchemaCompatible") == ("False", "SchemaSkew")


def test_an_entity_that_a_side_cannot_exchange_is_told_with_what_to_do():
    watch = joined()
    here = EntityStatus(entity="template", reason="ColumnMissing", message="no column hvm")
    there = EntityStatus(entity="template", reason="TableMissing", message="no table")
    forged = EntityStatus(entity="x; y", reason="TableMissing", message="m")
    watch.look(
        peering(
            side(1, agent(1, link(2), entities=[here, forged])),
            side(2, agent(2, link(1), entities=[there])),
        )
    )
    assert watch.verdict("SchemaCompatible") == ("False", "SchemaSkew")
    assert watch.verdict("Ready") == ("True", "Ready")
    (skew,) = watch.status.schema_skew
    assert (skew.entity, skew.reason) == ("template", "ColumnMissing")
    assert "no column hvm" in skew.message
    assert "no table" in skew.message


def test_lag_over_the_objective_is_told_after_two_looks_and_taken_back_at_half():
    watch = joined()
    late = both(link(2, lag_ms=61_000), link(1))
    watch.look(late)
    assert watch.verdict("InSync") == ("True", "WithinObjective")
    watch.look(late)
    assert watch.verdict("InSync") == ("False", "LagExceeded")
    watch.look(both(link(2, lag_ms=40_000), link(1)))
    assert watch.verdict("InSync") == ("False", "LagExceeded")
    watch.look(both(link(2, lag_ms=30_000), link(1)))
    assert watch.verdict("InSync") == ("True", "WithinObjective")


def test_lag_of_a_link_that_is_held_back_by_its_limit_names_the_limit():
    watch, limits = joined(), LinkPolicyFacts(max_kilobytes_per_second=64)
    for lag_ms in (61_000, 61_000, 40_000):
        watch.look(both(link(2, lag_ms=lag_ms, throttled=True), link(1), policy=limits))
    assert watch.verdict("InSync") == ("False", "Throttled")
    assert "b -> a may take 64 kB a second (SyncPolicy spec.link" in watch.condition("InSync").message
    watch.look(both(link(2, lag_ms=40_000), link(1), policy=limits))
    assert watch.verdict("InSync") == ("False", "LagExceeded"), "the limit is not what it waits for now"
    watch.look(both(link(2, lag_ms=30_000, throttled=True), link(1), policy=limits))
    assert watch.verdict("InSync") == ("True", "WithinObjective")


@pytest.mark.parametrize("type_", ["PolicyAgreed", "SchemaCompatible", "ConflictFree", "InSync"])
def test_what_an_agent_said_long_ago_proves_nothing(type_):
    watch = joined()
    watch.look(aged(peering(), 91, silent=True))
    assert watch.verdict(type_) == ("Unknown", "EvidenceStale")


def test_conflicts_count_once_and_held_back_rows_on_each_side():
    watch = joined()
    watch.look(both(link(2, open_conflicts=3, parked=1), link(1, open_conflicts=3, parked=2, unique_clashes=1)))
    assert watch.verdict("ConflictFree") == ("False", "ConflictsOpen")
    assert watch.status.conflicts.wire() == {"open": 3, "parked": 3, "deadLettered": 0, "uniqueClashes": 1}
    watch.look(both(link(2, parked=1234), link(1)))
    assert watch.verdict("ConflictFree") == ("False", "ChangesParked")
    assert watch.status.conflicts.parked == 1200


def test_a_row_that_waits_for_a_moment_is_no_trouble():
    watch = joined()
    watch.look(both(link(2, parked=5), link(1)))
    assert watch.verdict("ConflictFree") == ("True", "NoOpenConflicts")
    watch.look(both(link(2, parked=5), link(1)))
    assert watch.verdict("ConflictFree") == ("False", "ChangesParked")


def test_a_suspended_peering_is_ready_and_not_partitioned():
    watch = joined()
    rest = {"state": "Suspended", "reason": "Suspended", "good_age_ms": None, "lag_ms": None}
    watch.look(both(link(2, **rest), link(1, **rest), mode="Suspended"))
    assert watch.verdict("Ready") == ("True", "Ready")
    assert watch.verdict("Partitioned") == ("False", "Suspended")
    assert watch.verdict("InSync") == ("False", "Suspended")
    assert watch.status.mode == "Suspended"


def test_a_peering_that_is_deleted_drains():
    watch = joined()
    watch.look(peering(deleting=True))
    assert watch.verdict("Ready") == ("False", "Deleting")
    assert watch.verdict("DeletionBlocked") == ("True", "Draining")
    assert watch.status.join.stage == "Draining"
    sides = [side(number, agent(number, link(3 - number, unwiring=True))) for number in (1, 2)]
    watch.look(peering(*sides, deleting=True))
    assert watch.verdict("DeletionBlocked") == ("True", "Unwiring")
    assert watch.status.join.stage == "Unwiring"
    watch.look(peering(deleting=True, deleting_age_s=600))
    assert watch.verdict("DeletionBlocked") == ("False", "NotBlocked")


def test_a_token_of_any_length_is_echoed():
    assert Watch().look(peering(), reconcile_token="t" * 999).last_handled_reconcile_at == "t" * 256


@pytest.mark.parametrize("reached", ["Copying", "CatchingUp"])
def test_a_join_does_not_go_back_to_its_beginning_while_an_agent_starts_anew_or_a_way_is_cut(reached):
    watch = Watch()
    watch.look(both(link(2, state="Connecting"), link(1, state="Connecting")))
    assert watch.status.join.stage == "Wired"
    watch.look(both(link(2, state=reached), link(1, state=reached)))
    for nothing_is_told in (
        both(link(2, state="Connecting"), link(1, state="Connecting")),
        both(broken(2, 40.0), broken(1, 40.0)),
        aged(both(link(2, state="Connecting"), link(1)), 600.0, silent=True),
    ):
        watch.look(nothing_is_told)
        assert watch.status.join.stage == reached
    watch.look(both(link(2), link(1)))
    assert watch.status.join.stage == "InSync"
