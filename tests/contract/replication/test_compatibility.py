"""Tables of a cloud that we did not create: old keys, mixed character sets, rows without keys, missing tables."""

import json
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import ANY

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.errors import InvalidInput
from region_operator.replication.feed import RowKey

MakeRegion = Callable[..., Region]


def findings(region: Region) -> dict[str, tuple[str, bool]]:
    return {one.entity: (one.reason, one.held_back) for one in region.store.status().findings}


def as_an_old_cloud(region: Region) -> None:
    """What a cloud looks like that has been upgraded since 4.0: its own columns, two character sets, old keys."""
    region.sql("SET FOREIGN_KEY_CHECKS = 0")
    for table in ("domain", "account_details", "projects"):
        region.sql(f"ALTER TABLE {table} CONVERT TO CHARACTER SET latin1")
    region.sql("ALTER TABLE account CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci")
    region.sql("ALTER TABLE user CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    region.sql("SET FOREIGN_KEY_CHECKS = 1")
    region.sql("ALTER TABLE account ADD COLUMN own_column INT NOT NULL DEFAULT 3, ADD COLUMN other TEXT NULL")
    region.sql("UPDATE domain SET uuid = id")
    region.sql("UPDATE account SET uuid = id")
    region.sql("UPDATE user SET uuid = id")
    region.add_domain("3", name="sales")
    region.add_domain("4", name="gone", parent="3")
    region.sql("UPDATE domain SET removed = '2020-01-01 00:00:00', state = 'Inactive' WHERE uuid = '4'")
    region.sql("UPDATE domain SET child_count = 0 WHERE uuid = '3'")
    region.add_account("3", name="acme", domain="3")
    region.add_account("4", name="closed", domain="4")
    region.sql("UPDATE account SET removed = '2020-01-01 00:00:00' WHERE uuid = '4'")
    region.add_user("3", account="3", name="jane")
    region.insert("account_details", account_id="3", name="clé", value="été")
    region.add_project("5", owner="3")


def test_a_cloud_of_old_keys_and_mixed_character_sets_reaches_a_new_one(make_region: MakeRegion) -> None:
    old, new = make_region(1, prepared=False), make_region(2)
    as_an_old_cloud(old)
    old.prepare()
    old.open()
    settle(old, new)
    assert new.content() == old.content()
    assert new.states() == old.states()
    assert not new.has("account", "4")  # removed before anybody met: known, but not made anew
    new.sql("UPDATE account_details SET value = 'hiver'")
    new.sql("UPDATE user SET firstname = 'Zoë' WHERE uuid = '3'")
    settle(old, new)
    assert old.sql("SELECT name, value FROM account_details") == [("clé", "hiver")]
    assert old.value("user", "3", "firstname") == "Zoë"
    assert old.value("account", "3", "own_column") == 3


@pytest.mark.parametrize("missing", ["table", "column"])
def test_an_entity_that_is_not_there_is_held_back_alone(make_region: MakeRegion, missing: str) -> None:
    here, there = make_region(1, prepared=False), make_region(2)
    here.sql("DROP TABLE vm_template_details")
    if missing == "table":
        here.sql("DROP TABLE vm_template")
    else:
        here.sql("ALTER TABLE vm_template DROP COLUMN dynamically_scalable")
    here.prepare()
    here.open()
    reason = "TableMissing" if missing == "table" else "ColumnMissing"
    assert findings(here) == {"template": (reason, True), "template_detail": ("TableMissing", True)}
    here.add_account("acme")
    there.add_account("there")
    there.add_template("debian", account="there")
    settle(here, there)
    assert there.has("account", "acme")
    assert here.has("account", "there")
    assert here.store.parked() == []


def test_an_entity_that_refers_to_one_that_is_held_back_is_held_back_too(make_region: MakeRegion) -> None:
    here = make_region(1, prepared=False)
    here.sql("ALTER TABLE projects DROP COLUMN display_text")
    here.prepare()
    here.open()
    assert findings(here) == {"project": ("ColumnMissing", True), "project_member": ("ReferenceHeldBack", True)}


def test_what_was_held_back_comes_with_the_next_run_of_prepare(make_region: MakeRegion) -> None:
    here, there = make_region(1, prepared=False), make_region(2)
    here.sql("ALTER TABLE vm_template DROP COLUMN dynamically_scalable")
    here.prepare()
    here.open()
    there.add_account("acme")
    there.add_template("debian", account="acme")
    settle(here, there)
    here.add_template("made here meanwhile", account="acme")
    assert not here.has("vm_template", "debian")
    here.sql("ALTER TABLE vm_template ADD COLUMN dynamically_scalable TINYINT(1) UNSIGNED NOT NULL DEFAULT 0")
    here.prepare()
    here.reopen()
    here.store.set_rules(here.rules)  # as an agent does that starts
    assert findings(here) == {}
    settle(here, there)
    assert here.has("vm_template", "debian")
    assert there.has("vm_template", "made here meanwhile")
    assert here.states() == there.states()


@pytest.mark.rule("ENGINE 17")
def test_a_column_that_was_dropped_stops_no_writer_once_the_region_is_prepared_again(region: Region) -> None:
    region.add_account("acme")
    region.sql("ALTER TABLE vm_template DROP COLUMN dynamically_scalable")
    region.prepare()
    region.reopen()
    region.add_template("debian", account="acme")
    assert findings(region)["template"] == ("ColumnMissing", True)


def test_rows_without_a_key_stay_and_are_reported_with_the_remedy(make_region: MakeRegion) -> None:
    here, there = make_region(1, prepared=False), make_region(2)
    here.add_account("acme")
    here.sql("INSERT INTO account (uuid, account_name, type, domain_id) VALUES (NULL, 'no key', 0, 1)")
    local_id = here.sql("SELECT id FROM account WHERE uuid IS NULL")[0][0]
    installed = here.prepare()
    here.open()
    (finding,) = installed.findings
    assert (finding.entity, finding.reason, finding.held_back) == ("account", "KeyMissing", False)
    for word in ("1 rows of table account", f"id {local_id})", "UPDATE", "prepare again"):
        assert word in finding.message
    settle(here, there)
    assert there.sql("SELECT account_name FROM account WHERE NOT `default`") == [("acme",)]
    # Given a key it travels at once.
    here.sql("UPDATE account SET uuid = 'given' WHERE uuid IS NULL")
    settle(here, there)
    assert there.has("account", "given")


def test_a_schema_that_is_no_clouds_is_refused(make_region: MakeRegion) -> None:
    region = make_region(1, prepared=False)
    region.sql("SET FOREIGN_KEY_CHECKS = 0")
    for (table,) in region.sql("SHOW TABLES"):
        region.sql(f"DROP TABLE `{table}`")
    with pytest.raises(InvalidInput) as refused:
        region.prepare()
    assert refused.value.reason == "TableMissing"


def as_upgraded_clouds(make_region: MakeRegion, fill: Callable[[Region, str], None]) -> tuple[Region, Region]:
    """Two clouds that were upgraded on their own and number their rows alike."""
    regions = make_region(1, prepared=False), make_region(2, prepared=False)
    for region, name in zip(regions, ("here", "there"), strict=True):
        fill(region, name)
        region.prepare()
        region.open()
    return regions


def parked(region: Region) -> dict[tuple[str, str], str]:
    return {(one.row.entity, one.row.key): one.reason for one in region.store.parked()}


@pytest.mark.rule("ENGINE 8")
def test_one_name_in_domains_that_only_share_their_number_is_told_apart(make_region: MakeRegion) -> None:
    def fill(region: Region, name: str) -> None:
        region.add_domain("3", name=name)
        region.add_account("3", name="acme", domain="3")
        region.add_user("3", account="3", name="jane")

    here, there = as_upgraded_clouds(make_region, fill)
    settle(here, there)
    assert parked(here)["domain", "3"] == "KeyReused"
    assert set(parked(here)) == {("domain", "3"), ("account", "3"), ("user", "3")}
    assert here.sql("SELECT name FROM domain WHERE uuid = '3'") == [("here",)]
    assert there.sql("SELECT name FROM domain WHERE uuid = '3'") == [("there",)]


@pytest.mark.rule("ENGINE 8")
def test_things_of_one_key_are_both_everywhere_once_one_of_them_is_given_another(make_region: MakeRegion) -> None:
    def fill(region: Region, name: str) -> None:
        region.add_domain("3", name=name)
        region.add_account("3", name=name, domain="3")
        region.add_user("3", account="3", name=name)

    here, there = as_upgraded_clouds(make_region, fill)
    settle(here, there)
    for region in (here, there):
        assert set(parked(region)) == {("domain", "3"), ("account", "3"), ("user", "3")}
        assert parked(region)["domain", "3"] == "KeyReused"
        assert all("another" in row.message for row in region.store.parked())
    for table in ("domain", "account", "user"):
        here.sql(f"UPDATE {table} SET uuid = %s WHERE uuid = '3'", [f"{table} of here"])
        settle(here, there)
    settle(here, there)
    assert parked(here) == parked(there) == {}
    assert here.content() == there.content()
    assert here.states() == there.states()
    assert {row[0]: row[3] for row in here.content()["user"]} == {"3": "3", "user of here": "account of here"}


@pytest.mark.rule("ENGINE 8")
def test_a_new_row_never_ends_under_a_stranger_of_its_parents_key(make_region: MakeRegion) -> None:
    def fill(region: Region, name: str) -> None:
        region.add_account("3", name=name)

    here, there = as_upgraded_clouds(make_region, fill)
    there.add_user("jane", account="3")
    there.insert("account_details", account_id="3", name="limit", value="9")
    there.add_account("friend")
    there.add_user("joe", account="friend")
    settle(here, there)
    assert not here.has("user", "jane")
    assert here.sql("SELECT * FROM account_details") == []
    assert here.has("user", "joe")
    # Also when it comes later, alone.
    there.add_user("late", account="3")
    settle(here, there)
    assert parked(here) == {
        ("account", "3"): "KeyReused",
        ("user", "jane"): "ParentReused",
        ("user", "late"): "ParentReused",
        ("account_detail", "3/limit"): "ParentReused",
    }


@pytest.mark.rule("ENGINE 8")
def test_events_and_templates_of_one_number_are_known_by_what_they_say(make_region: MakeRegion) -> None:
    def fill(region: Region, name: str) -> None:
        region.add_account("3", name="acme")
        region.add_user("3", account="3", name="jane")
        region.add_event("1", account="3", user="3", description="the same")
        region.add_event("2", account="3", user="3", description=name)
        region.add_template("1", account="3", name=name)

    here, there = as_upgraded_clouds(make_region, fill)
    settle(here, there)
    assert parked(here) == {("event", "2"): "KeyReused", ("template", "1"): "KeyReused"}


def test_a_region_that_the_first_version_prepared_is_upgraded_by_preparing_again(two: tuple[Region, Region]) -> None:
    """That version knew domains, accounts and users only, and sent roles by number."""
    here, there = two
    here.add_account("acme")
    here.add_account("gone")
    here.add_role("auditor")
    here.add_account("audited")
    settle(here, there)
    here.sql("UPDATE account SET removed = '2026-01-02 00:00:00' WHERE uuid = 'gone'")
    settle(here, there)
    states = here.states()
    # As it was left by then.
    here.sync_sql("DELETE FROM entity")
    here.sync_sql("DROP TABLE left_out, alias")
    here.sync_sql("ALTER TABLE audit DROP COLUMN decided_by")
    here.sync_sql("DELETE FROM well_known WHERE entity = 'role'")
    here.sync_sql("DELETE FROM row_version WHERE entity NOT IN ('domain', 'account', 'user')")
    here.sync_sql("UPDATE row_version SET state = REPLACE(state, '\"well-known:role:User\"', '4') WHERE complete")
    here.sync_sql("UPDATE lane SET schema_version = 1")
    for table in ("roles", "event", "account_details"):
        for (name,) in here.sql(
            "SELECT trigger_name FROM information_schema.triggers WHERE event_object_table = %s "
            "AND trigger_schema = DATABASE()",
            [table],
        ):
            here.sql(f"DROP TRIGGER `{name}`")
    here.sql("SET @region_sync_apply = 1")
    here.sql("UPDATE account SET role_id = (SELECT id FROM roles WHERE uuid = 'auditor') WHERE uuid = 'audited'")
    here.sql("SET @region_sync_apply = NULL")
    here.add_role("made before")
    here.insert("account_details", account_id="acme", name="limit", value="9")
    assert here.prepare().previous_version == 1
    here.reopen()
    here.store.set_rules(here.rules)
    settle(here, there)
    assert here.store.parked() == there.store.parked() == []
    assert there.content() == here.content()
    assert there.states() == here.states()
    assert here.states()["account", "gone"] == states["account", "gone"]
    assert there.sql("SELECT name FROM account_details") == [("limit",)]
    assert there.sql("SELECT r.uuid FROM account a JOIN roles r ON r.id = a.role_id WHERE a.uuid = 'audited'") == [
        ("auditor",)
    ]
    here.store.confirm_history(by="ann", reason="looked at it")
    assert here.sync_sql("SELECT action, decided_by FROM audit") == [("ConfirmHistory", "ann")]


@pytest.mark.rule("ENGINE 5")
def test_a_field_that_only_newer_peers_know_is_kept_and_passed_on(three: tuple[Region, Region, Region]) -> None:
    newer, here, third = three
    newer.add_account("acme")
    newer.add_user("jane", account="acme")
    settle(newer, here)
    newer.sql("UPDATE user SET firstname = 'Ada' WHERE uuid = 'jane'")
    newer.fold()
    page = newer.store.read_rows([RowKey("user", "jane")])
    (row,) = page.rows
    state = json.loads(row.state)
    counter = max(at for _, at in state["s"])
    actor = next(place for place, at in state["s"] if at == counter)
    state["r"] = dict(sorted({**state["r"], "pronoun": [[counter, actor, "she"]]}.items()))
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
    here.store.apply_rows(newer.id, replace(page, rows=(replace(row, state=text),)))
    assert here.value("user", "jane", "firstname") == "Ada"
    # A change of what this region knows of the row destroys nothing of what it does not.
    here.sql("UPDATE user SET lastname = 'Lovelace' WHERE uuid = 'jane'")
    pull(third, here)
    assert third.value("user", "jane", "lastname") == "Lovelace"
    for region in (here, third):
        assert json.loads(region.states()["user", "jane"])["r"]["pronoun"] == [[counter, ANY, "she"]]
    assert here.store.parked() == third.store.parked() == []
