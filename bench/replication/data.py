"""The data set, made inside a server in seconds and alike each time, and the writes that are measured."""

import contextlib
from dataclasses import dataclass

from contract.agent.databases import Database
from contract.mariadb import MariaDBServer
from region_operator.replication.catalog import CATALOG, Entity
from region_operator.replication.store.connections import CAPTURE_SWITCH

FIRST_ID = 1000  # local ids below are those of a fresh region's own rows
STEP = 7919  # a prime: rows that are written one after the other are not neighbours
NAMES = {"domain": ("name", "domain-%"), "account": ("account_name", "a-%"), "user": ("username", "u-%")}

LABELS = {"domain": "name", "account": "account_name", "role": "name"}  # by which parents are compared

_DOMAINS = """
    INSERT INTO domain (id, uuid, name, parent, owner, path, level, created)
    SELECT {id}, {uuid}, CONCAT('domain-', seq), 1, 2, CONCAT('/domain-', seq, '/'), 1, '2020-02-02 02:02:02'
    FROM seq_1_to_{count}"""
_ACCOUNTS = """
    INSERT INTO account (id, uuid, account_name, type, role_id, domain_id, state, created)
    SELECT {id}, {uuid}, CONCAT('a-', seq), 0, 4, {first_id} + 1 + seq MOD {domains}, 'enabled', '2020-02-02 02:02:02'
    FROM seq_1_to_{count}"""
_USERS = """
    INSERT INTO user (id, uuid, username, password, account_id, firstname, lastname, email, state, api_key, secret_key,
                      created, timezone)
    SELECT {id}, {uuid}, CONCAT('u-', seq), CONCAT(SHA2(seq, 256), ':', MD5(seq), ':100000'),
           {first_id} + 1 + seq MOD {accounts}, CONCAT('First', seq), CONCAT('Last', seq MOD 5000),
           CONCAT('u-', seq, '@example.org'), 'enabled', IF(seq MOD 4 = 0, SHA2(CONCAT('k', seq), 256), NULL),
           IF(seq MOD 4 = 0, SHA2(CONCAT('s', seq), 256), NULL), '2020-02-02 02:02:02', 'UTC'
    FROM seq_1_to_{count}"""
_UUID = "INSERT(INSERT(INSERT(INSERT(MD5(CONCAT('{table}', seq)), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-')"


@dataclass(frozen=True)
class Size:
    """How many rows there are, and how many of them are written during a partition."""

    domains: int
    accounts: int
    users: int
    updates: int

    @classmethod
    def scaled(cls, scale: float) -> "Size":
        """Scale 1 is the data set that goals are stated for."""
        accounts = max(1000, round(500_000 * scale))
        return cls(max(10, round(1000 * scale)), accounts, accounts, round(accounts / 5))

    @property
    def rows(self) -> int:
        return self.domains + self.accounts + self.users


def fill(database: Database, size: Size) -> None:
    """Write the rows behind the triggers' back, as if they had been there before the region was prepared."""
    database.run(f"SET {CAPTURE_SWITCH} = 1")
    for table, statement, count in (
        ("domain", _DOMAINS, size.domains),
        ("account", _ACCOUNTS, size.accounts),
        ("user", _USERS, size.users),
    ):
        numbers = {"first_id": FIRST_ID, "count": count, "domains": size.domains, "accounts": max(1, size.accounts)}
        if count:
            database.run(statement.format(id=f"{FIRST_ID} + seq", uuid=_UUID.format(table=table), **numbers))
        database.run(f"ANALYZE TABLE `{table}`")
    database.run(f"SET {CAPTURE_SWITCH} = NULL")


def update_users(
    server: MariaDBServer,
    schema: str,
    *,
    users: int,
    count: int,
    first: int = 0,
    column: str = "firstname",
    value: str,
    clock_ahead_s: float = 0,
) -> str:
    """Update ``count`` users, each in a transaction of its own; different ones for ranges that do not overlap.

    Returns the time at which the server's clock says that it was done.
    """
    statement = f"UPDATE `user` SET {column} = CONCAT('{value}', k) WHERE uuid = {_uuid_of('user', _nth(users))};"
    with contextlib.closing(server.admin_connection(schema)) as session, session.cursor() as cursor:
        if clock_ahead_s:
            cursor.execute("SET timestamp = UNIX_TIMESTAMP(NOW(6)) + %s", (clock_ahead_s,))
        cursor.execute(
            f"BEGIN NOT ATOMIC FOR k IN {first + 1} .. {first + count} DO {statement} END FOR; END"
        )  # in the server, so that the client costs nothing
        cursor.execute("SELECT UTC_TIMESTAMP(6)")
        return str((cursor.fetchone() or ("",))[0])


def nth_user(k: int, users: int) -> int:
    """The number of the user that the ``k``-th write of a run changes."""
    return 1 + (k * STEP) % users


def _nth(users: int) -> str:
    """The same in SQL."""
    if users % STEP == 0:
        raise ValueError(f"{users} users is a multiple of {STEP}: choose another scale")
    return f"(1 + (k * {STEP}) MOD {users})"


def _uuid_of(table: str, number: str) -> str:
    return _UUID.format(table=table).replace("seq", number)


def user_uuid(number: int) -> str:
    """SQL of the uuid of user ``number``."""
    return _uuid_of("user", str(number))


def digest(database: Database) -> dict[str, tuple[object, ...]]:
    """Per entity the count and a sum over all synced columns; references by name, for local ids differ."""
    return {
        name: database.run(
            f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', t.uuid, {_columns(CATALOG[name])}))) "
            f"FROM `{CATALOG[name].table}` t WHERE t.{column} LIKE %s",
            pattern,
        )[0]
        for name, (column, pattern) in NAMES.items()
    }


def _columns(entity: Entity) -> str:
    texts = []
    for field in entity.fields:
        for column in field.columns:
            own = f"t.`{column.name}`"
            if field.reference is not None:
                parent = CATALOG[field.reference].table
                own = f"(SELECT p.{LABELS[field.reference]} FROM `{parent}` p WHERE p.id = {own})"
            texts.append(f"IFNULL({own}, '-')")
    return ", ".join(texts)
