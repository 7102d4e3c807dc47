"""What one peering should scan next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from region_operator.controller.schedule.times import latest_slot
from region_operator.controller.schedule.wants import interrupted, is_handled, next_turn, overdue_at, scan_id
from unit.controller.schedule.subjects import DAY, HOUR, NOW, report, subject, terms, uid

MIDNIGHT = NOW - 12 * HOUR
SLOT = scan_id(uid(1), latest_slot(terms(), uid(1), NOW).name)


def test_the_slot_whose_turn_it_is_is_due_until_it_was_served():
    turn = next_turn(subject(), (), NOW)
    assert (turn.id, turn.at) == (SLOT, MIDNIGHT)
    assert next_turn(subject(), [report(SLOT)], NOW).at == MIDNIGHT + DAY


@pytest.mark.parametrize("result", ["Clean", "Repaired", "SkippedHighLoad", "Aborted", "Failed"])
def test_a_slot_is_served_once_however_its_scan_ended(result):
    assert next_turn(subject(), [report(SLOT, result=result)], NOW).at == MIDNIGHT + DAY


def test_a_scan_that_compared_everything_since_serves_for_the_slot_and_one_that_did_not_does_not():
    assert next_turn(subject(), [report("other")], NOW).at > NOW
    assert next_turn(subject(), [report("other", result="Failed")], NOW).id == SLOT
    assert next_turn(subject(), [report("other", began=MIDNIGHT - HOUR)], NOW).id == SLOT


def test_a_scan_that_ran_into_the_next_slot_serves_for_it():
    assert next_turn(subject(), [report("old", began=MIDNIGHT - HOUR, ended=MIDNIGHT + HOUR)], NOW).at > NOW


def test_slots_that_were_missed_for_long_are_made_up_once():
    turn = next_turn(subject(), [report("old", began=NOW - 9 * DAY)], NOW)
    assert turn.id == SLOT
    assert next_turn(subject(), [report(turn.id)], NOW).at > NOW


@pytest.mark.rule("OPERATOR 18")
def test_a_scan_is_named_by_peering_and_slot_whoever_asks_and_whenever():
    early, late = (next_turn(subject(), (), NOW - by) for by in (11 * HOUR, timedelta(0)))
    assert early.id == late.id
    assert next_turn(subject(2), (), NOW).id != early.id
    assert next_turn(subject(), (), NOW + DAY).id != early.id


def test_outside_its_windows_a_slot_waits_for_the_next_one():
    nights = subject(terms=terms(windows=[{"start": "22:00", "end": "04:00"}]))
    assert next_turn(nights, (), NOW).at == NOW + 10 * HOUR
    assert next_turn(nights, (), NOW + 10 * HOUR).at <= NOW + 10 * HOUR


def test_a_request_goes_first_and_waits_for_no_window():
    nights = subject(terms=terms(windows=[{"start": "22:00", "end": "04:00"}]), request="now")
    turn = next_turn(nights, (), NOW)
    assert (turn.id, turn.at, turn.asked) == (scan_id(uid(1), "now"), NOW, True)


def test_a_request_is_handled_once_the_agent_has_it_and_stays_so_when_the_agent_has_forgotten():
    asked = subject(request="token")
    assert is_handled(asked, [report(scan_id(uid(1), "token"), "Running")])
    assert not is_handled(asked, [report(SLOT)])
    assert is_handled(replace(asked, request_handled=True), ())
    assert next_turn(replace(asked, request="another"), [report(scan_id(uid(1), "token"))], NOW).asked


def test_an_interrupted_scan_goes_on_under_its_own_name():
    turn = next_turn(subject(), [report("half", "Interrupted", began=NOW - 3 * DAY)], NOW)
    assert (turn.id, turn.at) == ("half", NOW)


def test_an_interrupted_scan_goes_on_in_the_next_window_but_one_that_was_asked_for_does_so_at_once():
    nights, half = subject(terms=terms(windows=[{"start": "22:00", "end": "04:00"}])), scan_id(uid(1), "token")
    assert next_turn(nights, [report(half, "Interrupted")], NOW).at == NOW + 10 * HOUR
    asked = next_turn(replace(nights, request="token"), [report(half, "Interrupted")], NOW)
    assert (asked.id, asked.at) == (half, NOW)


def test_an_interrupted_scan_is_dropped_when_the_regions_were_compared_since():
    old, clean = report("half", "Interrupted", began=NOW - DAY), report(SLOT)
    assert interrupted([old, clean]) is None
    assert interrupted([old, report(SLOT, result="Aborted")]) == old


def test_a_join_is_proven_by_a_scan_at_once_and_by_another_one_later_when_that_was_not_clean():
    joining = subject(joined=False, verifying=True)
    first = next_turn(joining, (), NOW)
    assert (first.id, first.at, first.windowed) == (scan_id(uid(1), "join"), NOW, False)
    failed = report(first.id, result="Repaired", began=NOW - HOUR, ended=NOW)
    second = next_turn(joining, [failed], NOW)
    assert second.at == NOW + timedelta(seconds=20)
    assert second.id == next_turn(joining, [failed], NOW + HOUR).id != first.id


@pytest.mark.parametrize("result", ["SkippedHighLoad", "Repaired", "Failed", "Aborted"])
def test_a_join_whose_scans_do_not_prove_it_is_looked_at_less_and_less_often_but_each_five_minutes(result):
    joining, skipped, at, rests_s = subject(joined=False, verifying=True), [], NOW, []
    for _ in range(8):
        turn = next_turn(joining, skipped, at)
        rests_s.append((turn.at - at).total_seconds())
        at = turn.at
        skipped = [*skipped, report(turn.id, result=result, began=at, ended=at)]
    assert rests_s == [0, 20, 40, 80, 160, 300, 300, 300]
    assert len({one.id for one in skipped}) == 8


def test_nothing_is_scanned_before_both_have_caught_up_or_when_scans_are_switched_off():
    assert next_turn(subject(joined=False), (), NOW) is None
    assert next_turn(subject(terms=terms(mode="Disabled"), request="now"), (), NOW) is None


def test_the_objective_counts_from_the_last_clean_scan_or_from_the_join():
    assert overdue_at(subject(), ()) == NOW - 30 * DAY + 7 * DAY
    clean = report(SLOT, began=NOW - HOUR, ended=NOW)
    assert overdue_at(subject(), [clean, report("r", result="Repaired")]) == NOW + 7 * DAY
    assert overdue_at(subject(clean_at=NOW - DAY), ()) == NOW + 6 * DAY
    assert overdue_at(subject(terms=terms(objectiveSeconds=0)), ()) is None
