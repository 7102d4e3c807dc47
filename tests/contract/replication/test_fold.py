"""Captured changes become versions in the order in which they became visible."""

import threading
from typing import Any

import pytest

from contract.replication.regions import Region
from region_operator.replication.feed import FeedRequest
from region_operator.replication.model.lag import START


def open_writer(region: Region) -> Any:
    connection = region.server.admin_connection(region.schemas.business, autocommit=False)
    with connection.cursor() as cursor:
        # Else an UPDATE by unique key locks the gap beside it, and the test's own writers wait for each other.
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return connection


def keys(region: Region, after: int = 0) -> list[str]:
    return [
        key for (key,) in region.sync_sql("SELECT entity_key FROM row_version WHERE lsn > %s ORDER BY lsn", [after])
    ]


@pytest.mark.rule("ENGINE 18")
def test_versions_are_numbered_as_changes_become_visible_whoever_wrote_first(region: Region) -> None:
    region.fold()
    head = region.store.head()
    first, second = open_writer(region), open_writer(region)
    insert = "INSERT INTO account (uuid, account_name, type, domain_id) VALUES (%s, %s, 0, 1)"
    with first.cursor() as a, second.cursor() as b:
        a.execute(insert, ("a1", "a1"))
        b.execute(insert, ("b1", "b1"))
        a.execute(insert, ("a2", "a2"))
        second.commit()
        region.fold()
        assert keys(region, head) == ["b1"]
        first.commit()
        region.fold()
    assert keys(region, head) == ["b1", "a1", "a2"]
    first.close()
    second.close()


@pytest.mark.rule("ENGINE 18")
def test_one_long_transaction_does_not_stop_capture_of_the_others(region: Region) -> None:
    region.add_account("held")
    region.fold()
    head = region.store.head()
    holder = open_writer(region)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE account SET network_domain = 'x' WHERE uuid = 'held'")
        region.add_account("free")
        outcome = region.store.fold()
    assert (outcome.folded, outcome.busy) == (1, 0)
    assert keys(region, head) == ["free"]
    holder.commit()
    holder.close()
    region.fold()
    assert keys(region, head) == ["free", "held"]


@pytest.mark.rule("ENGINE 18")
def test_a_row_with_captured_changes_that_is_written_again_waits_for_its_writer(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    region.sql("UPDATE account SET network_domain = 'one' WHERE uuid = 'acme'")
    holder = open_writer(region)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE account SET network_domain = 'two' WHERE uuid = 'acme'")
        outcome = region.store.fold()
        assert (outcome.folded, outcome.busy) == (0, 1)
    holder.commit()
    holder.close()
    region.fold()
    assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]
    assert '"two"' in region.states()[("account", "acme")]


@pytest.mark.rule("ENGINE 19")
def test_a_reader_that_follows_the_numbers_misses_nothing_under_concurrent_writers(region: Region) -> None:
    names = {f"{writer}-{number}" for writer in range(4) for number in range(25)}

    def write(writer: int) -> None:
        connection = open_writer(region)
        with connection.cursor() as cursor:
            for number in range(25):
                cursor.execute(
                    "INSERT INTO account (uuid, account_name, type, domain_id) VALUES (%s, %s, 0, 1)",
                    (f"{writer}-{number}", f"{writer}-{number}"),
                )
                if number % 3 == writer % 3:
                    connection.commit()
        connection.commit()
        connection.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    seen: set[str] = set()
    cursor = START
    while True:
        done = not any(thread.is_alive() for thread in threads)
        region.store.fold(10)
        page = region.read(FeedRequest(peer=2, after=cursor, max_rows=7))
        seen |= {row.key for row in page.rows}
        cursor = page.next
        if done and not page.rows and region.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]:
            break
    assert names <= seen


@pytest.mark.rule("ENGINE 8")
def test_rows_that_were_there_before_get_versions_named_after_their_content(region: Region) -> None:
    states = region.states()
    assert set(states) == {
        ("domain", "well-known:domain:ROOT"),
        ("account", "well-known:account:admin"),
        ("user", "well-known:user:admin"),
    }
    assert all('"a":["g' in state for state in states.values())


@pytest.mark.rule("ENGINE 20")
def test_values_live_in_the_business_row_until_it_cannot_hold_them(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    version = "SELECT complete, state FROM row_version WHERE entity_key = 'acme'"
    ((complete, state),) = region.sync_sql(version)
    assert not complete
    assert "enabled" not in state
    region.sql("UPDATE account SET removed = '2026-02-02 00:00:00' WHERE uuid = 'acme'")
    region.fold()
    ((complete, state),) = region.sync_sql(version)
    assert complete
    assert "enabled" in state
