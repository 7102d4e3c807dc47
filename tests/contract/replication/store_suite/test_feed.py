"""What peers read of a region's changes."""

import pytest

from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.model.lag import START, Incarnation, Seen


@pytest.mark.rule("ENGINE 21")
def test_a_row_with_changes_that_have_no_version_yet_is_left_out(cloud: Cloud) -> None:
    cloud.add_account("acme")
    cloud.add_account("other")
    cloud.fold()
    cloud.update("account", "acme", network_domain="new")
    page = cloud.read(FeedRequest(peer=2))
    assert "acme" not in {row.key for row in page.rows}
    assert "other" in {row.key for row in page.rows}
    assert page.next.lsn == page.head
    cloud.fold()
    later = cloud.read(FeedRequest(peer=2, after=page.next))
    assert [row.key for row in later.rows] == ["acme"]
    assert '"new"' in later.rows[0].state


def test_who_asks_for_everything_committed_gets_what_was_only_captured(cloud: Cloud) -> None:
    for number in range(450):
        cloud.add_account(f"a{number}")
    page = cloud.read(FeedRequest(peer=2, fold_first=True))
    assert {f"a{number}" for number in range(450)} <= {row.key for row in page.rows}
    assert page.next.lsn == page.head


@pytest.mark.rule("ENGINE 12")
def test_who_was_told_of_a_change_that_has_no_version_yet_proves_no_lost_commits(cloud: Cloud) -> None:
    cloud.add_account("acme")
    cloud.fold()
    for number in range(3):
        cloud.update("account", "acme", network_domain=f"new {number}")
        page = cloud.read(FeedRequest(peer=2))
        seen = page.seen_after(Seen())
        again = cloud.read(FeedRequest(peer=2, after=page.next, known_history=page.history, seen=seen))
        assert not again.rewound
        assert [row.key for row in again.rows] == ["acme"]
    assert (cloud.store.status().history_intact, len(cloud.store.history())) == ("Continuous", 1)


@pytest.mark.rule("ENGINE 21")
def test_a_page_holds_at_least_one_row_whatever_its_size(cloud: Cloud) -> None:
    cloud.add_account("acme")
    cloud.fold()
    known = len(cloud.states())
    cursor, keys = START, []
    while True:
        page = cloud.read(FeedRequest(peer=2, after=cursor, max_bytes=1))
        assert len(page.rows) <= 1
        if not page.rows:
            break
        keys.append(page.rows[0].key)
        cursor = page.next
    assert keys[-1] == "acme"
    assert len(keys) == len(set(keys)) == known


def test_pages_are_bounded_in_rows_and_go_on_where_they_end(cloud: Cloud) -> None:
    for number in range(5):
        cloud.add_account(f"a{number}")
    cloud.fold()
    known = len(cloud.states())
    first = cloud.read(FeedRequest(peer=2, max_rows=3))
    second = cloud.read(FeedRequest(peer=2, after=first.next, max_rows=100))
    assert len(first.rows) == 3
    assert first.pending == known - 3
    assert [row.lsn for row in (*first.rows, *second.rows)] == sorted(row.lsn for row in (*first.rows, *second.rows))
    assert len(second.rows) == known - 3
    assert second.pending == 0


@pytest.mark.rule("ENGINE 13")
def test_what_a_peer_sent_does_not_come_back_to_it_in_a_triangle(three: tuple[Cloud, Cloud, Cloud]) -> None:
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
def test_a_row_that_was_parked_for_a_while_does_not_come_back_to_its_sender_either(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    settle(here, there)
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.fold()
    there.store.apply_rows(here.id, here.store.read_rows([RowKey("account", "acme")]))
    there.store.apply_rows(here.id, here.store.read_rows([RowKey("domain", "sales")]))
    assert there.has("account", "acme")
    request = FeedRequest(peer=here.id, after=here.store.cursor(there.id), peer_history=here.store.history())
    assert there.read(request).rows == ()


@pytest.mark.rule("ENGINE 13")
def test_a_peer_that_has_lost_what_it_sent_gets_it_back(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    pull(there, here)
    request = FeedRequest(peer=here.id, after=START, peer_history=here.store.history())
    assert "acme" not in {row.key for row in there.read(request).rows}
    (present,) = here.store.history()
    for history in ((), (Incarnation("another", 1),), (present, Incarnation("begun before it", present.first_lsn))):
        forgotten = FeedRequest(peer=here.id, after=START, peer_history=history)
        assert "acme" in {row.key for row in there.read(forgotten).rows}


def test_lag_is_counted_and_zero_when_idle(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    settle(here, there)
    cursor = there.store.cursor(here.id)
    idle = here.read(FeedRequest(peer=there.id, after=cursor))
    assert (idle.head - cursor.lsn, idle.age_ms) == (0, 0)
    here.add_account("acme")
    here.fold()
    assert here.read(FeedRequest(peer=there.id, after=cursor)).head - cursor.lsn == 1


def test_whatever_folds_tells_that_there_is_something_to_read(cloud: Cloud) -> None:
    cloud.fold()
    told: list[None] = []
    cloud.store.on_fold = lambda: told.append(None)
    for number, fold in enumerate((cloud.fold, lambda: cloud.store.read_rows([RowKey("account", "a1")]))):
        cloud.add_account(f"a{number}")
        fold()
        fold()
        assert len(told) == number + 1


def test_rows_are_read_by_key_with_their_latest_changes(cloud: Cloud) -> None:
    cloud.add_account("acme")
    fetched = cloud.store.read_rows([RowKey("account", "acme"), RowKey("account", "nobody"), RowKey("disk", "x")])
    assert [row.key for row in fetched.rows] == ["acme"]
