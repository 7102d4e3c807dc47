"""Concurrent changes: different fields merge, the same field is settled and recorded, names clash in the open."""

import pytest

from contract.replication.regions import Region, settle


def share_a_user(*regions: Region) -> None:
    regions[0].add_domain("sales")
    regions[0].add_account("acme", domain="sales")
    regions[0].add_user("jane", account="acme", api_key="k")
    settle(*regions)


def set_user(region: Region, column: str, value: str) -> None:
    region.sql(f"UPDATE user SET {column} = %s WHERE uuid = 'jane'", [value])


def conflicts(region: Region) -> list[tuple[str, str, str]]:
    return [
        (conflict.row.key, conflict.field, conflict.state)
        for conflict in region.store.conflicts(state=None)
        if not conflict.row.key.startswith("well-known")
    ]


def test_secrets_never_show_in_conflict_records(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "password", "hash of here")
    set_user(there, "password", "hash of there")
    set_user(here, "api_key", "key of here")
    set_user(there, "api_key", "key of there")
    settle(here, there)
    assert here.content() == there.content()
    assert {field for _, field, _ in conflicts(here)} == {"password", "api_keys"}
    records = str(here.sync_sql("SELECT record FROM conflict"))
    assert "(secret " in records
    for secret in ("hash of", "key of", "secret of"):
        assert secret not in records


@pytest.mark.rule("ENGINE 8")
def test_one_key_given_to_two_things_by_clouds_that_never_met_is_never_merged(make_region) -> None:
    here, there = make_region(1, prepared=False), make_region(2, prepared=False)
    here.add_account("3", name="acme")
    there.add_account("3", name="zebra")
    for region in (here, there):
        region.prepare()
        region.open()
    settle(here, there)
    assert (here.value("account", "3", "account_name"), there.value("account", "3", "account_name")) == (
        "acme",
        "zebra",
    )
    assert [parked.reason for parked in here.store.parked()] == ["KeyReused"]


@pytest.mark.rule("ENGINE 8")
def test_clouds_cloned_from_one_dump_are_equal_from_the_start(make_region) -> None:
    here, there = make_region(1, prepared=False), make_region(2, prepared=False)
    here.add_account("acme")
    for table in ("domain", "account", "user"):
        there.sql("SET FOREIGN_KEY_CHECKS = 0")
        there.sql(f"DELETE FROM `{table}`")
        there.sql(f"INSERT INTO `{table}` SELECT * FROM {here.schemas.business}.`{table}`")
    there.sql("UPDATE account SET network_domain = 'differs' WHERE uuid = 'acme'")
    for region in (here, there):
        region.prepare()
        region.open()
    settle(here, there)
    assert conflicts(here) == conflicts(there) == [("acme", "network_domain", "Settled")]
    assert here.content() == there.content()


def test_renaming_a_domain_moves_everything_below_it(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_domain("a")
    here.add_domain("b", parent="a")
    here.add_domain("c", parent="b")
    settle(here, there)
    assert there.value("domain", "c", "path") == "/a/b/c/"
    here.sql("UPDATE domain SET name = 'x', path = '/x/' WHERE uuid = 'a'")
    here.sql("UPDATE domain SET path = '/x/b/' WHERE uuid = 'b'")
    here.sql("UPDATE domain SET path = '/x/b/c/' WHERE uuid = 'c'")
    settle(here, there)
    assert there.value("domain", "c", "path") == "/x/b/c/"
    assert here.content() == there.content()
    assert there.value("domain", "a", "child_count") == 1
    here.sql("UPDATE domain SET removed = UTC_TIMESTAMP(), state = 'Inactive' WHERE uuid = 'c'")
    settle(here, there)
    assert there.value("domain", "b", "child_count") == 0
