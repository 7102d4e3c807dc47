"""The business schema of a managed region: CloudStack's tables and columns, as far as this server uses them.

``agent prepare`` calls ``create`` and ``seed`` with the database's admin; both may be run any number of times.
A table of ours that CloudStack does not have: ``api_session``, so that any replica serves any session.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from region_operator.errors import InvalidInput, Refused
from region_operator.management.store.encryption import SecretKeyCipher
from region_operator.management.store.passwords import hash_password
from region_operator.naming import quote_identifier

ROOT_DOMAIN_ID: Final = 1
SYSTEM_ID: Final = 1  # account and user
ADMIN_ID: Final = 2  # account and user

_OPTIONS: Final = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"

_TABLES: Final = {
    "region": """
        id INT UNSIGNED NOT NULL,
        name VARCHAR(255) NOT NULL,
        end_point VARCHAR(255) NOT NULL,
        portableip_service_enabled TINYINT(1) NOT NULL DEFAULT 0,
        gslb_service_enabled TINYINT(1) NOT NULL DEFAULT 1,
        PRIMARY KEY (id),
        UNIQUE KEY uc_region__name (name)""",
    "domain": """
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        parent BIGINT UNSIGNED NULL,
        name VARCHAR(255) NULL,
        uuid VARCHAR(40) NULL,
        owner BIGINT UNSIGNED NOT NULL,
        path VARCHAR(255) NOT NULL,
        level INT NOT NULL DEFAULT 0,
        child_count INT NOT NULL DEFAULT 0,
        next_child_seq BIGINT UNSIGNED NOT NULL DEFAULT 1,
        created DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        removed DATETIME NULL,
        state CHAR(32) NOT NULL DEFAULT 'Active',
        network_domain VARCHAR(255) NULL,
        type VARCHAR(255) NOT NULL DEFAULT 'Normal',
        PRIMARY KEY (id),
        UNIQUE KEY uc_domain__uuid (uuid),
        UNIQUE KEY uc_domain__parent_name_removed (parent, name, removed),
        KEY i_domain__path (path),
        KEY i_domain__removed (removed)""",
    "account": """
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        account_name VARCHAR(100) NULL,
        uuid VARCHAR(40) NULL,
        type INT(1) UNSIGNED NOT NULL,
        role_id BIGINT UNSIGNED NULL,
        domain_id BIGINT UNSIGNED NULL,
        state VARCHAR(10) NOT NULL DEFAULT 'enabled',
        created DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        removed DATETIME NULL,
        cleanup_needed TINYINT(1) NOT NULL DEFAULT 0,
        network_domain VARCHAR(255) NULL,
        default_zone_id BIGINT UNSIGNED NULL,
        `default` INT(1) UNSIGNED NOT NULL DEFAULT 0,
        api_key_access TINYINT(1) NULL,
        PRIMARY KEY (id),
        UNIQUE KEY uc_account__uuid (uuid),
        KEY i_account__account_name__domain_id__removed (account_name, domain_id, removed),
        KEY i_account__domain_id (domain_id),
        KEY i_account__removed (removed)""",
    "user": """
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        uuid VARCHAR(40) NULL,
        username VARCHAR(255) NOT NULL,
        password VARCHAR(255) NOT NULL,
        account_id BIGINT UNSIGNED NOT NULL,
        firstname VARCHAR(255) NULL,
        lastname VARCHAR(255) NULL,
        email VARCHAR(255) NULL,
        state VARCHAR(10) NOT NULL DEFAULT 'enabled',
        api_key VARCHAR(255) NULL,
        secret_key VARCHAR(255) NULL,
        created DATETIME NOT NULL,
        removed DATETIME NULL,
        timezone VARCHAR(30) NULL,
        registration_token VARCHAR(255) NULL,
        is_registered TINYINT NOT NULL DEFAULT 0,
        incorrect_login_attempts INT UNSIGNED NOT NULL DEFAULT 0,
        `default` INT(1) UNSIGNED NOT NULL DEFAULT 0,
        source VARCHAR(40) NOT NULL DEFAULT 'UNKNOWN',
        external_entity TEXT NULL,
        is_user_2fa_enabled TINYINT NOT NULL DEFAULT 0,
        user_2fa_provider VARCHAR(255) NULL,
        key_for_2fa VARCHAR(255) NULL,
        api_key_access TINYINT(1) NULL,
        PRIMARY KEY (id),
        UNIQUE KEY uc_user__uuid (uuid),
        UNIQUE KEY i_user__api_key (api_key),
        KEY i_user__username__removed (username, removed),
        KEY i_user__account_id (account_id),
        KEY i_user__removed (removed),
        CONSTRAINT fk_user__account_id FOREIGN KEY (account_id) REFERENCES {database}.account (id) ON DELETE CASCADE""",
    "async_job": """
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        user_id BIGINT UNSIGNED NOT NULL,
        account_id BIGINT UNSIGNED NOT NULL,
        instance_type VARCHAR(64) NULL,
        instance_id BIGINT UNSIGNED NULL,
        job_cmd VARCHAR(255) NOT NULL,
        job_cmd_info TEXT NULL,
        job_cmd_ver INT NOT NULL DEFAULT 0,
        related CHAR(40) NOT NULL DEFAULT '',
        job_type VARCHAR(32) NULL,
        job_dispatcher VARCHAR(64) NULL,
        job_status INT NOT NULL DEFAULT 0,
        job_process_status INT NOT NULL DEFAULT 0,
        job_result_code INT NOT NULL DEFAULT 0,
        job_result MEDIUMTEXT NULL,
        job_init_msid BIGINT UNSIGNED NULL,
        job_complete_msid BIGINT UNSIGNED NULL,
        job_executing_msid BIGINT UNSIGNED NULL,
        job_pending_signals INT NOT NULL DEFAULT 0,
        created DATETIME NULL,
        last_updated DATETIME NULL,
        last_polled DATETIME NULL,
        removed DATETIME NULL,
        uuid VARCHAR(40) NULL,
        PRIMARY KEY (id),
        UNIQUE KEY uc_async_job__uuid (uuid),
        KEY i_async_job__status__updated (job_status, last_updated),
        KEY i_async_job__instance (instance_type, instance_id)""",
    "api_session": """
        id_digest BINARY(32) NOT NULL COMMENT 'SHA-256 of JSESSIONID: who reads the table cannot take a session over',
        key_digest BINARY(32) NOT NULL COMMENT 'SHA-256 of sessionkey',
        user_id BIGINT UNSIGNED NOT NULL,
        created DATETIME NOT NULL,
        last_used DATETIME NOT NULL,
        PRIMARY KEY (id_digest),
        KEY i_api_session__last_used (last_used),
        KEY i_api_session__user_id (user_id)""",
}


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
        for table, columns in _TABLES.items():
            definition = columns.replace("{database}", name)
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {name}.{quote_identifier(table)} ({definition}) {_OPTIONS}")


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
    """ROOT, system and admin; their uuids are random in each install, as in CloudStack: regions match them by name."""
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
