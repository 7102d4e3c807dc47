"""What is measured is the same each time, and a percentile is one of the values."""

import pytest
from bench.replication.data import Size, nth_user
from bench.replication.load import percentile


def test_no_row_is_written_twice_before_all_are():
    assert len({nth_user(k, 1000) for k in range(1000)}) == 1000
    assert {nth_user(k, 1000) for k in range(5000)} == set(range(1, 1001))


def test_scale_one_is_what_goals_are_stated_for():
    size = Size.scaled(1)
    assert (size.domains, size.accounts, size.users, size.updates) == (1000, 500_000, 500_000, 100_000)
    assert size.rows == 1_001_000


def test_a_small_scale_still_has_something_to_measure():
    assert min(Size.scaled(0).domains, Size.scaled(0).accounts, Size.scaled(0).updates) > 0


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(percent, value):
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_the_percentiles_of_one_value_are_that_value():
    assert [percentile([7.5], percent) for percent in (0, 50, 99, 100)] == [7.5] * 4
