"""Concurrent changes: different fields merge, the same field is settled and recorded, names clash in the open."""

import pytest

from contract.replication.regions import Region, default_rules, pull, settle
from region_operator.errors import InvalidInput, Refused
from region_operator.replication.feed import RowKey


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


def test_changes_to_different_fields_merge_without_a_conflict(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "email", "here@example")
    set_user(there, "firstname", "There")
    settle(here, there)
    assert here.content() == there.content()
    assert (there.value("user", "jane", "email"), here.value("user", "jane", "firstname")) == ("here@example", "There")
    assert conflicts(here) == conflicts(there) == []


def test_the_same_field_is_settled_alike_and_recorded_once_in_each_region(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "email", "here@example")
    set_user(there, "email", "there@example")
    settle(here, there)
    settle(here, there)
    assert here.content() == there.content()
    assert here.states() == there.states()
    for region in two:
        (conflict,) = [c for c in region.store.conflicts(state=None) if c.row == RowKey("user", "jane")]
        assert (conflict.field, conflict.rule, conflict.state) == ("email", "HighestVersion", "Settled")
        assert {value.value for value in conflict.values} == {"here@example", "there@example"}
        assert {value.region for value in conflict.values} == {1, 2}


def test_a_later_write_closes_the_conflict_everywhere(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "email", "here@example")
    set_user(there, "email", "there@example")
    settle(here, there)
    set_user(here, "email", "both@example")
    settle(here, there)
    assert there.value("user", "jane", "email") == "both@example"
    assert conflicts(here) == conflicts(there) == [("jane", "email", "Closed")]


def test_a_losing_value_is_written_back_as_a_new_change(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "email", "here@example")
    set_user(there, "email", "there@example")
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


def test_halves_of_a_group_never_mix(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    here.sql("UPDATE user SET api_key = 'h', secret_key = 'sh' WHERE uuid = 'jane'")
    there.sql("UPDATE user SET api_key = 't', secret_key = 'st' WHERE uuid = 'jane'")
    settle(here, there)
    pair = (here.value("user", "jane", "api_key"), here.value("user", "jane", "secret_key"))
    assert pair in {("h", "sh"), ("t", "st")}
    assert here.content() == there.content()


def test_states_of_accounts_take_the_more_restrictive_one(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    here.sql("UPDATE account SET state = 'disabled' WHERE uuid = 'acme'")
    there.sql("UPDATE account SET state = 'locked' WHERE uuid = 'acme'")
    settle(here, there)
    assert here.value("account", "acme", "state") == there.value("account", "acme", "state") == "disabled"


@pytest.mark.rule("ENGINE 10")
def test_other_rules_show_other_values_of_rows_in_conflict(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "email", "here@example")
    set_user(there, "email", "there@example")
    settle(here, there)
    for priority, shown in (([1, 2], "here@example"), ([2, 1], "there@example")):
        for region in two:
            region.store.set_rules(default_rules(rule="RegionPriority", region_priority=priority))
            assert region.value("user", "jane", "email") == shown
            assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]
    settle(here, there)
    assert here.states() == there.states()


def test_a_deletion_wins_over_a_concurrent_update_and_says_what_it_cost(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    here.sql("UPDATE user SET removed = '2026-04-04 00:00:00' WHERE uuid = 'jane'")
    set_user(there, "email", "there@example")
    settle(here, there)
    assert here.value("user", "jane", "removed") is not None
    assert there.value("user", "jane", "removed") is not None
    assert ("jane", "email", "Settled") in conflicts(here)


def test_under_update_wins_a_concurrent_update_keeps_the_row_alive(make_region) -> None:
    here, there = make_region(1, delete_rule="UpdateWins"), make_region(2, delete_rule="UpdateWins")
    share_a_user(here, there)
    here.sql("UPDATE user SET removed = '2026-04-04 00:00:00' WHERE uuid = 'jane'")
    set_user(there, "email", "there@example")
    settle(here, there)
    assert here.value("user", "jane", "removed") is None
    assert here.value("user", "jane", "email") == "there@example"
    assert here.content() == there.content()


def test_a_user_made_in_an_account_that_is_removed_elsewhere_converges_where_neither_was_known(
    three: tuple[Region, Region, Region],
) -> None:
    a, b, c = three
    a.add_account("acme")
    settle(a, b)
    a.sql("UPDATE account SET removed = '2026-04-04 00:00:00' WHERE uuid = 'acme'")
    b.add_user("jane", account="acme")
    settle(a, b)
    pull(c, a)
    settle(a, b, c)
    assert c.has("user", "jane")
    assert c.value("account", "acme", "removed") is not None
    assert c.store.parked() == []


@pytest.mark.rule("ENGINE 10")
def test_two_accounts_of_one_name_are_parked_and_shown_until_one_gives_way(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("one", name="acme")
    there.add_account("two", name="acme")
    settle(here, there)
    assert here.has("account", "one")
    assert not here.has("account", "two")
    assert not there.has("account", "one")
    for region in two:
        region.store.retry_parked()
        (parked,) = region.store.parked()
        assert parked.reason == "UniqueClash"
        assert region.store.counts().unique_clashes == 1
    here.sql("UPDATE account SET account_name = 'acme-1' WHERE uuid = 'one'")
    settle(here, there)
    for region in two:
        assert region.value("account", "one", "account_name") == "acme-1"
        assert region.value("account", "two", "account_name") == "acme"
        assert region.store.counts().unique_clashes == 0
        assert region.store.parked() == []
    assert here.content() == there.content()


@pytest.mark.rule("ENGINE 10")
def test_two_visible_rows_of_one_name_are_shown_until_one_changes(region: Region) -> None:
    region.add_account("one", name="acme")
    region.add_account("two", name="acme")
    region.fold()
    assert region.store.counts().unique_clashes == 1
    region.sql("UPDATE account SET account_name = 'other' WHERE uuid = 'one'")
    region.fold()
    assert region.store.counts().unique_clashes == 0


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


@pytest.mark.rule("ENGINE 9")
def test_domains_moved_under_each_other_never_loop_and_end_alike(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_domain("x")
    here.add_domain("y")
    settle(here, there)
    here.sql("UPDATE domain c JOIN domain p ON p.uuid = 'y' SET c.parent = p.id WHERE c.uuid = 'x'")
    there.sql("UPDATE domain c JOIN domain p ON p.uuid = 'x' SET c.parent = p.id WHERE c.uuid = 'y'")
    settle(here, there)

    def shown_under(region: Region, key: str) -> str:
        parent = region.sql(
            "SELECT IF(p.id = 1, 'ROOT', p.uuid) FROM domain c JOIN domain p ON p.id = c.parent WHERE c.uuid = %s",
            [key],
        )
        return str(parent[0][0])

    # The younger edge (greatest dot: that of region 2) gives way, in both regions.
    for region in two:
        assert (shown_under(region, "x"), shown_under(region, "y")) == ("y", "ROOT")
        assert [c.kind for c in region.store.conflicts(state=None) if c.kind == "Cycle"] == ["Cycle"]
    assert there.value("domain", "x", "path") == "/y/x/"
    assert here.states() == there.states()
    here.sql("UPDATE domain SET parent = 1, path = '/x/' WHERE uuid = 'x'")
    settle(here, there)
    for region in two:
        assert (shown_under(region, "x"), shown_under(region, "y")) == ("ROOT", "x")
        assert region.value("domain", "y", "path") == "/x/y/"
        assert region.store.parked() == []


def test_an_owner_that_comes_later_is_filled_in(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.sql("UPDATE domain SET owner = (SELECT id FROM account WHERE uuid = 'acme') WHERE uuid = 'sales'")
    settle(here, there)
    owner = there.value("domain", "sales", "owner")
    assert there.sql("SELECT uuid FROM account WHERE id = %s", [owner]) == [("acme",)]
    assert there.store.parked() == []


@pytest.mark.parametrize(
    "rules",
    [
        {"unique_clash": "Rename"},
        {"unique_clash": "Adopt"},
        {"entities": [{"name": "user", "mode": "Off"}]},
        {"entities": [{"name": "user", "acceptFrom": [1]}]},
    ],
)
def test_rules_that_are_not_carried_out_yet_are_refused_not_ignored(region: Region, rules: dict) -> None:
    with pytest.raises(InvalidInput) as refusal:
        region.store.set_rules(default_rules(**rules))
    assert refusal.value.reason == "NotYetSupported"
