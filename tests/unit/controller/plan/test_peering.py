"""When a deleted peering may go (OPERATOR 8, 20)."""

from dataclasses import replace

import pytest

from region_operator.controller.facts import Unknown
from region_operator.controller.plan.peering import act, leaving
from unit.controller.status.peerings import UID, aged, agent, link, peering, side

LEFT = (side(1, agent(1, sources=[], left_peerings=[UID])), side(2, agent(2, sources=[], left_peerings=[UID])))


def deleted(**more):
    return peering(deleting=True, **more)


def test_the_finalizer_is_set_before_anything_is_wired():
    assert act(peering(finalizer=False)) == "AddFinalizer"
    assert act(peering()) == "Nothing"
    assert act(peering(finalizer=False, paused=True)) == "Nothing"


def test_a_peering_goes_when_both_agents_have_left():
    assert act(deleted()) == "Nothing"
    assert leaving(deleted()).reason == "Draining", "both answer, and exchange what is left"
    assert leaving(replace(deleted(), sides=(LEFT[0], deleted().sides[1]))).reason == "WaitingForPeer"
    lost = aged(deleted(), 500, silent=True)
    assert leaving(lost).reason == "WaitingForPeer", "only one of them answers"
    gone = replace(deleted(), sides=LEFT)
    assert act(gone) == "RemoveFinalizer"
    assert not leaving(gone).forced
    assert act(replace(gone, finalizer=False)) == "Nothing"


def test_what_is_exchanged_and_not_unwired_yet_is_told_with_what_the_management_server_says():
    refused = {"unwiring": True, "registered": False, "registered_message": "removeRegion: 431 busy"}
    first = side(1, agent(1, link(2, **refused)))
    assert leaving(deleted(first=first)).reason == "Draining", "the other side is not so far"
    last = leaving(replace(deleted(first=first), sides=(first, LEFT[1])))
    assert (last.done, last.reason) == (False, "Unwiring")
    assert "a: its management server still lists the other region: removeRegion: 431 busy;" in last.message
    both = replace(deleted(), sides=(first, side(2, agent(2, link(1, unwiring=True)))))
    assert leaving(both).reason == "Unwiring"
    assert leaving(replace(both, deleting_age_s=600)).forced
    assert leaving(replace(both, sides=(first, aged(deleted(), 500, silent=True).sides[1]))).reason == "WaitingForPeer"


def test_one_that_was_never_wired_goes_at_once():
    new = (side(1, agent(1, sources=[])), side(2, agent(2, sources=[])))
    assert leaving(replace(deleted(), sides=new)).done
    assert leaving(replace(deleted(), sides=(None, None))).done


def test_after_the_drain_time_it_goes_without_the_dead_side_and_names_it():
    dead = aged(replace(deleted(), sides=(LEFT[0], side(2, agent(2, link(1))))), 500, silent=True)
    waiting = leaving(dead)
    assert (waiting.done, waiting.reason) == (False, "AgentUnreachable")
    forced = leaving(replace(dead, deleting_age_s=600))
    assert (forced.done, forced.forced) == (True, True)
    assert "b: unreachable" in forced.message


@pytest.mark.parametrize(
    "second",
    [Unknown("NotObserved", "not looked at yet"), aged(peering(), 500, silent=True).sides[1]],
)
def test_what_is_not_known_is_never_read_as_left(second):
    assert not leaving(replace(deleted(), sides=(LEFT[0], second))).done


def test_a_region_of_another_hub_is_named_and_not_waited_for_longer_than_the_drain_time():
    first, second = deleted().sides
    taken = replace(deleted(), sides=(first, replace(second, stalled="ClaimedByAnotherHub")))
    assert (leaving(taken).done, leaving(taken).reason) == (False, "ClaimedByAnotherHub")
    assert "b: another hub" in leaving(taken).message
    assert leaving(replace(taken, deleting_age_s=600)).forced


def test_a_region_that_was_never_provisioned_holds_nothing():
    stalled = replace(side(2), stalled="RegionIdClash")
    assert leaving(replace(deleted(), sides=(LEFT[0], stalled))).done


def test_paused_it_stays():
    assert leaving(deleted(paused=True, deleting_age_s=10**6)).reason == "Paused"


def test_abandoned_it_waits_a_minute_for_a_side_that_answers_and_not_at_all_for_a_dead_one():
    abandoned = deleted(paused=True, abandon=True)
    assert not leaving(abandoned).done
    assert leaving(replace(abandoned, deleting_age_s=61)).forced
    dead = aged(replace(abandoned, sides=(LEFT[0], side(2, agent(2, link(1))))), 500, silent=True)
    assert (leaving(dead).done, leaving(dead).forced) == (True, True)
