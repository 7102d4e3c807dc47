"""A peering that was left and is made anew goes on where the old one stood, where the histories allow it."""

import pytest

from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.model.lag import START

pytestmark = pytest.mark.rule("OPERATOR 8")


def part(*regions: Cloud) -> None:
    here, there = regions
    here.store.leave(there.id)
    there.store.leave(here.id)


def rejoin(*regions: Cloud) -> None:
    here, there = regions
    here.store.rejoin(there.id)
    there.store.rejoin(here.id)


def test_only_what_was_written_meanwhile_is_sent(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    for number in range(5):
        here.add_account(f"before-{number}")
    settle(here, there)
    part(here, there)
    here.add_account("apart")
    there.add_account("apart-too")
    rejoin(here, there)
    assert sum(outcome.received for outcome in pull(there, here)) == 1
    assert sum(outcome.received for outcome in pull(here, there)) == 1
    assert here.states() == there.states()


def test_nothing_written_means_nothing_sent_and_the_region_counts_as_read_again(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    settle(here, there)
    stood = there.store.position(here.id)
    part(here, there)
    rejoin(here, there)
    rejoin(here, there)
    assert there.store.position(here.id) == stood
    assert sum(outcome.received for outcome in pull(there, here)) == 0


def test_with_rows_that_still_wait_all_is_read_again(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("a-1", name="same")
    there.add_account("a-2", name="same")
    settle(here, there)
    waits = next(region for region in two if region.store.parked())
    other = there if waits is here else here
    part(here, there)
    waits.store.rejoin(other.id)
    assert waits.store.cursor(other.id) == START


def test_what_a_region_lost_while_it_was_away_comes_back_to_it(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("kept")
    settle(here, there)
    saved = here.backup()
    here.add_account("lost")
    settle(here, there)
    part(here, there)
    here.restore(saved)
    here.add_account("apart")
    rejoin(here, there)
    settle(here, there)
    assert here.has("account", "lost")
    assert there.has("account", "apart")
    assert here.states() == there.states()


def test_who_was_never_left_stands_where_it_stood(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    there.store.leave(here.id)
    there.store.rejoin(here.id)
    assert there.store.cursor(here.id) == START
    settle(here, there)
    stood = there.store.cursor(here.id)
    there.store.rejoin(here.id)
    assert there.store.cursor(here.id) == stood
