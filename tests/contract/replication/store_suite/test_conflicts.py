"""Concurrent changes: different fields merge, the same field is settled and recorded, names clash in the open."""

from collections.abc import Callable

import pytest

from contract.replication.regions import default_rules, pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.errors import Refused
from region_operator.replication.feed import RowKey


def share_a_user(*clouds: Cloud) -> None:
    clouds[0].add_domain("sales")
    clouds[0].add_account("acme", domain="sales")
    clouds[0].add_user("jane", account="acme", api_key="k")
    settle(*clouds)


def conflicts(cloud: Cloud) -> list[tuple[str, str, str]]:
    return [
        (conflict.row.key, conflict.field, conflict.state)
        for conflict in cloud.store.conflicts(state=None)
        if not conflict.row.key.startswith("well-known")
    ]


def test_changes_to_different_fields_merge_without_a_conflict(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", email="here@example")
    there.update("user", "jane", firstname="There")
    settle(here, there)
    assert here.content() == there.content()
    assert (there.value("user", "jane", "email"), here.value("user", "jane", "firstname")) == ("here@example", "There")
    assert conflicts(here) == conflicts(there) == []


def test_the_same_field_is_settled_alike_and_recorded_once_in_each_region(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", email="here@example")
    there.update("user", "jane", email="there@example")
    settle(here, there)
    settle(here, there)
    assert here.content() == there.content()
    assert here.states() == there.states()
    for cloud in two:
        (conflict,) = [c for c in cloud.store.conflicts(state=None) if c.row == RowKey("user", "jane")]
        assert (conflict.field, conflict.rule, conflict.state) == ("email", "HighestVersion", "Settled")
        assert {value.value for value in conflict.values} == {"here@example", "there@example"}
        assert {value.region for value in conflict.values} == {1, 2}


def test_a_later_write_closes_the_conflict_everywhere(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", email="here@example")
    there.update("user", "jane", email="there@example")
    settle(here, there)
    here.update("user", "jane", email="both@example")
    settle(here, there)
    assert there.value("user", "jane", "email") == "both@example"
    assert conflicts(here) == conflicts(there) == [("jane", "email", "Closed")]


def test_a_losing_value_is_written_back_as_a_new_change(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", email="here@example")
    there.update("user", "jane", email="there@example")
    settle(here, there)
    (conflict,) = [c for c in here.store.conflicts(state=None) if c.row.key == "jane"]
    loser = next(value for value in conflict.values if value.dot != conflict.chosen)
    here.store.restore(conflict.id, dot=loser.dot)
    assert here.value("user", "jane", "email") == loser.value
    settle(here, there)
    assert here.content() == there.content()
    assert there.value("user", "jane", "email") == loser.value
    assert conflicts(there) == [("jane", "email", "Closed")]
    with pytest.raises(Refused):
        here.store.restore(conflict.id, dot=loser.dot)


def test_secrets_are_fingerprints_and_halves_of_a_group_never_mix(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", api_key="h", secret_key="sh", password="hash of here")
    there.update("user", "jane", api_key="t", secret_key="st", password="hash of there")
    settle(here, there)
    pair = (here.value("user", "jane", "api_key"), here.value("user", "jane", "secret_key"))
    assert pair in {("h", "sh"), ("t", "st")}
    assert here.content() == there.content()
    assert {field for _, field, _ in conflicts(here)} == {"password", "api_keys"}
    for conflict in here.store.conflicts(state=None):
        assert all(str(value.value).startswith("(secret ") for value in conflict.values)


def test_states_of_accounts_take_the_more_restrictive_one(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("account", "acme", state="disabled")
    there.update("account", "acme", state="locked")
    settle(here, there)
    assert here.value("account", "acme", "state") == there.value("account", "acme", "state") == "disabled"


@pytest.mark.rule("ENGINE 10")
def test_other_rules_show_other_values_of_rows_in_conflict(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", email="here@example")
    there.update("user", "jane", email="there@example")
    settle(here, there)
    for priority, shown in (([1, 2], "here@example"), ([2, 1], "there@example")):
        for cloud in two:
            cloud.store.set_rules(default_rules(rule="RegionPriority", region_priority=priority))
            assert cloud.value("user", "jane", "email") == shown
            assert cloud.store.status().captured == 0
    settle(here, there)
    assert here.states() == there.states()


def test_a_deletion_wins_over_a_concurrent_update_and_says_what_it_cost(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", removed="2026-04-04 00:00:00")
    there.update("user", "jane", email="there@example")
    settle(here, there)
    assert here.value("user", "jane", "removed") is not None
    assert there.value("user", "jane", "removed") is not None
    assert ("jane", "email", "Settled") in conflicts(here)


@pytest.mark.rule("ENGINE 10")
def test_another_rule_for_deletions_brings_a_row_back_and_records_what_lost_instead(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.update("user", "jane", removed="2026-04-04 00:00:00")
    there.update("user", "jane", email="there@example")
    settle(here, there)
    here.store.set_rules(default_rules(delete_rule="UpdateWins"))
    assert here.value("user", "jane", "removed") is None
    (record,) = here.store.conflicts(state="Settled")
    assert (record.field, record.kind, record.rule) == ("deleted", "Deletion", "UpdateWins")
    assert conflicts(here) == [("jane", "deleted", "Settled"), ("jane", "email", "Closed")]
    assert here.states() == there.states()


def test_under_update_wins_a_concurrent_update_keeps_the_row_alive(make_cloud: Callable[..., Cloud]) -> None:
    here, there = make_cloud(1, delete_rule="UpdateWins"), make_cloud(2, delete_rule="UpdateWins")
    share_a_user(here, there)
    here.update("user", "jane", removed="2026-04-04 00:00:00")
    there.update("user", "jane", email="there@example")
    settle(here, there)
    assert here.value("user", "jane", "removed") is None
    assert here.value("user", "jane", "email") == "there@example"
    assert here.content() == there.content()


def test_a_user_made_in_an_account_that_is_removed_elsewhere_converges_where_neither_was_known(
    three: tuple[Cloud, Cloud, Cloud],
) -> None:
    a, b, c = three
    a.add_account("acme")
    settle(a, b)
    a.update("account", "acme", removed="2026-04-04 00:00:00")
    b.add_user("jane", account="acme")
    settle(a, b)
    pull(c, a)
    settle(a, b, c)
    assert c.has("user", "jane")
    assert c.value("account", "acme", "removed") is not None
    assert c.store.parked() == []


def test_a_child_of_a_removed_row_waits_for_what_that_one_lacks(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.add_user("jane", account="acme")
    here.fold()
    here.update("account", "acme", removed="2026-04-04 00:00:00")
    here.fold()

    def send(entity: str, key: str) -> tuple[RowKey, ...]:
        return there.store.apply_rows(here.id, here.store.read_rows([RowKey(entity, key)])).missing

    assert send("user", "jane") == (RowKey("account", "acme"),)
    assert send("account", "acme") == (RowKey("domain", "sales"),)
    assert send("domain", "sales") == ()
    assert there.has("user", "jane")
    assert there.value("account", "acme", "removed") == "2026-04-04 00:00:00"
    assert there.store.parked() == []


def test_whoever_waited_for_a_removed_row_is_tried_again_when_a_child_brings_it(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.add_user("jane", account="acme")
    here.update("domain", "sales", owner="acme")
    here.update("account", "acme", removed="2026-04-04 00:00:00")
    here.fold()
    # The last one wakes both of the others, and the first of them is tried in vain before the second one helps it.
    for row in (RowKey("domain", "sales"), RowKey("user", "jane"), RowKey("account", "acme")):
        there.store.apply_rows(here.id, here.store.read_rows([row]))
    assert there.has("user", "jane")
    assert there.value("domain", "sales", "owner") == "acme"
    assert there.store.parked() == []


@pytest.mark.rule("ENGINE 10")
def test_two_accounts_of_one_name_are_parked_and_shown_until_one_gives_way(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("one", name="acme")
    there.add_account("two", name="acme")
    settle(here, there)
    assert here.has("account", "one")
    assert not here.has("account", "two")
    assert not there.has("account", "one")
    for cloud in two:
        cloud.store.retry_parked()
        (parked,) = cloud.store.parked()
        assert parked.reason == "UniqueClash"
        assert cloud.store.counts().unique_clashes == 1
    here.update("account", "one", account_name="acme-1")
    settle(here, there)
    for cloud in two:
        assert cloud.value("account", "one", "account_name") == "acme-1"
        assert cloud.value("account", "two", "account_name") == "acme"
        assert cloud.store.counts().unique_clashes == 0
        assert cloud.store.parked() == []
    assert here.content() == there.content()


@pytest.mark.rule("ENGINE 10")
def test_two_visible_rows_of_one_name_are_shown_until_one_changes(cloud: Cloud) -> None:
    cloud.add_account("one", name="acme")
    cloud.add_account("two", name="acme")
    cloud.fold()
    assert cloud.store.counts().unique_clashes == 1
    cloud.update("account", "one", account_name="other")
    cloud.fold()
    assert cloud.store.counts().unique_clashes == 0


def test_an_owner_that_comes_later_is_filled_in(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.update("domain", "sales", owner="acme")
    settle(here, there)
    assert there.value("domain", "sales", "owner") == "acme"
    assert there.store.parked() == []
