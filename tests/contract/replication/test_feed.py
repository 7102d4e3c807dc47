"""What peers read of a region's changes."""

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.replication.feed import FeedRequest


def test_lag_is_zero_when_idle_and_grows_with_the_age_of_the_oldest_change(two: tuple[Region, Region]) -> None:
    here, there = two
    settle(here, there)
    cursor = there.store.cursor(here.id)
    idle = here.read(FeedRequest(peer=there.id, after=cursor))
    assert (idle.head - cursor.lsn, idle.age_ms) == (0, 0)
    here.add_account("acme")
    here.fold()
    here.sync_sql("UPDATE row_version SET changed_at = changed_at - INTERVAL 90 SECOND WHERE entity_key = 'acme'")
    page = here.read(FeedRequest(peer=there.id, after=cursor))
    assert page.head - cursor.lsn == 1
    assert 90_000 <= page.age_ms < 120_000


def test_a_clock_that_was_set_back_makes_no_negative_lag(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    region.sync_sql("UPDATE row_version SET changed_at = changed_at + INTERVAL 1 DAY")
    assert region.read(FeedRequest(peer=2)).age_ms == 0


def test_captured_changes_count_as_lag_before_they_are_folded(region: Region) -> None:
    region.add_account("acme")
    region.sync_sql("UPDATE dirty SET captured_at = captured_at - INTERVAL 5 SECOND")
    cursor = region.read(FeedRequest(peer=2)).next
    assert region.read(FeedRequest(peer=2, after=cursor)).age_ms >= 5000


@pytest.mark.parametrize("bulk", [False, True])
def test_a_page_tells_the_age_of_the_oldest_change_in_it_and_not_of_what_the_asker_sent(
    two: tuple[Region, Region], bulk: bool
) -> None:
    here, there = two
    settle(here, there)
    there.add_account("sent")
    pull(here, there)
    here.add_account("own")
    here.fold()
    for key, age_s in (("sent", 3600), ("own", 90)):
        here.sync_sql(
            "UPDATE row_version SET changed_at = changed_at - INTERVAL %s SECOND WHERE entity_key = %s", [age_s, key]
        )
    asked = FeedRequest(peer=there.id, after=there.store.cursor(here.id), peer_history=there.store.history(), bulk=bulk)
    page = here.read(asked)
    assert page.count == 1
    assert 90_000 <= page.age_ms < 1_800_000
    assert page.remaining_age_ms == 0
