"""Hashes of business rows in MariaDB: how they are kept, and how rows are found by them."""

from collections.abc import Callable
from typing import Any

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.replication.catalog import CATALOG
from region_operator.replication.feed import RowKey

pytestmark = pytest.mark.rule("ENGINE 28")


def people(region: Region, *names: str) -> None:
    for name in names:
        region.add_account(f"a-{name}")
        region.add_user(f"u-{name}", account=f"a-{name}")


def unhashed(region: Region) -> set[tuple[Any, ...]]:
    """Rows without a hash that ought to have one."""
    exempt = ", ".join(
        f"'{name}'" for name, entity in CATALOG.items() if entity.key_column is None or entity.append_only
    )
    return set(
        region.sync_sql(
            "SELECT entity, entity_key FROM row_version WHERE NOT complete AND lsn IS NOT NULL "
            f"AND content_hash IS NULL AND entity_key NOT LIKE 'well-known%%' AND entity NOT IN ({exempt})"
        )
    )


def test_every_way_to_a_version_keeps_the_hash_of_the_row(make_region: Callable[..., Region]) -> None:
    here, there = make_region(1, prepared=False), make_region(2)
    people(here, *(f"genesis-{number}" for number in range(5)))
    here.prepare()
    here.open()
    people(here, "folded")
    pull(there, here, bulk=True)
    people(here, "applied")
    here.sql("UPDATE user SET email = 'new@example.net' WHERE uuid = 'u-folded'")
    settle(here, there)
    assert there.value("user", "u-folded", "email") == "new@example.net"
    assert unhashed(here) == unhashed(there) == set()


def test_rows_of_an_earlier_version_get_their_hashes_from_the_first_look(region: Region) -> None:
    people(region, "one", "two")
    region.fold()
    region.sync_sql("ALTER TABLE row_version DROP COLUMN content_hash")
    region.prepare()
    assert len(unhashed(region)) == 4
    region.sql("SET @region_sync_apply = 1")
    region.sql("UPDATE user SET email = 'x' WHERE uuid = 'u-one'")
    assert region.store.drifted("user", after="", upto="") == []
    region.sql("UPDATE user SET email = 'y' WHERE uuid = 'u-one'")
    assert region.store.drifted("user", after="", upto="") == ["u-one"]


def test_what_scans_compare_is_the_same_after_an_upgrade(region: Region) -> None:
    people(region, "one", "two")
    region.fold()
    before = region.store.digest("user", after="", upto="", limit=100)
    region.sync_sql("ALTER TABLE row_version DROP COLUMN names_hash")
    region.prepare()
    assert before is not None
    assert before.rows >= 2
    assert region.store.digest("user", after="", upto="", limit=100) == before


def as_versioned(region: Region, *, after: str = "", upto: str = "") -> set[str]:
    """Entities whose rows are told to be as they were versioned, all at once."""
    found = {
        name: region.store.digest(name, after=after, upto=upto, limit=1000, contents=True)
        for name in region.store.exchanged()
    }
    return {name for name, digest in found.items() if digest is not None and digest.as_versioned}


def test_rows_that_nobody_touched_need_no_look_whatever_became_of_them(two: tuple[Region, Region]) -> None:
    here, there = two
    people(here, *(f"{number}" for number in range(6)))
    settle(here, there)
    here.sql("UPDATE user SET email = 'here@example.net' WHERE uuid = 'u-1'")
    there.sql("UPDATE user SET email = 'there@example.net' WHERE uuid = 'u-1'")
    here.sql("DELETE FROM user WHERE uuid = 'u-2'")
    there.sql("UPDATE user SET removed = '2026-01-02 00:00:00' WHERE uuid = 'u-3'")
    settle(here, there)
    here.sql("UPDATE user SET email = 'captured@example.net' WHERE uuid = 'u-1'")
    here.sql("UPDATE user SET email = 'captured@example.net' WHERE uuid = 'u-4'")
    here.sql("DELETE FROM user WHERE uuid = 'u-5'")
    people(here, "new")
    for region in two:
        assert {"domain", "account", "user"} <= as_versioned(region)
        assert {"account", "user"} <= as_versioned(region, after="a-1", upto="u-3")
        assert "account_detail" not in as_versioned(region)  # nobody can tell: it is walked


@pytest.mark.parametrize(
    "written",
    [
        ["UPDATE user SET email = 'x' WHERE uuid = 'u-1'"],
        ["UPDATE user SET email = 'X' WHERE uuid = 'u-2'"],
        ["UPDATE user SET lastname = '' WHERE uuid = 'u-1'"],
        ["DELETE FROM user WHERE uuid = 'u-1'"],
        ["UPDATE user SET uuid = 'u-other' WHERE uuid = 'u-1'"],
        ["UPDATE user SET email = 'x' WHERE uuid = 'u-1'", "UPDATE user SET email = 'jane@example' WHERE uuid = 'u-2'"],
    ],
)
def test_rows_that_were_changed_behind_the_triggers_need_a_look(region: Region, written: list[str]) -> None:
    people(region, "1", "2")
    region.sql("UPDATE user SET lastname = NULL, email = 'jane@example' WHERE uuid = 'u-1'")
    region.sql("UPDATE user SET email = 'x' WHERE uuid = 'u-2'")
    region.fold()
    assert "user" in as_versioned(region)
    region.sql("SET @region_sync_apply = 1")
    for statement in written:
        region.sql(statement)
    assert "user" not in as_versioned(region)
    assert "account" in as_versioned(region)


def test_a_row_that_no_version_names_needs_a_look_and_its_walk_is_the_only_one(region: Region) -> None:
    people(region, "1")
    region.fold()
    region.sql("SET @region_sync_apply = 1")
    people(region, "2")
    assert not {"user", "account"} & as_versioned(region)
    assert region.store.name("user", after=0, limit=100).mended.repaired == 1
    assert "user" in as_versioned(region)


def test_columns_that_prepare_finds_changed_are_no_drift_of_all_rows(region: Region) -> None:
    people(region, "one")
    region.fold()
    region.prepare()
    region.sql("SET @region_sync_apply = 1")
    region.sql("UPDATE account SET state = 'x' WHERE uuid = 'a-one'")
    region.sql("ALTER TABLE user MODIFY created DATETIME(3)")
    region.prepare()
    assert region.store.drifted("user", after="", upto="") == []
    assert region.store.drifted("account", after="", upto="") == ["a-one"]


def test_hashes_of_an_earlier_form_are_no_drift_of_all_rows(region: Region) -> None:
    people(region, "one")
    region.fold()
    region.sync_sql("UPDATE entity SET shape = JSON_REMOVE(shape, '$.form')")
    region.sync_sql("UPDATE row_version SET content_hash = content_hash ^ 1")
    region.prepare()
    assert region.store.drifted("user", after="", upto="") == []
    assert "user" in as_versioned(region)


def test_a_row_that_drifted_and_was_changed_elsewhere_gives_only_what_drifted(two: tuple[Region, Region]) -> None:
    here, there = two
    people(here, "one")
    settle(here, there)
    here.sql("SET @region_sync_apply = 1")
    here.sql("UPDATE user SET email = 'drifted@example.net' WHERE uuid = 'u-one'")
    here.sql("SET @region_sync_apply = NULL")
    there.sql("UPDATE user SET firstname = 'June' WHERE uuid = 'u-one'")
    there.fold()
    rows = there.store.read_rows([RowKey("user", "u-one")])
    mended = here.store.mend("user", ["u-one"], rows, capture=True)
    assert (mended.found, mended.repaired) == (1, 1)
    settle(here, there)
    for region in two:
        assert region.value("user", "u-one", "email") == "drifted@example.net"
        assert region.value("user", "u-one", "firstname") == "June"
        assert region.store.conflicts(state=None) == []
