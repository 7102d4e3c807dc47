"""A peering is looked at again when time alone may change what is said of it, and not before."""

from dataclasses import replace

import pytest

from region_operator.api.agent import CopyProgress
from region_operator.controller.facts import LinkPolicyFacts
from region_operator.controller.status.patience import look_again_s
from unit.controller.status.peerings import Watch, agent, broken, link, peering, side

LIMITS = LinkPolicyFacts(partition_detect_after_s=30, partition_recover_after_s=20, evidence_max_age_s=90)


@pytest.fixture
def watch() -> Watch:
    """A peering that has joined and is well."""
    made = Watch()
    made.look(peering())
    made.look(peering())
    return made


def again(watch: Watch, facts) -> float | None:
    facts = replace(facts, policy=LIMITS)
    watch.look(facts)
    return look_again_s(facts, shown=watch.status, memory=watch.memory, poll_s=5)


def test_nothing_but_news_changes_a_peering_that_is_well(watch):
    assert again(watch, peering()) is None


def test_lost_contact_is_a_partition_when_patience_ends(watch):
    first = side(1, agent(1, broken(2, bad_s=12)), age_s=3)
    assert again(watch, peering(first)) == pytest.approx(15.1)


def test_a_partition_that_was_told_stays_until_there_is_news(watch):
    assert again(watch, peering(side(1, agent(1, broken(2, bad_s=31))))) is None


def test_contact_that_is_back_counts_when_patience_ends(watch):
    watch.look(replace(peering(side(1, agent(1, broken(2, bad_s=40)))), policy=LIMITS))
    back = side(1, agent(1, link(2, good_age_ms=5_000)), age_s=1)
    assert again(watch, peering(back)) == pytest.approx(14.1)


def test_an_agent_that_is_silent_is_too_old_when_patience_ends(watch):
    silent = side(1, agent(1, link(2)), age_s=60, silent=True)
    assert again(watch, peering(silent)) == pytest.approx(30.1)
    assert again(watch, peering(replace(silent, agent=replace(silent.agent, age_s=91)))) is None


def test_a_lower_lag_is_confirmed_by_a_second_look(watch):
    late = peering(side(1, agent(1, link(2, lag_ms=7_000))))
    assert again(watch, late) is None
    assert again(watch, peering()) == 5
    assert again(watch, peering()) is None


def test_a_missed_objective_is_confirmed_by_a_second_look(watch):
    late = peering(side(1, agent(1, link(2, lag_ms=100_000))))
    assert again(watch, late) == 5
    assert again(watch, late) is None


def test_rows_held_back_are_confirmed_by_a_second_look(watch):
    parked = peering(side(1, agent(1, link(2, parked=3))))
    assert again(watch, parked) == 5
    assert again(watch, parked) is None


def test_a_join_and_a_leave_are_followed_closely():
    copying = link(2, state="Copying", copy_progress=CopyProgress(rows=1, total_rows=9, rows_per_second=1))
    assert again(Watch(), peering(side(1, agent(1, copying)))) == 5
    assert again(Watch(), peering(deleting=True)) == 5
