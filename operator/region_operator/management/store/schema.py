"""Makes the business schema of a managed region and the rows that a fresh one needs.

``agent prepare`` calls ``create`` and ``seed`` with the database's admin; both may be run any number of times.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from region_operator.errors import InvalidInput, Refused
from region_operator.management.store.encryption import SecretKeyCipher
from region_operator.management.store.passwords import hash_password
from region_operator.management.store.tables import OPTIONS, TABLES
from region_operator.naming import quote_identifier

ROOT_DOMAIN_ID: Final = 1
SYSTEM_ID: Final = 1  # account and user
ADMIN_ID: Final = 2  # account and user
_ROLES: Final = (
    (1, "Root Admin", "Admin", "Default root admin role"),
    (2, "Resource Admin", "ResourceAdmin", "Default resource admin role"),
    (3, "Domain Admin", "DomainAdmin", "Default domain admin role"),
    (4, "User", "User", "Default user role"),
)


@dataclass(frozen=True)
class Seed:
    """What a fresh region starts with.

    Attributes:
        endpoint: of the own row in table ``region``.
        api_key: by which the region's agent acts as the well-known user ``system``; with ``secret_key``.
        database_key: content of the database key's file; encrypts ``secret_key``.
    """

    region_id: int
    region_name: str
    endpoint: str
    admin_username: str
    admin_password: str = field(repr=False)
    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    database_key: bytes = field(repr=False)


def create(connection: "Connection[Any]", *, database: str) -> None:
    """Create the schema and the tables that are not there yet; never changes one that is."""
    name = quote_identifier(database)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        for table, columns in TABLES.items():
            definition = columns.replace("{database}", name)
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {name}.{quote_identifier(table)} ({definition}) {OPTIONS}")


def seed(connection: "Connection[Any]", *, database: str, facts: Seed) -> None:
    """Insert the rows that a fresh region needs, in one transaction.

    Run again, it follows the declared region name, endpoint and API keys; it never resets the admin's name or password.

    Raises:
        Refused: the region's name is taken by another row of table ``region``.
    """
    name = quote_identifier(database)
    connection.begin()
    try:
        with connection.cursor() as cursor:
            _seed_region(cursor, name, facts)
            _seed_identities(cursor, name, facts)
            _seed_api_keys(cursor, name, facts)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _seed_region(cursor: Cursor, database: str, facts: Seed) -> None:
    own = (facts.region_id, facts.region_name, facts.endpoint)
    cursor.execute(
        f"SELECT id FROM {database}.region WHERE name = %s AND id <> %s FOR UPDATE",
        (facts.region_name, facts.region_id),
    )
    if clash := cursor.fetchone():
        raise Refused(
            reason="RegionNameTaken",
            message=f"the database already knows a region named {facts.region_name!r}, with id {_first(clash)}; "
            "remove that region or rename one of the two",
        )
    cursor.execute(f"INSERT IGNORE INTO {database}.region (id, name, end_point) VALUES (%s, %s, %s)", own)
    cursor.execute(
        f"UPDATE {database}.region SET name = %s, end_point = %s WHERE id = %s",
        (facts.region_name, facts.endpoint, facts.region_id),
    )


def _seed_identities(cursor: Cursor, database: str, facts: Seed) -> None:
    """ROOT, system, admin and roles; their uuids are random in each install, as in CloudStack: matched by name."""
    for id_, role, role_type, description in _ROLES:
        if _missing(cursor, f"{database}.roles", id_):
            cursor.execute(
                f"INSERT INTO {database}.roles (id, uuid, name, role_type, description, is_default) "
                "VALUES (%s, %s, %s, %s, %s, 1)",
                (id_, str(uuid.uuid4()), role, role_type, description),
            )
    if _missing(cursor, f"{database}.domain", ROOT_DOMAIN_ID):
        cursor.execute(
            f"INSERT INTO {database}.domain (id, uuid, parent, name, owner, path, level, created) "
            "VALUES (%s, %s, NULL, 'ROOT', %s, '/', 0, UTC_TIMESTAMP())",
            (ROOT_DOMAIN_ID, str(uuid.uuid4()), ADMIN_ID),
        )
    for id_, account in ((SYSTEM_ID, "system"), (ADMIN_ID, "admin")):
        if _missing(cursor, f"{database}.account", id_):
            cursor.execute(
                f"INSERT INTO {database}.account (id, uuid, account_name, domain_id, type, role_id, "
                "`default`, created) VALUES (%s, %s, %s, %s, 1, 1, 1, UTC_TIMESTAMP())",
                (id_, str(uuid.uuid4()), account, ROOT_DOMAIN_ID),
            )
    insert_user = (
        f"INSERT INTO {database}.user (id, uuid, username, password, account_id, firstname, lastname, email, source, "
        "`default`, created) VALUES (%s, %s, %s, %s, %s, %s, 'cloud', '', 'NATIVE', 1, UTC_TIMESTAMP())"
    )
    if _missing(cursor, f"{database}.user", SYSTEM_ID):
        # An empty hash is in no known format, so nobody can sign in as system.
        cursor.execute(insert_user, (SYSTEM_ID, str(uuid.uuid4()), "system", "", SYSTEM_ID, "system"))
    if _missing(cursor, f"{database}.user", ADMIN_ID):
        password = hash_password(facts.admin_password)
        cursor.execute(insert_user, (ADMIN_ID, str(uuid.uuid4()), facts.admin_username, password, ADMIN_ID, "admin"))


def _seed_api_keys(cursor: Cursor, database: str, facts: Seed) -> None:
    cipher = SecretKeyCipher(facts.database_key)
    cursor.execute(f"SELECT api_key, secret_key FROM {database}.user WHERE id = %s FOR UPDATE", (SYSTEM_ID,))
    api_key, stored = _values(cursor.fetchone())
    if api_key == facts.api_key and stored and _decrypts_to(cipher, stored, facts.secret_key):
        return
    cursor.execute(
        f"UPDATE {database}.user SET api_key = %s, secret_key = %s WHERE id = %s",
        (facts.api_key, cipher.encrypt(facts.secret_key), SYSTEM_ID),
    )


def _decrypts_to(cipher: SecretKeyCipher, stored: str, secret: str) -> bool:
    try:
        return cipher.decrypt(stored) == secret
    except InvalidInput:  # the database key was changed
        return False


def _missing(cursor: Cursor, table: str, id_: int) -> bool:
    cursor.execute(f"SELECT id FROM {table} WHERE id = %s FOR UPDATE", (id_,))
    return cursor.fetchone() is None


def _values(row: Any) -> tuple[Any, ...]:
    """A row as a tuple, whichever cursor class the given connection has."""
    return tuple(row.values()) if isinstance(row, dict) else tuple(row)


def _first(row: Any) -> Any:
    return _values(row)[0]
