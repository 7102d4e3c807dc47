"""Table ``user``: who signs in; belongs to an account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from region_operator.management.store.connection import Transaction
from region_operator.management.store.query import Conditions, Found, Page, Scope, Select, containing
from region_operator.management.store.schema import SYSTEM_ID
from region_operator.naming import quote_identifier


@dataclass(frozen=True)
class User:
    id: int
    uuid: str
    username: str
    password: str = field(repr=False)
    firstname: str | None
    lastname: str | None
    email: str | None
    state: str
    api_key: str | None
    secret_key: str | None = field(repr=False)  # encrypted
    timezone: str | None
    is_registered: bool
    is_default: bool
    source: str
    created: datetime
    removed: datetime | None
    account_id: int
    account_uuid: str
    account_name: str
    account_type: int
    account_state: str
    account_removed: datetime | None
    api_key_access: bool | None  # the user's, else the account's; None = allowed
    domain_id: int
    domain_uuid: str
    domain_name: str
    domain_path: str

    @property
    def is_system(self) -> bool:
        return self.account_id == SYSTEM_ID


_USERS = Select(
    columns="u.id, u.uuid, u.username, u.password, u.firstname, u.lastname, u.email, u.state, u.api_key, u.secret_key, "
    "u.timezone, u.is_registered, u.`default` AS is_default, u.source, u.created, u.removed, "
    "a.id AS account_id, a.uuid AS account_uuid, a.account_name, a.type AS account_type, a.state AS account_state, "
    "a.removed AS account_removed, COALESCE(u.api_key_access, a.api_key_access) AS api_key_access, "
    "d.id AS domain_id, d.uuid AS domain_uuid, d.name AS domain_name, d.path AS domain_path",
    source="user u JOIN account a ON a.id = u.account_id JOIN domain d ON d.id = a.domain_id",
    make=User,
    order="u.id",
)


def by_id(transaction: Transaction, user_id: int) -> User | None:
    """The user, also if it is removed."""
    return _USERS.one(transaction, "u.id = %s", user_id)


def lock(transaction: Transaction, user_id: int) -> User | None:
    """The user as it is now, kept from changing until the commit."""
    transaction.row("SELECT id FROM user WHERE id = %s FOR UPDATE", (user_id,))
    return by_id(transaction, user_id)


def by_api_key(transaction: Transaction, api_key: str) -> User | None:
    # BINARY beside the indexed comparison: keys differ by case, the collation does not see it.
    return _USERS.one(
        transaction, "u.api_key = %s AND BINARY u.api_key = %s AND u.removed IS NULL", api_key, api_key.encode()
    )


def by_name(transaction: Transaction, username: str, *, domain_id: int) -> User | None:
    return _USERS.one(
        transaction,
        "u.username = %s AND d.id = %s AND u.removed IS NULL AND a.removed IS NULL AND a.type <> 5",
        username,
        domain_id,
    )


def holder_of_api_key(transaction: Transaction, api_key: str) -> int | None:
    """The id of the user, removed ones included, that has the key as the unique index sees it."""
    row = transaction.row("SELECT id FROM user WHERE api_key = %s", (api_key,))
    return int(row["id"]) if row else None


def of_accounts(transaction: Transaction, account_ids: Sequence[int]) -> list[User]:
    return _USERS.all(transaction, "a.id IN %s AND u.removed IS NULL", tuple(account_ids)) if account_ids else []


@dataclass(frozen=True)
class Filter:
    id: int | None = None
    username: str | None = None
    account_type: int | None = None
    state: str | None = None
    keyword: str | None = None


def page(transaction: Transaction, page: Page, scope: Scope, wanted: Filter) -> Found[User]:
    """Never the system user."""
    conditions = Conditions()
    conditions.add("u.removed IS NULL AND a.removed IS NULL AND a.id <> %s AND a.type <> 5", SYSTEM_ID)
    conditions.add_scope(scope, account_column="a.id", path_column="d.path")
    conditions.add_given("u.id = %s", wanted.id)
    conditions.add_given("u.username = %s", wanted.username)
    conditions.add_given("a.type = %s", wanted.account_type)
    conditions.add_given("u.state = %s", wanted.state)
    if wanted.keyword is not None:
        like = containing(wanted.keyword)
        columns = ("u.username", "u.firstname", "u.lastname", "u.email", "a.account_name")
        conditions.add(f"({' OR '.join(f'{column} LIKE %s' for column in columns)})", *[like] * len(columns))
    return _USERS.page(transaction, conditions, page)


@dataclass(frozen=True)
class NewUser:
    uuid: str
    username: str
    password: str = field(repr=False)  # its hash
    firstname: str
    lastname: str
    email: str
    timezone: str | None


def add(transaction: Transaction, new: NewUser, *, account_id: int) -> int:
    """Raises DuplicateKey if the uuid is taken."""
    return transaction.insert(
        "INSERT INTO user (uuid, username, password, firstname, lastname, email, timezone, account_id, source, "
        "created) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'NATIVE', UTC_TIMESTAMP())",
        (new.uuid, new.username, new.password, new.firstname, new.lastname, new.email, new.timezone, account_id),
    )


def update(transaction: Transaction, user_id: int, changes: Mapping[str, Any]) -> None:
    """Write the given columns only; raises DuplicateKey if the API key is taken."""
    if changes:
        assignments = ", ".join(f"{quote_identifier(column)} = %s" for column in changes)
        transaction.write(f"UPDATE user SET {assignments} WHERE id = %s", (*changes.values(), user_id))


def remove(transaction: Transaction, user_id: int) -> None:
    transaction.write("UPDATE user SET removed = UTC_TIMESTAMP() WHERE id = %s AND removed IS NULL", (user_id,))
