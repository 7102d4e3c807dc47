"""Two rows of one name in two regions: parked, renamed or adopted, in the end the same everywhere, and said."""

import functools

import pytest

from contract.replication import regions
from contract.replication.regions import Region, clashes, default_rules, pull, settle

MANY = 1000


def retry(region: Region) -> None:
    region.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6) WHERE state = 'Parked'")
    for _ in range(4 * MANY // 200):
        if not region.store.retry_parked().received:
            break


meet = functools.partial(regions.meet, retry=retry)


def regions_under(make_region, *rules: str) -> list[Region]:
    return [make_region(number, unique_clash=rule) for number, rule in enumerate(rules, start=1)]


def names(region: Region, table: str = "account", column: str = "account_name") -> dict[str, str]:
    rows = region.sql(f"SELECT uuid, {column} FROM `{table}` WHERE removed IS NULL AND NOT `default`")
    return {str(key): str(name) for key, name in rows}


def account_of(region: Region, user: str) -> str:
    return region.sql("SELECT a.uuid FROM user u JOIN account a ON a.id = u.account_id WHERE u.uuid = %s", [user])[0][0]


def two_accounts_of_one_name(here: Region, there: Region) -> None:
    here.add_account("one", name="acme")
    here.add_user("ann", account="one")
    there.add_account("two", name="acme")
    there.add_user("bob", account="two")


# Rename


@pytest.mark.rule("ENGINE 7")
def test_the_row_born_later_takes_the_key_of_the_other_where_it_lives_and_all_that_refers_to_it_stays(
    make_region,
) -> None:
    here, there = regions_under(make_region, "Adopt", "Adopt")
    two_accounts_of_one_name(here, there)
    there.sql("UPDATE account SET network_domain = 'there.example' WHERE uuid = 'two'")
    (before,) = there.sql("SELECT id FROM account WHERE uuid = 'two'")
    meet(here, there)
    assert there.sql("SELECT id FROM account WHERE uuid = 'one'") == [before]
    for region in (here, there):
        assert names(region) == {"one": "acme"}
        assert account_of(region, "ann") == account_of(region, "bob") == "one"
        assert region.store.parked() == []
        assert {(rule, state) for _, rule, state in clashes(region)} == {("Adopt", "Closed")}
        (record,) = [c for c in region.store.conflicts(state=None) if c.row.key == "one" and c.kind == "Value"]
        assert record.field == "network_domain"
        assert {value.value for value in record.values} == {None, "there.example"}
    assert here.states() == there.states()
    assert here.content() == there.content()
    assert here.sync_sql("SELECT entity_key, adopter FROM alias") == [("two", "one")]


def details(region: Region) -> dict[tuple[str, str], str]:
    rows = region.sql("SELECT a.uuid, d.name, d.value FROM account_details d JOIN account a ON a.id = d.account_id")
    assert len(rows) == len({row[:2] for row in rows})
    return {(str(key), str(name)): str(value) for key, name, value in rows if key in ("one", "two")}


def add_detail(region: Region, account: str, name: str, value: str) -> None:
    region.sql(
        "INSERT INTO account_details (account_id, name, value) SELECT id, %s, %s FROM account WHERE uuid = %s",
        [name, value, account],
    )


@pytest.mark.rule("ENGINE 7")
def test_rows_that_are_named_after_an_adopted_one_are_named_anew(make_region) -> None:
    here, there, third = regions_under(make_region, "Adopt", "Adopt", "Park")
    two_accounts_of_one_name(here, there)
    add_detail(here, "one", "both", "same")
    for name, value in (("both", "same"), ("only", "there"), ("gone", "there")):
        add_detail(there, "two", name, value)
    pull(third, there)
    meet(here, there)
    meet(here, there, third)
    for region in (here, there, third):
        assert details(region) == {("one", "both"): "same", ("one", "only"): "there", ("one", "gone"): "there"}
        assert region.store.parked() == []
    there.sql("UPDATE account_details SET value = 'changed' WHERE name = 'only'")
    there.sql("DELETE FROM account_details WHERE name = 'gone'")
    meet(here, there, third)
    for region in (here, there, third):
        assert details(region) == {("one", "both"): "same", ("one", "only"): "changed"}
    assert here.states() == there.states() == third.states()


@pytest.mark.rule("ENGINE 10")
@pytest.mark.parametrize("rule", ["Rename", "Adopt"])
def test_another_policy_settles_what_waits_already_dead_letters_too(make_region, rule: str) -> None:
    here, there = regions_under(make_region, "Park", "Park")
    two_accounts_of_one_name(here, there)
    meet(here, there)
    for region in (here, there):
        assert {state for _, _, state in clashes(region)} == {"Open"}
        region.sync_sql("UPDATE parked SET state = 'Dead' WHERE reason = 'UniqueClash'")
        region.store.set_rules(default_rules(unique_clash=rule))
    meet(here, there)
    for region in (here, there):
        assert region.store.parked() == []
        assert {(of, state) for _, of, state in clashes(region)} == {(rule, "Closed")}
    assert here.states() == there.states()
    assert here.content() == there.content()


@pytest.mark.rule("ENGINE 8")
def test_rows_that_every_cloud_has_are_neither_renamed_nor_adopted(make_region) -> None:
    here, there = regions_under(make_region, "Adopt", "Rename")
    here.sql("UPDATE account SET account_name = 'boss' WHERE account_name = 'admin'")
    meet(here, there)
    there.add_account("boss-2", name="boss")
    there.fold()
    meet(here, there)
    assert here.sql("SELECT account_name FROM account WHERE `default` AND type = 1 ORDER BY id DESC LIMIT 1")[0] == (
        "boss",
    )
    assert names(there).get("boss-2") == "boss"


@pytest.mark.rule("ENGINE 7")
def test_names_that_are_secrets_wait_for_people(make_region) -> None:
    here, there = regions_under(make_region, "Adopt", "Adopt")
    for region, key in ((here, "ann"), (there, "bob")):
        region.add_account(f"of-{key}")
        region.add_user(key, account=f"of-{key}", api_key="the same key")
    meet(here, there)
    for region in (here, there):
        assert region.store.counts().unique_clashes == 1
        assert [(row.row.entity, row.reason) for row in region.store.parked()] == [("user", "UniqueClash")]
        assert region.sync_sql("SELECT COUNT(*) FROM alias") == [(0,)]


# Two populated regions


def populate(region: Region, *, prefix: str) -> None:
    region.sql(
        "INSERT INTO account (uuid, account_name, type, role_id, domain_id, created) "
        f"SELECT CONCAT(%s, seq), CONCAT('acme', seq), 0, 4, 1, '2026-01-01 00:00:00' FROM seq_1_to_{MANY}",
        [f"{prefix}a"],
    )
    region.sql(
        "INSERT INTO user (uuid, username, password, account_id, firstname, lastname, email, source, created) "
        "SELECT CONCAT(%s, a.account_name), CONCAT(%s, a.account_name), 'hash', a.id, 'Jane', 'Doe', %s, 'NATIVE', "
        "'2026-01-01 00:00:00' FROM account a WHERE a.account_name LIKE 'acme%%0'",
        [f"{prefix}u", prefix, f"{prefix}@example"],
    )


def ask_all_partners(region: Region) -> None:
    """Try rows again that wait for the row of their name, until each knows that it did not give it up."""
    first_in_line = "next_try = UTC_TIMESTAMP(6), parked_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"
    for _ in range(2 * MANY // 200):
        region.sync_sql(f"UPDATE parked SET {first_in_line} WHERE reason = 'UniquePartner'")
        region.store.retry_parked()


@pytest.mark.rule("ENGINE 10")
@pytest.mark.parametrize("rule", ["Park", "Rename", "Adopt"])
def test_two_populated_regions_with_a_thousand_equal_names_are_peered(make_region, rule: str) -> None:
    here, there = (make_region(number, prepared=False, unique_clash=rule) for number in (1, 2))
    for region, prefix in ((here, "h"), (there, "t")):
        populate(region, prefix=prefix)
        region.prepare()
        region.open()
    if rule == "Park":
        settle(here, there)
        for region in (here, there):
            ask_all_partners(region)
            assert len(names(region)) == region.store.counts().unique_clashes == MANY
        assert here.states() == there.states()
        return
    meet(here, there)
    assert here.states() == there.states()
    found = names(here)
    assert here.content() == there.content()
    assert here.store.parked() == there.store.parked() == []
    assert len(found) == (2 * MANY if rule == "Rename" else MANY)
    assert len(set(found.values())) == len(found)
    users = names(here, "user", "username")
    assert len(users) == MANY // 5
    assert all(account_of(here, user) in found for user in users)
    assert {(of, state) for _, of, state in clashes(here)[:50]} == {(rule, "Closed")}
