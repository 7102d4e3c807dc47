"""Two rows of one name in two regions: renamed or adopted as the policy says, in the end the same everywhere."""

import functools
from collections.abc import Callable

import pytest

from contract.replication import regions
from contract.replication.regions import clashes, default_rules, pull
from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.feed import RowKey

MakeCloud = Callable[..., Cloud]


def retry(cloud: Cloud) -> None:
    cloud.age_parked(hours=1)
    cloud.store.retry_parked()


meet = functools.partial(regions.meet, retry=retry)


def clouds_under(make_cloud: MakeCloud, *rules: str) -> list[Cloud]:
    return [make_cloud(number, unique_clash=rule) for number, rule in enumerate(rules, start=1)]


def names(cloud: Cloud, entity: str = "account", column: str = "account_name") -> dict[str, str]:
    return {key: columns[column] for (of, key), columns in cloud.content().items() if of == entity}


def account_of(cloud: Cloud, user: str) -> str:
    return str(cloud.value("user", user, "account_id"))


def two_accounts_of_one_name(here: Cloud, there: Cloud) -> None:
    here.add_account("one", name="acme")
    here.add_user("ann", account="one")
    there.add_account("two", name="acme")
    there.add_user("bob", account="two")


@pytest.mark.rule("ENGINE 7")
def test_the_region_that_made_the_row_born_later_renames_it_once(make_cloud: MakeCloud) -> None:
    here, there = clouds_under(make_cloud, "Rename", "Rename")
    two_accounts_of_one_name(here, there)
    meet(here, there)
    for cloud in (here, there):
        assert names(cloud) == {"one": "acme", "two": "acme-two"}
        assert cloud.store.parked() == []
        assert cloud.store.counts().unique_clashes == 0
        assert account_of(cloud, "bob") == "two"
    assert here.states() == there.states()
    assert here.content() == there.content()
    assert {state for _, _, state in clashes(here) + clashes(there)} == {"Closed"}
    assert {rule for _, rule, _ in clashes(here) + clashes(there)} == {"Rename"}
    # Only the creator wrote: the change is one of region 2.
    assert f'"{there.store.history()[-1].name}' in there.states()[("account", "two")].replace("2.", '"')
    assert here.store.history()[-1].name not in here.states()[("account", "two")]


@pytest.mark.rule("ENGINE 7")
def test_a_region_that_is_gone_is_stood_in_for_by_the_smallest_that_holds_the_row(make_cloud: MakeCloud) -> None:
    a, b, gone = clouds_under(make_cloud, "Rename", "Rename", "Rename")
    gone.add_account("lost", name="acme")
    pull(b, gone)
    b.store.leave(gone.id)
    a.add_account("acme-a", name="acme")
    meet(a, b)
    for cloud in (a, b):
        assert names(cloud) == {"acme-a": "acme", "lost": "acme-lost"}
        assert cloud.store.parked() == []
    assert a.store.history()[-1].name in a.states()[("account", "lost")]
    assert b.store.history()[-1].name not in a.states()[("account", "lost")]


def test_a_new_name_fits_its_column_and_is_another_one_if_it_is_taken_too(make_cloud: MakeCloud) -> None:
    here, there = clouds_under(make_cloud, "Rename", "Rename")
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
def test_rows_below_an_adopted_one_go_on_being_changed_and_made(make_cloud: MakeCloud) -> None:
    here, there = clouds_under(make_cloud, "Adopt", "Adopt")
    two_accounts_of_one_name(here, there)
    meet(here, there)
    there.update("user", "bob", email="bob@new")
    here.update("user", "bob", lastname="Bobson")
    there.add_user("cid", account="one")
    there.update("account", "one", state="locked")
    meet(here, there)
    for cloud in (here, there):
        assert cloud.value("user", "bob", "email") == "bob@new"
        assert cloud.value("user", "bob", "lastname") == "Bobson"
        assert cloud.value("account", "one", "state") == "locked"
        assert account_of(cloud, "cid") == "one"
    assert here.states() == there.states()
    assert here.content() == there.content()


@pytest.mark.rule("ENGINE 7")
def test_users_of_one_name_in_accounts_of_one_name_become_one_user(make_cloud: MakeCloud) -> None:
    here, there = clouds_under(make_cloud, "Adopt", "Adopt")
    for cloud, account, user in ((here, "one", "jo-1"), (there, "two", "jo-2")):
        cloud.add_account(account, name="acme")
        cloud.add_user(user, account=account, name="jo")
    meet(here, there)
    for cloud in (here, there):
        assert names(cloud, "user", "username") == {"jo-1": "jo"}
        # The accounts are one by now, so which of them the user is in is no disagreement.
        assert [c.field for c in cloud.store.conflicts(state=None) if c.row.key == "jo-1" and c.kind == "Value"] == []
    assert here.states() == there.states()


@pytest.mark.rule("ENGINE 7")
def test_a_region_that_does_not_know_of_the_adoption_yet_writes_to_the_old_key_and_nothing_is_lost(
    make_cloud,
) -> None:
    a, b, c = clouds_under(make_cloud, "Adopt", "Adopt", "Park")
    b.add_account("two", name="acme")
    b.add_user("bob", account="two")
    pull(c, b)  # c knows only the one that will be adopted
    a.add_account("one", name="acme")
    meet(a, b)
    assert names(a) == names(b) == {"one": "acme"}
    c.update("account", "two", network_domain="late.example")
    c.add_user("late", account="two")
    meet(a, b, c)
    for cloud in (a, b, c):
        assert names(cloud) == {"one": "acme"}
        assert cloud.value("account", "one", "network_domain") == "late.example"
        assert account_of(cloud, "late") == account_of(cloud, "bob") == "one"
        assert cloud.store.parked() == []
    assert a.states() == b.states() == c.states()
    assert a.content() == b.content() == c.content()


@pytest.mark.rule("ENGINE 7")
def test_where_both_rows_are_visible_the_one_that_was_adopted_goes_and_its_children_move(make_cloud: MakeCloud) -> None:
    a, b, c = clouds_under(make_cloud, "Adopt", "Adopt", "Adopt")
    b.add_account("two", name="acme")
    pull(c, b)
    c.update("account", "two", account_name="other")
    c.add_user("cid", account="two")
    a.add_account("one", name="acme")
    pull(c, a)
    assert names(c) == {"one": "acme", "two": "other"}
    meet(a, b)
    meet(a, b, c)
    for cloud in (a, b, c):
        assert list(names(cloud)) == ["one"]
        assert account_of(cloud, "cid") == "one"
    assert a.states() == b.states() == c.states()
    assert a.content() == b.content() == c.content()


@pytest.mark.rule("ENGINE 7")
def test_an_adoption_waits_for_changes_of_children_that_are_not_versioned_yet(make_cloud: MakeCloud) -> None:
    here, there = clouds_under(make_cloud, "Adopt", "Adopt")
    two_accounts_of_one_name(here, there)
    there.fold()
    pull(there, here, fetch=False)
    there.update("user", "bob", email="captured@only")
    there.age_parked(hours=1)
    there.store.retry_parked()
    there.age_parked(hours=1)
    there.store.retry_parked()
    assert {row.row.key: row.reason for row in there.store.parked()}["two"] == "RowLocked"
    assert there.has("account", "two")
    meet(here, there)
    assert not there.has("account", "two")
    assert here.value("user", "bob", "email") == "captured@only"
    assert here.states() == there.states()


@pytest.mark.rule("ENGINE 7")
@pytest.mark.parametrize("rules", [("Park", "Adopt"), ("Rename", "Adopt"), ("Rename", "Park"), ("Adopt", "Rename")])
def test_policies_that_differ_never_split_the_state(make_cloud, rules: tuple[str, str]) -> None:
    here, there = clouds_under(make_cloud, *rules)
    two_accounts_of_one_name(here, there)
    meet(here, there)
    assert here.states() == there.states()
    if "Adopt" in rules:  # binds everywhere
        assert list(names(here)) == list(names(there)) == ["one"]
    for cloud in (here, there):
        cloud.store.set_rules(default_rules(unique_clash="Rename"))
    meet(here, there)
    assert here.states() == there.states()
    assert here.content() == there.content()
    assert here.store.parked() == there.store.parked() == []


def test_what_an_adopted_row_was_is_found_by_its_old_key(make_cloud: MakeCloud) -> None:
    here, there = clouds_under(make_cloud, "Adopt", "Adopt")
    two_accounts_of_one_name(here, there)
    meet(here, there)
    assert {row.key for row in here.store.read_rows([RowKey("account", "two"), RowKey("account", "one")]).rows} == {
        "one",
        "two",
    }
