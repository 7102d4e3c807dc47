"""What peers read of a region's changes."""

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.model.lag import START


@pytest.mark.rule("ENGINE 21")
def test_a_row_with_changes_that_have_no_version_yet_is_left_out(region: Region) -> None:
    region.add_account("acme")
    region.add_account("other")
    region.fold()
    region.sql("UPDATE account SET network_domain = 'new' WHERE uuid = 'acme'")
    page = region.read(FeedRequest(peer=2))
    assert "acme" not in {row.key for row in page.rows}
    assert "other" in {row.key for row in page.rows}
    assert page.next.lsn == page.head
    region.fold()
    later = region.read(FeedRequest(peer=2, after=page.next))
    assert [row.key for row in later.rows] == ["acme"]
    assert '"new"' in later.rows[0].state


@pytest.mark.rule("ENGINE 21")
def test_a_page_holds_at_least_one_row_whatever_its_size(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    cursor, keys = START, []
    while True:
        page = region.read(FeedRequest(peer=2, after=cursor, max_bytes=1))
        assert len(page.rows) <= 1
        if not page.rows:
            break
        keys.append(page.rows[0].key)
        cursor = page.next
    assert keys[-1] == "acme"
    assert len(keys) == len(set(keys)) == 4


def test_pages_are_bounded_in_rows_and_go_on_where_they_end(region: Region) -> None:
    for number in range(5):
        region.add_account(f"a{number}")
    region.fold()
    first = region.read(FeedRequest(peer=2, max_rows=3))
    second = region.read(FeedRequest(peer=2, after=first.next, max_rows=100))
    assert len(first.rows) == 3
    assert first.pending == 5
    assert [row.lsn for row in (*first.rows, *second.rows)] == sorted(row.lsn for row in (*first.rows, *second.rows))
    assert len(second.rows) == 5
    assert second.pending == 0


@pytest.mark.rule("ENGINE 13")
def test_what_a_peer_sent_does_not_come_back_to_it_in_a_triangle(three: tuple[Region, Region, Region]) -> None:
    a, b, c = three
    settle(a, b, c)
    a.add_account("acme")
    pull(b, a)
    pull(c, b)
    cursor = c.store.cursor(b.id)
    page = b.read(FeedRequest(peer=a.id, after=a.store.cursor(b.id), peer_history=a.store.history()))
    assert page.rows == ()
    assert page.next.lsn == page.head
    # The third region did get it, by way of the second.
    assert c.has("account", "acme")
    assert b.read(FeedRequest(peer=c.id, after=cursor, peer_history=c.store.history())).rows == ()


@pytest.mark.rule("ENGINE 13")
def test_a_peer_that_has_lost_what_it_sent_gets_it_back(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    pull(there, here)
    request = FeedRequest(peer=here.id, after=START, peer_history=here.store.history())
    assert "acme" not in {row.key for row in there.read(request).rows}
    forgotten = FeedRequest(peer=here.id, after=START, peer_history=())
    assert "acme" in {row.key for row in there.read(forgotten).rows}


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


def test_rows_are_read_by_key_with_their_latest_changes(region: Region) -> None:
    region.add_account("acme")
    fetched = region.store.read_rows([RowKey("account", "acme"), RowKey("account", "nobody"), RowKey("disk", "x")])
    assert [row.key for row in fetched.rows] == ["acme"]
