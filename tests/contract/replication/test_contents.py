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
