"""What is waited for is looked at less and less often, until it is something else."""

from region_operator.controller.plan.steps import Wait
from region_operator.controller.reconcile.rests import EDIT_REST_S, LONGEST_S, REST_S, Rests
from region_operator.supervision.units import Key

KEY, OTHER = Key("Region", "clouds", "a"), Key("Region", "clouds", "b")
STARTING = Wait("DatabaseReady", "Provisioning", "the database server is starting")
SILENT = Wait("AgentReady", "ProbeTimeout", "no answer", unknown=True)
MISSING = Wait("ReferencesResolved", "SecretNotFound", "create it")
STALLED = Wait("Claimed", "RegionIdClash", "delete one", stalled=True)


def test_a_rest_doubles_while_the_same_is_waited_for_and_has_an_end():
    rests = Rests()
    assert [rests.next_s(KEY, [STARTING]) for _ in range(6)] == [REST_S, 10, 20, 40, LONGEST_S, LONGEST_S]


def test_something_else_is_looked_at_soon_again():
    rests = Rests()
    assert [rests.next_s(KEY, [w]) for w in (STARTING, STARTING, SILENT, STARTING)] == [REST_S, 10, REST_S, REST_S]


def test_keys_rest_by_themselves():
    rests = Rests()
    rests.next_s(KEY, [STARTING])
    assert rests.next_s(OTHER, [STARTING]) == REST_S


def test_what_a_user_must_mend_takes_longer_and_what_is_stalled_waits_for_an_event():
    rests = Rests()
    assert rests.next_s(KEY, [MISSING]) == EDIT_REST_S
    assert rests.next_s(KEY, [MISSING, STARTING]) == REST_S
    assert rests.next_s(KEY, [STALLED]) is None
    assert rests.next_s(KEY, []) is None


def test_nothing_is_remembered_of_what_is_over():
    rests = Rests()
    rests.next_s(KEY, [STARTING])
    rests.next_s(KEY, [])
    assert rests.next_s(KEY, [STARTING]) == REST_S
