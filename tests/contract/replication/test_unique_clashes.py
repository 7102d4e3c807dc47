"""Two rows of one name in two regions: parked, renamed or adopted, in the end the same everywhere, and said."""

import itertools

import pytest

from contract.replication.regions import Region, default_rules, pull, settle
from region_operator.replication.feed import RowKey

MANY = 1000


def meet(*regions: Region, rounds: int = 60) -> None:
    """Exchange until nothing moves, and let rows that wait be tried again meanwhile."""
    for _ in range(rounds):
        heads = [region.store.head() for region in regions]
        for target, source in itertools.permutations(regions, 2):
            pull(target, source)
            target.fold()
        for region in regions:
            region.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6) WHERE state = 'Parked'")
            for _ in range(4 * MANY // 200):
                if not region.store.retry_parked().received:
                    break
        if heads == [region.store.head() for region in regions]:
            return
    raise AssertionError("the regions never come to rest")


def regions_under(make_region, *rules: str) -> list[Region]:
    return [make_region(number, unique_clash=rule) for number, rule in enumerate(rules, start=1)]


def names(region: Region, table: str = "account", column: str = "account_name") -> dict[str, str]:
    rows = region.sql(f"SELECT uuid, {column} FROM `{table}` WHERE removed IS NULL AND NOT `default`")
    return {str(key): str(name) for key, name in rows}


def clashes(region: Region) -> list[tuple[str, str, str]]:
    return sorted((c.row.key, c.rule, c.state) for c in region.store.conflicts(state=None) if c.kind == "UniqueClash")


def account_of(region: Region, user: str) -> str:
    return region.sql("SELECT a.uuid FROM user u JOIN account a ON a.id = u.account_id WHERE u.uuid = %s", [user])[0][0]


def two_accounts_of_one_name(here: Region, there: Region) -> None:
    here.add_account("one", name="acme")
    here.add_user("ann", account="one")
    there.add_account("two", name="acme")
    there.add_user("bob", account="two")


# Rename


@pytest.mark.rule("ENGINE 7")
def test_the_region_that_made_the_row_born_later_renames_it_once(make_region) -> None:
    here, there = regions_under(make_region, "Rename", "Rename")
    two_accounts_of_one_name(here, there)
    meet(here, there)
    for region in (here, there):
        assert names(region) == {"one": "acme", "two": "acme-two"}
        assert region.store.parked() == []
        assert region.store.counts().unique_clashes == 0
        assert account_of(region, "bob") == "two"
    assert here.states() == there.states()
    assert here.content() == there.content()
    assert {state for _, _, state in clashes(here) + clashes(there)} == {"Closed"}
    assert {rule for _, rule, _ in clashes(here) + clashes(there)} == {"Rename"}
    # Only the creator wrote: the change is one of region 2.
    assert f'"{there.store.history()[-1].name}' in there.states()[("account", "two")].replace("2.", '"')
    assert here.store.history()[-1].name not in here.states()[("account", "two")]


@pytest.mark.rule("ENGINE 7")
def test_a_region_that_is_gone_is_stood_in_for_by_the_smallest_that_holds_the_row(make_region) -> None:
    a, b, gone = regions_under(make_region, "Rename", "Rename", "Rename")
    gone.add_account("lost", name="acme")
    pull(b, gone)
    b.store.leave(gone.id)
    a.add_account("acme-a", name="acme")
    meet(a, b)
    for region in (a, b):
        assert names(region) == {"acme-a": "acme", "lost": "acme-lost"}
        assert region.store.parked() == []
    assert a.store.history()[-1].name in a.states()[("account", "lost")]
    assert b.store.history()[-1].name not in a.states()[("account", "lost")]


def test_a_new_name_fits_its_column_and_is_another_one_if_it_is_taken_too(make_region) -> None:
    here, there = regions_under(make_region, "Rename", "Rename")
    long = "x" * 100
    here.add_account("one", name=long)
    here.add_account("other", name="x" * 96 + "-two")
    there.add_account("two", name=long)
    meet(here, there)
    assert len(set(names(here).values())) == 3
    assert names(here) == names(there)
    assert here.content() == there.content()


# Adopt


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


@pytest.mark.rule("ENGINE 7")
def test_rows_below_an_adopted_one_go_on_being_changed_and_made(make_region) -> None:
    here, there = regions_under(make_region, "Adopt", "Adopt")
    two_accounts_of_one_name(here, there)
    meet(here, there)
    there.sql("UPDATE user SET email = 'bob@new' WHERE uuid = 'bob'")
    here.sql("UPDATE user SET lastname = 'Bobson' WHERE uuid = 'bob'")
    there.add_user("cid", account="one")
    there.sql("UPDATE account SET state = 'locked' WHERE uuid = 'one'")
    meet(here, there)
    for region in (here, there):
        assert region.value("user", "bob", "email") == "bob@new"
        assert region.value("user", "bob", "lastname") == "Bobson"
        assert region.value("account", "one", "state") == "locked"
        assert account_of(region, "cid") == "one"
    assert here.states() == there.states()
    assert here.content() == there.content()


@pytest.mark.rule("ENGINE 7")
def test_users_of_one_name_in_accounts_of_one_name_become_one_user(make_region) -> None:
    here, there = regions_under(make_region, "Adopt", "Adopt")
    for region, account, user in ((here, "one", "jo-1"), (there, "two", "jo-2")):
        region.add_account(account, name="acme")
        region.add_user(user, account=account, name="jo")
    meet(here, there)
    for region in (here, there):
        assert names(region, "user", "username") == {"jo-1": "jo"}
        # The accounts are one by now, so which of them the user is in is no disagreement.
        assert [c.field for c in region.store.conflicts(state=None) if c.row.key == "jo-1" and c.kind == "Value"] == []
    assert here.states() == there.states()


@pytest.mark.rule("ENGINE 7")
def test_a_region_that_does_not_know_of_the_adoption_yet_writes_to_the_old_key_and_nothing_is_lost(
    make_region,
) -> None:
    a, b, c = regions_under(make_region, "Adopt", "Adopt", "Park")
    b.add_account("two", name="acme")
    b.add_user("bob", account="two")
    pull(c, b)  # c knows only the one that will be adopted
    a.add_account("one", name="acme")
    meet(a, b)
    assert names(a) == names(b) == {"one": "acme"}
    c.sql("UPDATE account SET network_domain = 'late.example' WHERE uuid = 'two'")
    c.add_user("late", account="two")
    meet(a, b, c)
    for region in (a, b, c):
        assert names(region) == {"one": "acme"}
        assert region.value("account", "one", "network_domain") == "late.example"
        assert account_of(region, "late") == account_of(region, "bob") == "one"
        assert region.store.parked() == []
    assert a.states() == b.states() == c.states()
    assert a.content() == b.content() == c.content()


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


@pytest.mark.rule("ENGINE 7")
def test_where_both_rows_are_visible_the_one_that_was_adopted_goes_and_its_children_move(make_region) -> None:
    a, b, c = regions_under(make_region, "Adopt", "Adopt", "Adopt")
    b.add_account("two", name="acme")
    pull(c, b)
    c.sql("UPDATE account SET account_name = 'other' WHERE uuid = 'two'")
    c.add_user("cid", account="two")
    a.add_account("one", name="acme")
    pull(c, a)
    assert names(c) == {"one": "acme", "two": "other"}
    meet(a, b)
    meet(a, b, c)
    for region in (a, b, c):
        assert list(names(region)) == ["one"]
        assert account_of(region, "cid") == "one"
    assert a.states() == b.states() == c.states()
    assert a.content() == b.content() == c.content()


@pytest.mark.rule("ENGINE 7")
def test_an_adoption_waits_for_changes_of_children_that_are_not_versioned_yet(make_region) -> None:
    here, there = regions_under(make_region, "Adopt", "Adopt")
    two_accounts_of_one_name(here, there)
    there.fold()
    pull(there, here, fetch=False)
    there.sql("UPDATE user SET email = 'captured@only' WHERE uuid = 'bob'")
    there.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6)")
    there.store.retry_parked()
    there.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6)")
    there.store.retry_parked()
    assert {row.row.key: row.reason for row in there.store.parked()}["two"] == "RowLocked"
    assert there.has("account", "two")
    meet(here, there)
    assert not there.has("account", "two")
    assert here.value("user", "bob", "email") == "captured@only"
    assert here.states() == there.states()


@pytest.mark.rule("ENGINE 7")
@pytest.mark.parametrize("rules", [("Park", "Adopt"), ("Rename", "Adopt"), ("Rename", "Park"), ("Adopt", "Rename")])
def test_policies_that_differ_never_split_the_state(make_region, rules: tuple[str, str]) -> None:
    here, there = regions_under(make_region, *rules)
    two_accounts_of_one_name(here, there)
    meet(here, there)
    assert here.states() == there.states()
    if "Adopt" in rules:  # binds everywhere
        assert list(names(here)) == list(names(there)) == ["one"]
    for region in (here, there):
        region.store.set_rules(default_rules(unique_clash="Rename"))
    meet(here, there)
    assert here.states() == there.states()
    assert here.content() == there.content()
    assert here.store.parked() == there.store.parked() == []


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


def test_what_an_adopted_row_was_is_found_by_its_old_key(make_region) -> None:
    here, there = regions_under(make_region, "Adopt", "Adopt")
    two_accounts_of_one_name(here, there)
    meet(here, there)
    assert {row.key for row in here.store.read_rows([RowKey("account", "two"), RowKey("account", "one")]).rows} == {
        "one",
        "two",
    }
