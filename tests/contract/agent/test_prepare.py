"""The prepare Job against a real server."""

import os
import subprocess
import sys
from pathlib import Path

import pymysql
import pytest

from contract.agent.databases import Database, secret
from contract.mariadb import MariaDBServer
from region_operator.errors import InvalidInput, Unavailable
from region_operator.replication.agent import prepare


@pytest.fixture
def database(mariadb: MariaDBServer, tmp_path: Path) -> Database:
    return Database(mariadb, mariadb.fresh_schemas(), 7, tmp_path)


def users(database: Database) -> dict[str, bool]:
    """Users of this database's pairs, and whether each is locked."""
    found = database.run(
        "SELECT user, JSON_VALUE(priv, '$.account_locked') FROM mysql.global_priv WHERE user LIKE %s",
        f"%\\_{database.schemas.business}\\_%",
    )
    return {name.split("_")[0] + "_" + name[-1]: locked in ("1", "true") for name, locked in found}


def login(database: Database, user: str, password: str) -> "pymysql.Connection":
    return database.server.connection(f"{user}_{database.schemas.business}_a", password, database.schemas.business)


def test_a_second_run_changes_nothing(database: Database) -> None:
    assert "installed" in database.prepare()
    before = database.run("SELECT id, name, end_point FROM region"), database.head(), users(database)
    assert "checked, 0 rows" in database.prepare()
    assert (database.run("SELECT id, name, end_point FROM region"), database.head(), users(database)) == before


@pytest.mark.rule("OPERATOR 21")
def test_a_password_is_changed_by_the_other_half_of_the_pair(database: Database) -> None:
    database.prepare(half="a", password="first")
    database.prepare(half="b", password="second")
    assert users(database) == {"agent_a": False, "agent_b": False, "manager_a": False, "manager_b": False}
    login(database, "agent", "first").close()  # Pods with the former user still work
    assert "2 former users locked" in database.prepare(half="b", password="second", retire_other_users=True)
    assert users(database) == {"agent_a": True, "agent_b": False, "manager_a": True, "manager_b": False}
    with pytest.raises(pymysql.err.OperationalError):
        login(database, "agent", "first")
    database.prepare(half="a", password="third")  # and back again
    login(database, "agent", "third").close()


def test_the_agents_user_may_do_what_its_work_needs_and_no_more(database: Database) -> None:
    database.prepare(password="secret")
    with login(database, "agent", "secret") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM account")
        for forbidden in (
            "SELECT * FROM region",
            "SELECT * FROM api_session",
            "DROP TABLE account",
            f"DROP TABLE {database.schemas.sync}.lane",
            "SELECT * FROM mysql.global_priv",
        ):
            with pytest.raises(pymysql.err.OperationalError):
                cursor.execute(forbidden)
    with (
        login(database, "manager", "secret") as connection,
        connection.cursor() as cursor,
        pytest.raises(pymysql.err.OperationalError),
    ):
        cursor.execute(f"SELECT * FROM {database.schemas.sync}.lane")


def test_the_admins_user_is_never_used_as_an_agents(database: Database) -> None:
    directory = secret(database.directory / "same", username=database.server.user, password="x")
    with pytest.raises(InvalidInput, match="is the database's admin"):
        database.prepare(agent_credentials_directory=directory)


def test_a_name_that_is_no_user_name_is_refused(database: Database) -> None:
    directory = secret(database.directory / "odd", username="x'@'%' IDENTIFIED BY 'y", password="x")
    with pytest.raises(InvalidInput, match="not a plain user name"):
        database.prepare(agent_credentials_directory=directory)


def test_a_schema_that_lacks_a_table_is_refused_before_any_change(database: Database) -> None:
    with pytest.raises(InvalidInput) as refused:
        database.prepare(business_schema="Expect")
    assert refused.value.reason == "TableMissing"
    assert database.run("SHOW DATABASES LIKE %s", database.schemas.sync) == []


def test_a_database_of_another_region_is_refused(database: Database) -> None:
    database.prepare()
    with pytest.raises(InvalidInput, match="is that of region 7"):
        database.prepare(region_id=8, region_name="another")
    assert database.run("SELECT id FROM region") == [(7,)]


def test_a_wrong_admin_password_is_named_when_the_wait_is_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "WAIT_FOR_LOGIN_S", 0)
    monkeypatch.setattr(database.server, "password", "wrong")
    with pytest.raises(Unavailable) as caught:
        database.prepare()
    assert caught.value.reason == "AuthFailed"


def test_the_program_ends_with_a_status_and_a_last_line_that_say_why(database: Database) -> None:
    database.prepare()  # writes the Secrets
    settings = database.settings("admin")
    environment = {
        **os.environ,
        **{f"DATABASE_{name.upper()}": str(value) for name, value in settings.model_dump(exclude_none=True).items()},
        "PREPARE_REGION_ID": "7",
        "PREPARE_REGION_NAME": "region-7",
        "PREPARE_MANAGEMENT_ENDPOINT": "http://cloud-7.test/client/",
        "PREPARE_AGENT_CREDENTIALS_DIRECTORY": str(database.directory / "agent"),
        "PREPARE_MANAGER_CREDENTIALS_DIRECTORY": str(database.directory / "manager"),
        "PREPARE_ADMIN_CREDENTIALS_DIRECTORY": str(database.directory / "cloud-admin"),
        "PREPARE_MANAGEMENT_API_DIRECTORY": str(database.directory / "api"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def run(program: str = "prepare", **changes: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "region_operator", "agent", program]
        done = subprocess.run(command, env={**environment, **changes}, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines()[-1], done.stdout + done.stderr

    status, line, _ = run()
    assert (status, line.startswith("prepare: Prepared: region_sync checked")) == (0, True)
    status, line, everything = run(PREPARE_REGION_ID="8")
    assert (status, line.startswith("prepare: DatabaseOfAnotherRegion:")) == (2, True)
    assert "agent-password" not in everything
    count = "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = %s"
    assert database.run(count, database.schemas.business) != [(0,)]
    status, line, _ = run("uncapture")
    assert (status, line.startswith("uncapture: Uncaptured: triggers are off")) == (0, True)
    assert database.run(count, database.schemas.business) == [(0,)]
    del environment["PREPARE_REGION_ID"]
    status, line, _ = run()
    assert (status, line.startswith("prepare: InvalidEnvironment: environment: PREPARE_REGION_ID: Field required")) == (
        2,
        True,
    )
