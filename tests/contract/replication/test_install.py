"""What the prepare Job does to a database, and what it refuses to do."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pymysql
import pytest

from contract.replication.regions import AGENT_PASSWORD, Region, pull, settle
from region_operator.controller.status.region_fields import grants_sql
from region_operator.errors import InvalidInput
from region_operator.replication.catalog import CATALOG, DOMAIN
from region_operator.replication.store import install, users
from region_operator.replication.store.connections import connect
from region_operator.replication.store.schema import SCHEMA_VERSION


def test_preparing_twice_changes_nothing(region: Region) -> None:
    region.add_account("acme")
    region.fold()
    states, history = region.states(), region.store.history()
    again = region.prepare()
    assert again.genesis_rows == 0
    assert again.previous_version == SCHEMA_VERSION
    assert region.states() == states
    assert region.store.history() == history


@pytest.mark.rule("ENGINE 17")
def test_triggers_that_are_right_are_left_alone_and_one_that_was_changed_is_put_back(region: Region) -> None:
    made = "SELECT trigger_name, created FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY 1"
    before = region.sql(made)
    region.sql(f"DROP TRIGGER {region.schemas.sync}_user_update")
    region.prepare()
    after = region.sql(made)
    assert [name for name, _ in after] == [name for name, _ in before]
    assert [name for (name, created) in before if (name, created) not in after] == [
        f"{region.schemas.sync}_user_update"
    ]


@pytest.mark.rule("ENGINE 17")
def test_triggers_and_listing_of_an_earlier_version_are_replaced_and_right_ones_are_not(region: Region) -> None:
    sync = region.schemas.sync
    (definer,) = region.sql(
        "SELECT DISTINCT definer FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
    )
    owner = "@".join(f"'{part}'" for part in definer[0].split("@"))
    region.sql(
        f"CREATE OR REPLACE DEFINER={owner} FUNCTION {sync}.capture_triggers() RETURNS MEDIUMTEXT CHARSET utf8mb4 "
        "READS SQL DATA RETURN '{}'"
    )
    body = "FOR EACH ROW IF @region_sync_apply IS NULL THEN SIGNAL SQLSTATE '45000'; END IF"
    region.sql(f"CREATE OR REPLACE DEFINER={owner} TRIGGER {sync}_user_update AFTER UPDATE ON user {body}")
    region.sql(f"CREATE DEFINER={owner} TRIGGER {sync}_event_update AFTER UPDATE ON event {body}")
    region.sql(f"CREATE TRIGGER {sync}_of_somebody_else AFTER UPDATE ON event FOR EACH ROW BEGIN END")
    region.prepare()
    assert region.store.look_for_drift() == ()
    region.add_account("acme")
    region.add_user("jane", account="acme")
    region.add_event("e-1", account="acme", user="jane")
    region.sql("UPDATE user SET email = 'new@example' WHERE uuid = 'jane'")
    region.sql("UPDATE event SET description = 'purged'")
    assert region.sql("SHOW TRIGGERS WHERE `Trigger` LIKE '%somebody_else'") != []
    made = "SELECT created FROM information_schema.routines WHERE routine_schema = %s"
    before = region.sql(made, [sync])
    region.prepare()
    assert region.sql(made, [sync]) == before
    region.sql(f"DROP TRIGGER {sync}_user_update")
    assert [finding.reason for finding in region.store.look_for_drift()] == ["TriggersMissing"]


def test_rows_that_come_while_nobody_captures_get_a_version_when_prepared_again(region: Region) -> None:
    install.uninstall(region.admin, drop_schema=False)
    region.add_account("acme")
    assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]
    assert region.prepare().genesis_rows == 1
    region.add_account("later")
    assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(1,)]


def test_everything_of_ours_can_be_taken_away(region: Region) -> None:
    region.store.close()
    install.uninstall(region.admin, drop_schema=True)
    region.add_account("acme")
    assert region.sql("SHOW TABLES LIKE 'region_sync%'") == []


@pytest.mark.rule("ENGINE 17")
def test_a_missing_column_is_named_and_no_trigger_speaks_of_it(make_region: Callable[..., Region]) -> None:
    region = make_region(1, prepared=False)
    region.sql("ALTER TABLE user DROP COLUMN timezone")
    finding = region.prepare().findings[0]
    assert (finding.entity, finding.held_back) == ("user", True)
    assert "table user has no column timezone" in finding.message
    region.sql("UPDATE user SET firstname = 'x'")
    assert region.sql("SHOW TRIGGERS LIKE 'user'") == []


@pytest.mark.rule("ENGINE 17")
def test_a_schema_that_is_no_clouds_is_refused(make_region: Callable[..., Region]) -> None:
    region = make_region(1, prepared=False)
    region.sql("SET FOREIGN_KEY_CHECKS = 0")
    region.sql("DELETE FROM domain")
    with pytest.raises(InvalidInput) as refusal:
        region.prepare()
    assert refusal.value.reason == "NotACloudDatabase"


def test_the_database_of_another_region_is_not_taken_over(region: Region) -> None:
    with pytest.raises(InvalidInput) as refusal:
        install.install(region.admin, region_id=2, mint=lambda: 1)
    assert refusal.value.reason == "DatabaseOfAnotherRegion"


def test_an_admin_without_the_privilege_is_told_which(make_region: Callable[..., Region]) -> None:
    region = make_region(1, prepared=False)
    name = f"weak_{region.schemas.business}"
    region.sql(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'weak'")
    region.sql(f"GRANT SELECT ON {region.schemas.business}.* TO '{name}'@'%'")
    with pytest.raises(InvalidInput) as refusal:
        install.install(replace(region.admin, user=name, password="weak"), region_id=1, mint=lambda: 1)
    assert refusal.value.reason == "PrivilegeMissing"


def test_the_sql_shown_to_a_database_administrator_is_enough(make_region: Callable[..., Region]) -> None:
    region = make_region(1, prepared=False)
    shown = grants_sql(1, business_schema=region.schemas.business, sync_schema=region.schemas.sync)
    for statement in shown.replace("<password>", "chosen").split(";\n"):
        lines = [line for line in statement.splitlines() if not line.startswith("--")]
        if lines:
            region.sql("\n".join(lines).rstrip(";"))
    admin = replace(region.admin, user="region_1_prepare", password="chosen")
    try:
        installed = install.install(admin, region_id=1, mint=lambda: 1)
        session = connect(admin)
        users.create_user(session, name=region.agent.user, password=AGENT_PASSWORD)
        users.grant(session, users.agent_grants(installed.layout, name=region.agent.user))
        session.close()
        region.open()
        region.add_account("acme")
        assert region.store.fold().folded == 1
    finally:
        region.sql("DROP USER region_1_prepare")


@pytest.mark.parametrize(
    "name", ["x'@'%' IDENTIFIED BY ''; DROP DATABASE cloud; --", "", "a b", "-x", "a`b", "näme", "x" * 81]
)
def test_names_that_could_end_a_statement_are_refused_as_users(region: Region, name: str) -> None:
    with pytest.raises(InvalidInput):
        users.account(name)
    with pytest.raises(InvalidInput):
        users.create_user(connect(region.admin), name=name, password="x")


@pytest.mark.parametrize("name", ["cloud`; DROP DATABASE x; --", "", "1cloud", "a.b", "a b", "x" * 65])
def test_names_that_could_end_a_statement_are_refused_as_schemas(region: Region, name: str) -> None:
    with pytest.raises(InvalidInput):
        install.install(replace(region.admin, business_schema=name), region_id=1, mint=lambda: 1)
    with pytest.raises(InvalidInput):
        install.install(replace(region.admin, sync_schema=name), region_id=1, mint=lambda: 1)


def test_a_catalog_cannot_smuggle_sql_into_a_trigger(region: Region) -> None:
    known = replace(DOMAIN, well_known=(replace(DOMAIN.well_known[0], key="x'; DROP TABLE domain; --"),))
    region.sync_sql("DELETE FROM well_known WHERE entity = 'domain'")
    with pytest.raises(InvalidInput):
        install.install(region.admin, region_id=1, mint=lambda: 1, catalog={**CATALOG, "domain": known})


def test_values_that_look_like_sql_travel_as_they_are(two: tuple[Region, Region]) -> None:
    here, there = two
    nasty = "'); DROP TABLE user; -- \\ \" ` %s \n \x1f \U0001f600"
    here.add_account("k'); --")
    here.sql("UPDATE account SET network_domain = %s WHERE uuid = %s", [nasty, "k'); --"])
    settle(here, there)
    assert there.value("account", "k'); --", "network_domain") == nasty
    assert here.states() == there.states()


def agent_connection(region: Region) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
    return region.server.connection(region.agent.user, AGENT_PASSWORD)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {business}.region",
        "SELECT * FROM {business}.async_job",
        "DELETE FROM {business}.api_session",
        "DROP TRIGGER {business}.{sync}_user_update",
        "CREATE TABLE {sync}.mine (id INT)",
        "DROP TABLE {sync}.dirty",
        "ALTER TABLE {business}.user ADD COLUMN mine INT",
        "SELECT * FROM mysql.user",
        "CREATE USER mine",
        "SET GLOBAL max_connections = 1",
    ],
)
def test_the_agents_user_may_do_nothing_beyond_its_work(region: Region, statement: str) -> None:
    with contextlib.closing(agent_connection(region)) as connection, connection.cursor() as cursor:
        with pytest.raises((pymysql.OperationalError, pymysql.ProgrammingError)) as refusal:
            cursor.execute(statement.format(business=region.schemas.business, sync=region.schemas.sync))
        assert refusal.value.args[0] in (1044, 1142, 1227)


def test_users_rotate_in_pairs_and_the_retired_one_is_locked_out(region: Region) -> None:
    session = connect(region.admin)
    old = region.agent.user
    new = users.other_of_pair(old)
    assert new is not None
    users.create_user(session, name=new, password="second")
    alive = agent_connection(region)
    assert users.retire(session, name=new)
    with pytest.raises(pymysql.OperationalError):
        agent_connection(region)
    with pytest.raises(pymysql.OperationalError), alive.cursor() as cursor:
        cursor.execute("SELECT 1")
    region.server.connection(new, "second").close()
    # Capture does not depend on either of them.
    region.add_account("acme")
    assert region.sync_sql("SELECT COUNT(*) FROM dirty") == [(1,)]
    users.create_user(session, name=old, password=AGENT_PASSWORD)
    agent_connection(region).close()
    session.close()
    with contextlib.suppress(pymysql.Error):
        alive.close()


def test_a_latin1_schema_exchanges_rows_with_a_utf8mb4_one(make_region: Callable[..., Region]) -> None:
    here, there = make_region(1, prepared=False), make_region(2)
    for table in ("domain", "account", "user"):
        here.sql("SET FOREIGN_KEY_CHECKS = 0")
        here.sql(f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET latin1")
    here.prepare()
    here.open()
    here.add_account("acme")
    here.add_user("jane", account="acme")
    here.sql("UPDATE user SET firstname = 'Zoë' WHERE uuid = 'jane'")
    settle(here, there)
    assert there.value("user", "jane", "firstname") == "Zoë"
    there.sql("UPDATE user SET firstname = 'Łucja' WHERE uuid = 'jane'")
    pull(here, there)
    # What the old character set cannot hold is parked, not turned into question marks.
    assert here.value("user", "jane", "firstname") == "Zoë"
    assert [parked.reason for parked in here.store.parked()] == ["WriteRefused"]
    here.sql("DELETE FROM user WHERE uuid = 'jane'")
    settle(here, there)
    assert there.value("user", "jane", "removed") is not None
