"""Events are only added: what a region purges is its own affair, and no peer brings it back."""

import pytest

from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.feed import FeedRequest, RowKey


def share_people(*clouds: Cloud) -> None:
    clouds[0].add_account("acme")
    clouds[0].add_user("jane", account="acme")
    settle(*clouds)


def events(cloud: Cloud) -> list[int]:
    return [n for n in range(3) if cloud.has("event", f"e-{n}")]


def add_events(cloud: Cloud) -> None:
    """Each began what the next one ends."""
    for n in range(3):
        cloud.add_event(f"e-{n}", account="acme", user="jane", start=f"e-{n - 1}" if n else None)


def test_purged_events_are_no_change_and_do_not_come_back(three: tuple[Cloud, Cloud, Cloud]) -> None:
    here, there, third = three
    share_people(here, there)
    add_events(here)
    settle(here, there)
    assert events(there) == [0, 1, 2]
    head = here.store.head()
    for key in ("e-0", "e-1"):
        here.erase("event", key)
    here.fold()
    assert here.store.head() == head
    settle(here, there)
    assert events(there) == [0, 1, 2]
    assert not here.read(FeedRequest(peer=third.id)).unfolded
    # Not even when everything is read again from the start, or comes round another way.
    here.store.drop_cursor(there.id)
    settle(here, there, third)
    assert events(here) == [2]
    assert events(third) == [0, 1, 2]
    assert [third.value("event", f"e-{n}", "start_id") for n in (1, 2)] == ["e-0", "e-1"]


def test_an_event_that_was_purged_before_anybody_heard_of_it_is_forgotten(cloud: Cloud) -> None:
    share_people(cloud)
    cloud.add_event("e-0", account="acme", user="jane")
    cloud.erase("event", "e-0")
    cloud.fold()
    assert cloud.store.status().captured == 0
    assert ("event", "e-0") not in cloud.states()


@pytest.mark.rule("ENGINE 9")
def test_an_event_comes_before_the_one_that_it_ends(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_people(here, there)
    add_events(here)
    here.fold()
    there.store.apply_rows(here.id, here.store.read_rows([RowKey("event", "e-2")]))
    assert events(there) == [2]
    assert there.value("event", "e-2", "start_id") is None
    pull(there, here)
    assert there.value("event", "e-2", "start_id") == "e-1"
    assert there.states() == here.states()
    assert there.store.parked() == []
