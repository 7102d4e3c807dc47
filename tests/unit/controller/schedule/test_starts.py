"""Who of a fleet may start."""

from datetime import timedelta

import pytest

from region_operator.controller.schedule.starts import LONGEST_GRANT, Occupied, next_look, starts, stops
from region_operator.controller.schedule.wants import scan_id
from unit.controller.schedule.subjects import DAY, HOUR, NOW, case, report, subject, terms, uid


def names(granted):
    return [start.subject.name for start in granted]


def apart(number, **more):
    return subject(number, (f"a{number}", f"b{number}"), **more)


def granted(*cases, limit=9, **more):
    return names(starts(cases, limit=limit, now=NOW, **more))


def test_all_that_are_due_start_while_there_are_places():
    assert granted(case(apart(1)), case(apart(2))) == ["p1", "p2"]


def test_the_fleet_and_each_policy_have_a_limit():
    many = [case(apart(number, policy=f"policy{number % 2}")) for number in range(8)]
    assert len(granted(*many)) == 4  # two of each policy
    assert len(granted(*many, limit=3)) == 3
    running = case(apart(9, policy="policy0"), report("x", "Running"))
    assert len(granted(running, *many)) == 3
    assert granted(*many, limit=0) == []


@pytest.mark.rule("OPERATOR 18")
def test_never_two_scans_touch_one_region():
    hub = [case(subject(number, ("hub", f"spoke{number}"))) for number in range(3)]
    assert granted(*hub) == ["p0"]
    assert granted(case(subject(9, ("hub", "x")), report("s", "Throttled")), *hub) == []
    assert granted(*hub, others=[Occupied(("hub", "gone"))]) == []


def test_who_waits_for_a_region_keeps_the_other_one_free_from_those_behind():
    running = case(subject(1, ("a", "b")), report("s", "Running"))
    first = case(subject(2, ("b", "c")), report("r", began=NOW - 5 * DAY))
    behind = case(subject(3, ("c", "d")), report("r", began=NOW - 3 * DAY))
    assert granted(running, behind, first) == []
    assert granted(behind, first) == ["p2"]


def test_who_was_scanned_longest_ago_goes_first_and_who_was_asked_for_before_that():
    old, older = (case(apart(n), report("r", began=NOW - n * DAY)) for n in (2, 3))
    never, asked = case(apart(4)), case(apart(5, request="now"), report("r"))
    assert granted(old, older, never, asked, limit=1) == ["p5"]
    assert granted(old, older, never, limit=1) == ["p4"]
    assert granted(old, older, limit=1) == ["p3"]


def test_a_refused_grant_rests_and_holds_nothing():
    assert granted(case(apart(1)), case(apart(2)), limit=1, resting=[uid(1)]) == ["p2"]
    assert granted(case(subject(1, ("a", "b"))), case(subject(2, ("b", "c"))), resting=[uid(1)]) == ["p2"]


def test_nothing_starts_that_is_not_known_not_startable_not_wanted_or_runs_already():
    assert granted(case(known=False)) == []
    assert granted(case(startable=False)) == []
    assert granted(case(unwanted=True)) == []
    assert granted(case(None, report("s", "Running"))) == []


def test_an_agent_that_is_silent_keeps_the_places_of_what_it_ran_last():
    silent = case(subject(1, ("a", "b")), report("s", "Running"), known=False)
    assert granted(silent, case(subject(2, ("b", "c"))), case(apart(3)), limit=2) == ["p3"]


def test_what_runs_and_is_not_wanted_any_more_is_stopped():
    running = report("s", "Running")
    assert stops([case(None, running)]) == ()
    ((stopped, scan),) = stops([case(None, running, unwanted=True), case(None, report("r"), unwanted=True)])
    assert (stopped.name, scan) == ("p1", "s")


def test_a_grant_ends_with_the_window_and_after_a_day_at_the_latest():
    window = terms(windows=[{"start": "11:00", "end": "14:00"}])
    (in_window,) = starts([case(terms=window)], limit=1, now=NOW)
    assert in_window.not_after == NOW + 2 * HOUR
    (asked,) = starts([case(terms=window, request="now")], limit=1, now=NOW)
    assert (asked.scan, asked.not_after) == (scan_id(uid(1), "now"), NOW + LONGEST_GRANT)
    (unlimited,) = starts([case()], limit=1, now=NOW)
    assert unlimited.not_after == NOW + LONGEST_GRANT


def test_the_next_look_is_when_the_first_turn_comes():
    served, hourly = case(None, report("r")), case(apart(2, terms=terms(intervalSeconds=3600)), report("r", ended=NOW))
    assert next_look([served], NOW) == NOW + 12 * HOUR
    assert next_look([served, hourly], NOW) == NOW + HOUR
    assert next_look([], NOW) is None
    assert next_look([case()], NOW) is None  # due since midnight: news of a free place is waited for


def test_a_join_that_was_not_clean_is_looked_at_again_in_time():
    joining = case(subject(joined=False, verifying=True), report("r", result="Failed", began=NOW, ended=NOW))
    assert next_look([joining], NOW) == NOW + timedelta(seconds=20)
