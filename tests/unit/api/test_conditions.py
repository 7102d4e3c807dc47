from datetime import UTC, datetime, timedelta, timezone

import pytest

from region_operator.api.conditions import Finding, is_declared, set_conditions, timestamp
from region_operator.api.reasons import NEGATIVE, NOT_OBSERVED, REASONS

EARLY = datetime(2026, 11, 22, 3, 0, 0, 900_000, tzinfo=UTC)
LATE = EARLY + timedelta(minutes=5)


def of(conditions, type_):
    return next(condition for condition in conditions if condition.type == type_)


def test_all_types_are_present_and_unknown_before_anything_is_observed():
    conditions = set_conditions([], [], kind="RegionPeering", generation=1, now=EARLY)
    assert [condition.type for condition in conditions] == list(REASONS["RegionPeering"])
    assert {(condition.status, condition.reason) for condition in conditions} == {("Unknown", NOT_OBSERVED)}


def test_time_stays_when_only_reason_and_message_change():
    first = set_conditions([], [Finding("Ready", "False", "Progressing", "a")], kind="Region", generation=1, now=EARLY)
    then = Finding("Ready", "False", "DatabaseNotReady", "b")
    second = of(set_conditions(first, [then], kind="Region", generation=2, now=LATE), "Ready")
    assert (second.reason, second.message, second.observed_generation) == ("DatabaseNotReady", "b", 2)
    assert second.last_transition_time == "2026-11-22T03:00:00Z"


def test_time_moves_when_the_status_changes():
    first = set_conditions([], [Finding("Ready", "False", "Progressing", "a")], kind="Region", generation=1, now=EARLY)
    second = set_conditions(first, [Finding("Ready", "True", "Ready", "b")], kind="Region", generation=1, now=LATE)
    assert of(second, "Ready").last_transition_time == "2026-11-22T03:05:00Z"


def test_a_type_without_a_finding_keeps_what_it_said():
    first = set_conditions([], [Finding("Claimed", "True", "Claimed", "a")], kind="Region", generation=1, now=EARLY)
    second = set_conditions(first, [], kind="Region", generation=2, now=LATE)
    assert second == first


def test_order_does_not_depend_on_the_order_of_findings_or_of_the_stored_list():
    findings = [Finding("Stalled", "False", "NotStalled", ""), Finding("Ready", "True", "Ready", "")]
    one = set_conditions([], findings, kind="SyncPolicy", generation=1, now=EARLY)
    other = set_conditions(reversed(one), reversed(findings), kind="SyncPolicy", generation=1, now=LATE)
    assert one == other


def test_a_type_of_an_older_version_is_dropped():
    old = set_conditions([], [], kind="Region", generation=1, now=EARLY)
    assert len(set_conditions(old, [], kind="SyncPolicy", generation=1, now=LATE)) == len(REASONS["SyncPolicy"])


@pytest.mark.parametrize("type_", ["Nonsense", "Ready"])
def test_a_foreign_or_double_finding_is_a_defect(type_):
    findings = [Finding("Ready", "True", "Ready", ""), Finding(type_, "True", "Ready", "")]
    with pytest.raises(ValueError, match=type_):
        set_conditions([], findings, kind="Region", generation=1, now=EARLY)


def test_a_message_is_cut_at_what_the_api_server_takes():
    long = Finding("Ready", "False", "Progressing", "x" * 40_000)
    assert len(of(set_conditions([], [long], kind="Region", generation=1, now=EARLY), "Ready").message) == 32_768


def test_times_are_utc_in_whole_seconds():
    assert timestamp(EARLY.astimezone(timezone(timedelta(hours=2)))) == "2026-11-22T03:00:00Z"


@pytest.mark.parametrize("kind", REASONS)
def test_a_reason_of_a_type_belongs_to_one_status(kind):
    for type_, by_status in REASONS[kind].items():
        reasons = [reason for status in ("True", "False", "Unknown") for reason in by_status[status]]
        assert len(reasons) == len(set(reasons)), type_
        assert NOT_OBSERVED in by_status["Unknown"]


def test_negative_types_exist():
    assert {type_ for types in REASONS.values() for type_ in types} >= NEGATIVE


def test_an_undeclared_reason_is_told_apart():
    assert is_declared("Region", Finding("Stalled", "True", "NameCollision", ""))
    assert not is_declared("Region", Finding("Stalled", "False", "NameCollision", ""))
