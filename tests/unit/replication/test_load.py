"""When a region is too busy for a scan."""

import pytest

from region_operator.api.scans import LoadGrant
from region_operator.replication.load import Counters, Excess, gauges, judge, percentile

MARKS = LoadGrant(
    skip={"threadsRunning": 32, "historyListLength": 1000},
    pause={"threadsRunning": 48},
    abort={"threadsRunning": 128},
)


@pytest.mark.parametrize(
    ("threads", "before", "while_it_runs"),
    [(32, "Go", "Go"), (33, "Skip", "Go"), (49, "Skip", "Pause"), (129, "Skip", "Abort")],
)
def test_the_mark_that_is_passed_decides(threads: int, before: str, while_it_runs: str) -> None:
    loads = {1: {"threadsRunning": 1}, 2: {"threadsRunning": threads}}
    assert judge(loads, MARKS, begun=False).verdict == before
    assert judge(loads, MARKS, begun=True).verdict == while_it_runs


def test_the_region_and_the_gauge_farthest_over_the_mark_are_named() -> None:
    loads = {1: {"threadsRunning": 40}, 2: {"threadsRunning": 33, "historyListLength": 9000}}
    assert judge(loads, MARKS, begun=False).excess == Excess(2, "historyListLength", 9000, 1000)


def test_a_gauge_without_a_mark_or_without_a_reading_does_not_count() -> None:
    assert judge({1: {"apiP95Millis": 9999}}, MARKS, begun=False).verdict == "Go"
    assert judge({1: {}, 2: {}}, MARKS, begun=True).verdict == "Go"


def test_a_rate_takes_two_readings_of_one_run_of_the_server() -> None:
    first, second = Counters(3, 100, 7, writes=10), Counters(3, 111, 7, writes=30)
    assert gauges(None, second, passed_s=1.0) == {"threadsRunning": 3, "historyListLength": 7}
    assert gauges(first, second, passed_s=2.0)["rowLockWaitsPerSecond"] == 6
    assert "rowLockWaitsPerSecond" not in gauges(second, first, passed_s=2.0)


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([], 95) is None
    assert percentile([5.0], 95) == 5.0
    assert percentile(list(map(float, range(1, 101))), 95) == 95.0
