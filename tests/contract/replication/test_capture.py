"""What triggers record, in the writer's own transaction."""

import pymysql
import pytest

from contract.replication.regions import Region


def dirty(region: Region) -> list[tuple[str, str, str, str]]:
    return region.sync_sql("SELECT entity, entity_key, op, changed FROM dirty ORDER BY id")


@pytest.mark.rule("ENGINE 15")
def test_an_update_records_the_fields_whose_bytes_differ(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    region.sql("UPDATE account SET network_domain = 'a.example', state = 'enabled' WHERE uuid = 'acme'")
    assert dirty(region) == [("account", "acme", "U", "network_domain")]


@pytest.mark.rule("ENGINE 15")
def test_a_change_of_case_is_a_change_under_a_collation_that_ignores_case(region: Region) -> None:
    region.add_account("acme", name="sales")
    region.fold()
    region.sql("UPDATE account SET account_name = 'Sales' WHERE uuid = 'acme'")
    assert dirty(region) == [("account", "acme", "U", "account_name")]


@pytest.mark.rule("ENGINE 15")
def test_a_write_that_changes_nothing_synced_records_nothing(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    region.sql("UPDATE account SET cleanup_needed = 1, state = 'enabled' WHERE uuid = 'acme'")
    assert dirty(region) == []


@pytest.mark.rule("ENGINE 15")
def test_a_group_of_columns_is_one_field(region: Region) -> None:
    region.add_account("acme")
    region.add_user("jane", account="acme", api_key="k1")
    region.fold()
    region.sql("UPDATE user SET secret_key = 'other' WHERE uuid = 'jane'")
    assert dirty(region) == [("user", "jane", "U", "api_keys")]


def test_what_is_rolled_back_was_never_captured(region: Region) -> None:
    writer = region.server.admin_connection(region.schemas.business, autocommit=False)
    with writer.cursor() as cursor:
        cursor.execute("INSERT INTO account (uuid, account_name, type, domain_id) VALUES ('ghost', 'ghost', 0, 1)")
        writer.rollback()
    writer.close()
    assert dirty(region) == []


@pytest.mark.rule("ENGINE 15")
def test_a_changed_key_is_the_end_of_one_row_and_the_beginning_of_another(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    region.sql("UPDATE account SET uuid = 'acme-2' WHERE uuid = 'acme'")
    assert [(key, op) for _, key, op, _ in dirty(region)] == [("acme", "D"), ("acme-2", "I")]


@pytest.mark.rule("ENGINE 16")
def test_a_deletion_by_a_foreign_key_is_recorded_by_the_parents_trigger(region: Region) -> None:
    region.add_account("acme")
    region.add_user("jane", account="acme")
    region.fold()
    region.sql("DELETE FROM account WHERE uuid = 'acme'")
    assert not region.has("user", "jane")
    assert sorted((entity, op) for entity, _, op, _ in dirty(region)) == [("account", "D"), ("user", "D")]


@pytest.mark.rule("ENGINE 16")
def test_replace_is_an_update_of_the_columns_that_differ(region: Region) -> None:
    region.add_domain("sales")
    region.fold()
    before = region.states()[("domain", "sales")]
    region.sql(
        "REPLACE INTO domain (uuid, name, parent, owner, path, level, created, network_domain) "
        "VALUES ('sales', 'sales', 1, 2, '/sales/', 1, '2026-01-01 00:00:00', 'new.example')"
    )
    assert [op for _, _, op, _ in dirty(region)] == ["D", "I"]
    region.fold()
    after = region.states()[("domain", "sales")]
    assert before != after
    assert after.count("new.example") == 1
    # Only the field that differs has a dot of counter 2, and nobody believes that the row was deleted.
    assert after.count("[[2,") == 1
    assert '"d":' not in after


def test_rows_that_are_none_of_the_entity_and_well_known_ones_that_stay_are_not_captured(region: Region) -> None:
    region.insert("account_details", account_id=1, name="of system", value="x")
    region.sql(
        "INSERT INTO vm_template (uuid, unique_name, name, public, featured, type, hvm, bits, format, created, "
        "account_id, guest_os_id) VALUES ('t', 't', 't', 0, 0, 'SYSTEM', 1, 64, 'QCOW2', UTC_TIMESTAMP(), 2, 1)"
    )
    region.sql("UPDATE account SET network_domain = 'x' WHERE account_name = 'system'")
    region.sql("UPDATE user SET api_key = 'new' WHERE username = 'system'")
    assert dirty(region) == []


@pytest.mark.rule("ENGINE 8")
def test_the_admins_credentials_stay_in_their_region(region: Region) -> None:
    region.sql("UPDATE user SET password = 'other hash', email = 'root@example' WHERE username = 'admin'")
    region.fold()
    state = region.states()[("user", "well-known:user:admin")]
    assert "root@example" in state
    assert "other hash" not in state
    assert "password" not in state


@pytest.mark.rule("ENGINE 17")
def test_the_owner_of_the_triggers_is_locked(region: Region) -> None:
    with pytest.raises(pymysql.OperationalError):
        region.server.connection("region_sync_definer", "").close()
    locked = "SELECT JSON_VALUE(priv, '$.account_locked') FROM mysql.global_priv WHERE user = 'region_sync_definer'"
    assert region.sql(locked) == [("1",)]


@pytest.mark.rule("ENGINE 17")
def test_a_writer_without_rights_on_our_schema_is_captured_all_the_same(region: Region) -> None:
    with region.writer.cursor() as cursor:
        cursor.execute(f"CREATE USER 'm_{region.schemas.business}'@'%' IDENTIFIED BY 'm'")
        cursor.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {region.schemas.business}.* TO 'm_{region.schemas.business}'@'%'"
        )
    manager = region.server.connection(f"m_{region.schemas.business}", "m", region.schemas.business)
    with manager.cursor() as cursor:
        cursor.execute("UPDATE account SET network_domain = 'x' WHERE account_name = 'admin'")
    manager.close()
    assert [key for _, key, _, _ in dirty(region)] == ["well-known:account:admin"]
