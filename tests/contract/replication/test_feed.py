"""What peers read of a region's changes."""

from contract.replication.regions import Region, settle
from region_operator.replication.feed import FeedRequest
from region_operator.replication.model.lag import START


def test_lag_is_zero_when_idle_and_grows_with_the_age_of_the_oldest_change(two: tuple[Region, Region]) -> None:
    here, there = two
    settle(here, there)
    cursor = there.store.cursor(here.id)
    assert here.store.lag(there.id, cursor).pending_changes == 0
    assert here.store.lag(there.id, cursor).age_ms == 0
    here.add_account("acme")
    here.fold()
    here.sync_sql("UPDATE row_version SET changed_at = changed_at - INTERVAL 90 SECOND WHERE entity_key = 'acme'")
    lag = here.store.lag(there.id, cursor)
    assert lag.pending_changes == 1
    assert 90_000 <= lag.age_ms < 120_000


def test_a_clock_that_was_set_back_makes_no_negative_lag(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    region.sync_sql("UPDATE row_version SET changed_at = changed_at + INTERVAL 1 DAY")
    assert region.store.lag(2, START).age_ms == 0


def test_captured_changes_count_as_lag_before_they_are_folded(region: Region) -> None:
    region.add_account("acme")
    region.sync_sql("UPDATE dirty SET captured_at = captured_at - INTERVAL 5 SECOND")
    cursor = region.read(FeedRequest(peer=2)).next
    assert region.store.lag(2, cursor).age_ms >= 5000
