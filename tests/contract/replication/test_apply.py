"""What becomes of rows that arrive: joined, shown, or parked with a reason."""

import contextlib
from dataclasses import replace

import pytest

from contract.replication.regions import Region, pull
from region_operator.replication.feed import FeedPage, FeedRequest
from region_operator.replication.model.lag import START
from region_operator.replication.store.connections import connect


def first_page(source: Region, **more: int) -> FeedPage:
    source.fold()
    return source.read(FeedRequest(peer=2, **more))


def only(page: FeedPage, *keys: str) -> FeedPage:
    return replace(page, rows=tuple(row for row in page.rows if row.key in keys))


@pytest.mark.rule("ENGINE 10")
def test_what_is_applied_is_not_captured_as_a_change_of_this_region(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    pull(there, here)
    assert there.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]
    assert there.states()[("account", "acme")] == here.states()[("account", "acme")]


@pytest.mark.rule("ENGINE 22")
def test_no_session_of_ours_waits_longer_than_a_second_for_a_row(region: Region) -> None:
    """In a deadlock with a large transaction of ours the management server would be the victim."""
    with contextlib.closing(connect(region.agent)) as session:
        assert session.one("SELECT @@innodb_lock_wait_timeout, @@tx_isolation") == (1, "READ-COMMITTED")


def test_the_cursor_commits_with_the_data(two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = two
    here.add_account("acme")
    page = first_page(here)
    from region_operator.replication.store import configuration

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(configuration, "move_cursor", crash)
        with pytest.raises(KeyboardInterrupt):
            there.store.apply(here.id, page)
    assert there.store.cursor(here.id) == START
    assert not there.has("account", "acme")
    there.reopen()
    there.store.apply(here.id, page)
    assert there.store.cursor(here.id) == page.next
    assert there.has("account", "acme")


def test_a_crash_of_the_server_between_two_pages_loses_and_repeats_nothing(two: tuple[Region, Region]) -> None:
    here, there = two
    for number in range(6):
        here.add_account(f"a{number}")
    pull_one = first_page(here, max_rows=4)
    there.store.apply(here.id, pull_one)
    there.server.kill()
    there.server.start()
    for region in two:
        region.writer = region.server.admin_connection(region.schemas.business)
    pull(there, here)
    assert {key for (key,) in there.sql("SELECT uuid FROM account WHERE uuid LIKE 'a_'")} == {f"a{n}" for n in range(6)}


def test_a_value_that_does_not_fit_parks_its_row(two: tuple[Region, Region]) -> None:
    here, there = two
    here.sql("ALTER TABLE account MODIFY network_domain VARCHAR(300)")
    here.add_account("good")
    here.add_account("bad")
    here.sql("UPDATE account SET network_domain = %s WHERE uuid = 'bad'", ["x" * 256])
    pull(there, here)
    assert there.has("account", "good")
    assert not there.has("account", "bad")
    (parked,) = there.store.parked()
    assert parked.reason == "WriteRefused"
    assert "256" in parked.message


@pytest.mark.rule("ENGINE 22")
def test_a_row_that_a_writer_holds_is_tried_again_and_neither_waits_for_the_other(
    two: tuple[Region, Region],
) -> None:
    here, there = two
    here.add_account("acme")
    here.add_account("other")
    pull(there, here)
    here.sql("UPDATE account SET network_domain = 'n' WHERE uuid IN ('acme', 'other')")
    holder = there.server.admin_connection(there.schemas.business, autocommit=False)
    with holder.cursor() as cursor:
        cursor.execute("SELECT id FROM account WHERE uuid = 'acme' FOR UPDATE")
        outcomes = pull(there, here)
        assert there.value("account", "other", "network_domain") == "n"
        assert sum(outcome.parked for outcome in outcomes) == 1
    holder.rollback()
    holder.close()
    there.store.retry_parked()
    assert there.value("account", "acme", "network_domain") == "n"
    assert there.store.parked() == []
