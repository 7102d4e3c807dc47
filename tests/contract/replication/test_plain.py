"""Rows about which nothing is open go a way of their own, by the set: with the same results, and in fact used."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from contract.replication.regions import Region, pull, settle
from contract.replication.test_histories import People
from region_operator.replication.feed import FeedRequest, FeedRow, RowKey
from region_operator.replication.store import apply, intake
from region_operator.replication.store.plain_apply import PlainApplication
from region_operator.replication.store.plain_fold import PlainFold

AWKWARD = 'O"Neil \\ 50 % \n\t\x01 null é \U0001d11e '


def history(make_region: Callable[..., Region], *, seed: int, bulk: bool = False) -> list[Any]:
    """Two regions that write at random and pull from each other; returns what the databases hold in the end."""
    draw = random.Random(seed)
    regions = [make_region(number) for number in (1, 2)]
    for region in regions:
        region.sql("SET timestamp = 1780000000")
    people = [People(region, draw) for region in regions]
    for number in range(20):
        regions[0].add_account(f"a-0-{number}")
        regions[0].add_user(f"u-0-{number}", account=f"a-0-{number}", api_key=f"{AWKWARD}{number}")
    settle(*regions)
    for _ in range(60):
        draw.choice(people).write()
        if draw.random() < 0.2:
            draw.choice(regions).sql(
                "UPDATE user SET lastname = %s WHERE uuid LIKE 'u-0-%%'", [f"{AWKWARD}{draw.random()}"]
            )
        if draw.random() < 0.2:
            target, source = draw.sample(regions, 2)
            pull(target, source, max_rows=draw.choice([1, 7, 1000]), bulk=bulk)
    settle(*regions)
    return [held(region) for region in regions]


def held(region: Region) -> dict[str, Any]:
    """What is in a database, but for numbers, and for whom a row came from, which a row that waited has forgotten."""
    ours = "entity_key NOT LIKE 'well-known:%'"
    return {
        **region.content(),
        "versions": region.sync_sql(
            f"SELECT entity, entity_key, complete, state, alive FROM row_version WHERE {ours} ORDER BY 1, 2"
        ),
        "parked": region.sync_sql("SELECT entity, entity_key, reason FROM parked ORDER BY 1, 2"),
        "conflicts": region.sync_sql(
            f"SELECT entity, entity_key, field, state FROM conflict WHERE {ours} ORDER BY 1, 2, 3"
        ),
    }


@pytest.mark.parametrize("seed", range(2))
def test_all_ways_leave_the_same_databases(
    make_region: Callable[..., Region], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    by_set = history(make_region, seed=seed)
    by_bulk = history(make_region, seed=seed, bulk=True)
    with monkeypatch.context() as patch:
        patch.setattr(PlainApplication, "run", lambda self, rows: list(rows))
        patch.setattr(PlainFold, "run", lambda self, keys: list(keys))
        row_by_row = history(make_region, seed=seed)
    assert by_set == row_by_row
    assert by_bulk == row_by_row


def test_rows_about_which_nothing_is_open_are_not_looked_at_one_by_one(
    two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    settle(here, there)
    monkeypatch.setattr(intake, "take_in", refuse)
    monkeypatch.setattr(apply.Application, "fold", refuse)
    for number in range(3):
        here.add_account(f"a{number}")
        here.add_user(f"u{number}", account=f"a{number}", api_key=f"k{number}")
    pull(there, here)
    here.sql("UPDATE user SET email = %s, state = 'locked' WHERE uuid LIKE 'u%%'", ['O"Neil \\ é'])
    pull(there, here)
    there.sql("UPDATE user SET email = 'plain again' WHERE uuid LIKE 'u%'")
    pull(here, there)
    assert here.value("user", "u1", "email") == "plain again"
    assert here.content() == there.content()


@pytest.mark.rule("ENGINE 18")
def test_a_fold_by_the_set_reads_parents_that_a_writer_holds_and_locks_none(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    region.add_account("acme")
    region.add_user("jane", account="acme")
    region.fold()
    region.sql("UPDATE user SET email = 'jane@example.org' WHERE uuid = 'jane'")
    writer = region.server.admin_connection(region.schemas.business, autocommit=False)
    monkeypatch.setattr(apply.Application, "fold", refuse)
    with writer.cursor() as cursor:
        cursor.execute("SELECT id FROM account WHERE uuid = 'acme' FOR UPDATE")
        region.fold()
    writer.close()
    assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("a plain row went the general way")


@pytest.mark.rule("ENGINE 1")
def test_a_dot_that_names_two_values_is_found_also_by_the_set(two: tuple[Region, Region]) -> None:
    here, there = two
    for number in range(3):
        here.add_account(f"a{number}")
    settle(here, there)
    there.sql("SET @region_sync_apply = 1")  # behind the triggers
    there.sql("UPDATE account SET network_domain = 'forged' WHERE uuid = 'a1'")
    here.sql("UPDATE account SET state = 'locked' WHERE uuid LIKE 'a_'")
    pull(there, here)
    assert [(parked.row.key, parked.reason) for parked in there.store.parked()] == [("a1", "DotReuse")]
    assert [there.value("account", f"a{n}", "state") for n in range(3)] == ["locked", "enabled", "locked"]


@pytest.mark.rule("ENGINE 20")
def test_a_value_that_the_database_makes_another_of_is_kept_beside_it(two: tuple[Region, Region]) -> None:
    here, there = two
    here.sql("ALTER TABLE account MODIFY created DATETIME(6) NOT NULL")
    here.add_account("acme")
    here.sql("UPDATE account SET created = '2026-01-01 00:00:00.7' WHERE uuid = 'acme'")
    pull(there, here)
    kept = there.sync_sql("SELECT complete, state FROM row_version WHERE entity_key = 'acme'")
    assert kept[0][0] == 1
    assert "2026-01-01 00:00:00.700000" in kept[0][1]
    assert here.states()[("account", "acme")] == there.states()[("account", "acme")]


@pytest.mark.rule("ENGINE 24")
def test_the_database_refusing_one_row_of_many_parks_that_one(two: tuple[Region, Region]) -> None:
    here, there = two
    there.add_account("own")
    there.add_user("holder", account="own", api_key="taken")
    settle(here, there)
    here.sql("SET @region_sync_apply = 1")
    here.sql("UPDATE user SET api_key = NULL WHERE uuid = 'holder'")
    here.sql("SET @region_sync_apply = NULL")
    here.add_account("many")
    for number in range(9):
        here.add_user(f"u{number}", account="many", api_key="taken" if number == 4 else f"k{number}")
    pull(there, here, fetch=False)
    assert [there.has("user", f"u{number}") for number in range(9)] == [number != 4 for number in range(9)]
    assert [parked.row.key for parked in there.store.parked()] == ["u4"]


@pytest.mark.rule("ENGINE 10")
def test_a_name_given_twice_within_one_page_is_not_shown_twice(two: tuple[Region, Region]) -> None:
    here, there = two
    for key in ("one", "two", "three"):
        here.add_account(key, name="same" if key != "three" else "other")
    pull(there, here)
    assert sum(there.has("account", key) for key in ("one", "two")) == 1
    assert there.has("account", "three")
    assert {parked.reason for parked in there.store.parked()} <= {"UniqueClash", "UniquePartner"}


@pytest.mark.rule("ENGINE 22")
def test_a_parent_that_a_writer_holds_is_not_waited_for(two: tuple[Region, Region]) -> None:
    here, there = two
    for number in range(2):
        here.add_account(f"a{number}")
    settle(here, there)
    for number in range(2):
        here.add_user(f"u{number}", account=f"a{number}")
    there.sql("START TRANSACTION")
    there.sql("SELECT id FROM account WHERE uuid = 'a0' FOR UPDATE")
    pull(there, here)
    assert [there.has("user", f"u{number}") for number in range(2)] == [False, True]
    there.sql("COMMIT")
    there.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6)")
    there.store.retry_parked()
    assert there.has("user", "u0")


def test_a_page_that_names_a_row_twice_is_taken_like_any_other(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    here.fold()
    page = here.read(FeedRequest(peer=there.id))
    twice = [row for row in page.rows if row.key == "acme"] * 2
    context = there.store._writer
    outcome = context.write(lambda session: context.apply(session, twice, source=1, incarnation=page.incarnation))
    assert outcome.changed == 1
    assert FeedRow(0, "account", "acme", "").row_key == RowKey("account", "acme")
    assert there.has("account", "acme")
