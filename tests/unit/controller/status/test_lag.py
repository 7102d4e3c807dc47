"""Figures that are calm enough for a status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.controller.status.lag import LagMemory, brief, bucket, calm, exceeded, two_digits, worse

ORDER = ["<1s", "1s", "5s", "10s", "30s", "1m", "5m", "15m", "1h", "6h", "1d", ">1d"]


@pytest.mark.parametrize(
    ("lag_ms", "name"),
    [
        (None, "?"),
        (0, "<1s"),
        (999, "<1s"),
        (1000, "1s"),
        (7000, "5s"),
        (59_999, "30s"),
        (60_000, "1m"),
        (10**12, ">1d"),
    ],
)
def test_a_bucket_is_named_by_its_lower_end(lag_ms, name):
    assert bucket(lag_ms) == name


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_more_lag_is_never_a_lower_bucket(one, other):
    low, high = sorted((one, other))
    assert ORDER.index(bucket(low)) <= ORDER.index(bucket(high))


def test_a_bucket_rises_at_once_and_falls_when_two_evaluations_saw_it_lower():
    assert calm("30s", "<1s", "<1s") == "30s"
    assert calm("<1s", "30s", "30s") == "30s"
    assert calm("<1s", "30s", "<1s") == "<1s"
    assert calm("<1s", "30s", "5s") == "5s"
    assert calm("?", "30s", "30s") == "?"
    assert calm("<1s", "?", None) == "<1s"
    assert calm("<1s", None, None) == "<1s"


def test_the_worse_direction_is_shown_and_unknown_is_the_worst():
    assert worse("5s", "1m") == "1m"
    assert worse(">1d", "?") == "?"


@given(st.integers(0, 10**15))
def test_counts_keep_two_digits_from_a_hundred_on(count):
    rounded = two_digits(count)
    assert rounded <= count
    assert rounded == count if count < 100 else count - rounded < 10 ** (len(str(count)) - 2)
    assert len(str(rounded).rstrip("0")) <= 2


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, ""), (0, "0"), (99, "99"), (123, "120"), (1234, "1.2k"), (12_345, "12k"), (123_456, "120k"),
     (1_999_999, "1.9M"), (123_456_789, "120M"), (9_999_999_999, "9.9G")],
)  # fmt: skip
def test_counts_are_brief(count, text):
    assert brief(count) == text


def test_the_objective_is_missed_after_two_evaluations_over_it_and_met_again_at_half_of_it():
    late, memory = False, LagMemory()
    told = []
    for lag_s in (61, 59, 61, 62, 59, 31, 30, 61):
        late, over = exceeded(lag_s * 1000, objective_s=60, memory=memory, was=late)
        memory = LagMemory(over_objective=over)
        told.append(late)
    assert told == [False, False, False, True, True, True, False, False]


def test_a_lag_that_is_not_known_changes_no_verdict():
    assert exceeded(None, objective_s=60, memory=LagMemory(over_objective=1), was=True) == (True, 1)
