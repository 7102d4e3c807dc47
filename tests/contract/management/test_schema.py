from contextlib import closing
from dataclasses import replace

import pytest

from contract.mariadb import MariaDBServer
from region_operator.errors import InvalidInput, Refused
from region_operator.management.store.encryption import SecretKeyCipher
from region_operator.management.store.passwords import verify_password
from region_operator.management.store.schema import Seed, create, seed

FACTS = Seed(
    region_id=3,
    region_name="eu-west",
    endpoint="http://eu-west-management:8080/client/",
    admin_username="admin",
    admin_password="first sign-in",
    api_key="agent-key",
    secret_key="agent-secret",
    database_key=b"database key\n",
)


@pytest.fixture
def database(mariadb: MariaDBServer) -> str:
    return mariadb.fresh_schemas().business


def prepare(mariadb: MariaDBServer, database: str, facts: Seed = FACTS) -> None:
    with closing(mariadb.admin_connection()) as connection:
        create(connection, database=database)
        seed(connection, database=database, facts=facts)


def rows(mariadb: MariaDBServer, database: str, query: str) -> tuple[tuple[object, ...], ...]:
    with closing(mariadb.admin_connection(database)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_a_fresh_region_has_root_system_admin_and_its_own_region_row(mariadb: MariaDBServer, database: str) -> None:
    prepare(mariadb, database)
    assert rows(mariadb, database, "SELECT id, name, end_point FROM region") == (
        (3, "eu-west", "http://eu-west-management:8080/client/"),
    )
    assert rows(mariadb, database, "SELECT id, name, path, level FROM domain") == ((1, "ROOT", "/", 0),)
    assert rows(mariadb, database, "SELECT id, account_name, type, domain_id, `default` FROM account") == (
        (1, "system", 1, 1, 1),
        (2, "admin", 1, 1, 1),
    )
    assert rows(mariadb, database, "SELECT id, username, account_id, `default` FROM user") == (
        (1, "system", 1, 1),
        (2, "admin", 2, 1),
    )


def test_the_admin_can_sign_in_and_system_never_can(mariadb: MariaDBServer, database: str) -> None:
    prepare(mariadb, database)
    (system,), (admin,) = rows(mariadb, database, "SELECT password FROM user ORDER BY id")
    assert verify_password("first sign-in", str(admin))
    assert not verify_password("", str(system))


def test_preparing_again_changes_nothing(mariadb: MariaDBServer, database: str) -> None:
    def everything() -> list[object]:
        return [
            rows(mariadb, database, f"SELECT * FROM `{table}`") for table in ("region", "domain", "account", "user")
        ]

    prepare(mariadb, database)
    before = everything()
    prepare(mariadb, database)
    assert everything() == before


def test_preparing_again_follows_new_keys_and_endpoint_but_never_resets_the_admin(
    mariadb: MariaDBServer, database: str
) -> None:
    prepare(mariadb, database)
    changed = replace(FACTS, endpoint="https://new/", secret_key="rotated", admin_password="other")
    prepare(mariadb, database, changed)
    assert rows(mariadb, database, "SELECT end_point FROM region") == (("https://new/",),)
    ((secret,),) = rows(mariadb, database, "SELECT secret_key FROM user WHERE id = 1")
    assert SecretKeyCipher(FACTS.database_key).decrypt(str(secret)) == "rotated"
    ((password,),) = rows(mariadb, database, "SELECT password FROM user WHERE id = 2")
    assert verify_password("first sign-in", str(password))


def test_a_secret_key_is_not_readable_in_the_database(mariadb: MariaDBServer, database: str) -> None:
    prepare(mariadb, database)
    ((secret,),) = rows(mariadb, database, "SELECT secret_key FROM user WHERE id = 1")
    assert "agent-secret" not in str(secret)


def test_a_region_name_that_another_row_has_is_refused_and_nothing_is_written(
    mariadb: MariaDBServer, database: str
) -> None:
    prepare(mariadb, database, replace(FACTS, region_id=4))
    with pytest.raises(Refused, match="eu-west"):
        prepare(mariadb, database)
    assert rows(mariadb, database, "SELECT id FROM region") == ((4,),)


def test_a_database_name_that_is_no_identifier_never_reaches_the_server(mariadb: MariaDBServer) -> None:
    with closing(mariadb.admin_connection()) as connection, pytest.raises(InvalidInput, match="identifier"):
        create(connection, database="cloud`; DROP DATABASE mysql; --")


def test_strings_with_quotes_are_stored_as_given(mariadb: MariaDBServer, database: str) -> None:
    prepare(mariadb, database, replace(FACTS, admin_username="o'neil\"; -- %s", endpoint="http://x/'%(a)s"))
    assert rows(mariadb, database, "SELECT end_point FROM region") == (("http://x/'%(a)s",),)
    assert rows(mariadb, database, "SELECT username FROM user WHERE id = 2") == (("o'neil\"; -- %s",),)
