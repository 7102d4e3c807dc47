"""Slots and windows, in time zones and across changes of daylight saving."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.controller.schedule.times import FOREVER, latest_slot, next_slot, open_until, opens_at
from unit.controller.schedule.subjects import terms, uid

BERLIN = "Europe/Berlin"  # 2026: 29 March, 02:00 becomes 03:00; 25 October, 03:00 becomes 02:00


def utc(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def windows(*given, zone=BERLIN):
    return terms(windows=list(given), timeZone=zone)


def daily(start, end):
    return windows({"start": start, "end": end})


@pytest.mark.parametrize(
    ("said", "now", "latest", "coming"),
    [
        ({}, "2026-11-25T12:00:00Z", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"),
        ({"intervalSeconds": 3600}, "2026-11-25T12:00:00Z", "2026-11-25T12:00:00Z", "2026-11-25T13:00:00Z"),
        ({"cron": "30 2 * * *"}, "2026-11-25T02:29:59.5Z", "2026-11-24T02:30:00Z", "2026-11-25T02:30:00Z"),
        ({"cron": "30 2 * * *"}, "2026-11-25T02:30:00Z", "2026-11-25T02:30:00Z", "2026-11-26T02:30:00Z"),
        ({"cron": "0 1 * * SUN"}, "2026-11-25T12:00:00Z", "2026-11-22T01:00:00Z", "2026-11-29T01:00:00Z"),
        (
            {"cron": "0 1 * * *", "timeZone": BERLIN},
            "2026-07-01T12:00:00Z",
            "2026-06-30T23:00:00Z",
            "2026-07-01T23:00:00Z",
        ),
        (  # the hour that is left out: when the clock is changed, once
            {"cron": "30 2 * * *", "timeZone": BERLIN},
            "2026-03-29T02:00:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z",
        ),
        (  # the hour that comes twice: the first time, once
            {"cron": "30 2 * * *", "timeZone": BERLIN},
            "2026-10-25T02:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z",
        ),
    ],
)
def test_slots_follow_the_interval_or_cron_in_its_time_zone(said, now, latest, coming):
    when = utc(now)
    assert latest_slot(terms(**said), uid(1), when).due == utc(latest)
    assert next_slot(terms(**said), uid(1), when).due == utc(coming)


_TIMES = st.integers(0, 365 * 86_400).map(lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second))
_SCHEDULES = st.sampled_from(
    [{"intervalSeconds": 60}, {"intervalSeconds": 5400}, {}, {"cron": "*/7 * * * *"}, {"cron": "15 2 * * 1-5"}]
)


@given(_TIMES, _SCHEDULES, st.integers(0, 100), st.sampled_from(["UTC", BERLIN, "Asia/Kathmandu"]), st.integers(1, 9))
def test_every_moment_has_one_slot_and_slots_follow_one_another_without_a_gap(now, said, jitter, zone, number):
    chosen = terms(**said, jitterPercent=jitter, timeZone=zone)
    latest, coming = latest_slot(chosen, uid(number), now), next_slot(chosen, uid(number), now)
    assert latest.due <= latest.start <= now < coming.start
    assert latest.due < coming.due
    assert latest_slot(chosen, uid(number), coming.start) == coming
    assert (latest.start - latest.due) * 100 <= (coming.due - latest.due) * jitter


def test_jitter_spreads_a_fleet_and_is_the_same_whoever_computes_it():
    chosen, now = terms(jitterPercent=10), utc("2026-11-25T12:00:00Z")
    starts = [latest_slot(chosen, uid(number), now).start for number in range(200)]
    assert starts == [latest_slot(chosen, uid(number), now).start for number in range(200)]
    assert max(starts) - min(starts) > timedelta(hours=2)
    assert {start.minute for start in starts} > set(range(0, 60, 7))
    another_day = [latest_slot(chosen, uid(number), now + timedelta(days=1)).start for number in range(200)]
    assert [start + timedelta(days=1) for start in starts] != another_day


def test_without_windows_it_is_always_open():
    assert open_until(terms(), utc("2026-11-25T12:00:00Z")) == FOREVER
    assert opens_at(terms(), utc("2026-11-25T12:00:00Z")) == utc("2026-11-25T12:00:00Z")


@pytest.mark.parametrize(
    ("given_window", "now", "until"),
    [
        (("22:00", "04:00"), "2026-11-25T21:00:00Z", "2026-11-26T03:00:00Z"),
        (("22:00", "04:00"), "2026-11-26T02:59:59Z", "2026-11-26T03:00:00Z"),
        (("22:00", "04:00"), "2026-11-26T03:00:00Z", None),
        (("00:00", "00:00"), "2026-11-26T03:00:00Z", "a fortnight"),
        (("01:00", "05:00"), "2026-03-29T00:30:00Z", "2026-03-29T03:00:00Z"),  # three hours long that night
        (("01:00", "05:00"), "2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"),  # five
        (("02:30", "04:00"), "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),  # starts with the clock change
        (("02:30", "04:00"), "2026-03-29T00:59:59Z", None),
        (("01:00", "02:30"), "2026-10-25T00:31:00Z", None),  # ends the first time
    ],
)
def test_a_window_keeps_its_hours_on_the_wall(given_window, now, until):
    found = open_until(daily(*given_window), utc(now))
    if until == "a fortnight":
        assert found > utc(now) + timedelta(days=14)
    else:
        assert found == (utc(until) if until else None)


def test_a_window_of_a_day_starts_on_that_day_and_may_end_on_the_next():
    weekend = windows({"days": ["Sat", "Sun"], "start": "22:00", "end": "04:00"}, zone="UTC")
    assert open_until(weekend, utc("2026-11-27T23:00:00Z")) is None  # Friday
    assert open_until(weekend, utc("2026-11-30T03:00:00Z")) == utc("2026-11-30T04:00:00Z")  # Sunday's, on Monday
    assert opens_at(weekend, utc("2026-11-25T12:00:00Z")) == utc("2026-11-28T22:00:00Z")


def test_windows_that_touch_are_one():
    two = windows({"start": "22:00", "end": "00:00"}, {"start": "00:00", "end": "03:00"}, zone="UTC")
    assert open_until(two, utc("2026-11-25T23:00:00Z")) == utc("2026-11-26T03:00:00Z")


def test_a_window_that_falls_into_the_hour_left_out_is_open_again_the_next_day():
    short = daily("02:10", "02:50")
    assert opens_at(short, utc("2026-03-28T12:00:00Z")) == utc("2026-03-30T00:10:00Z")


_CLOCKS = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
_WINDOWS = st.fixed_dictionaries(
    {"start": _CLOCKS, "end": _CLOCKS},
    optional={"days": st.lists(st.sampled_from(["Mon", "Wed", "Sat", "Sun"]), min_size=1, unique=True)},
)


@given(st.lists(_WINDOWS, min_size=1, max_size=4), _TIMES, st.sampled_from(["UTC", BERLIN, "America/New_York"]))
def test_what_opens_is_open_then_and_what_closes_is_closed_then(given_windows, now, zone):
    chosen = windows(*given_windows, zone=zone)
    opening = opens_at(chosen, now)
    assert opening >= now
    end = open_until(chosen, opening)
    assert end is not None
    assert end > opening
    if opening > now:
        assert open_until(chosen, opening - timedelta(seconds=1)) is None
    if end < now + timedelta(days=14):
        assert open_until(chosen, end) is None
