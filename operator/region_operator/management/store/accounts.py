"""Table ``account``: who owns things; belongs to a domain and has users."""

from dataclasses import dataclass
from datetime import datetime

from region_operator.management.store.connection import Transaction
from region_operator.management.store.query import Conditions, Found, Page, Scope, Select, containing
from region_operator.management.store.schema import SYSTEM_ID

NORMAL, ROOT_ADMIN, DOMAIN_ADMIN, RESOURCE_ADMIN, READ_ONLY_ADMIN, PROJECT = range(6)
"""Values of column ``type``."""
ENABLED, DISABLED, LOCKED = "enabled", "disabled", "locked"

_ROLE_IDS = {ROOT_ADMIN: 1, RESOURCE_ADMIN: 2, DOMAIN_ADMIN: 3, NORMAL: 4}  # CloudStack's fixed default roles


@dataclass(frozen=True)
class Account:
    id: int
    uuid: str
    name: str
    type: int
    state: str
    network_domain: str | None
    cleanup_needed: bool
    is_default: bool
    created: datetime | None
    removed: datetime | None
    domain_id: int
    domain_uuid: str
    domain_name: str
    domain_path: str

    @property
    def is_system(self) -> bool:
        return self.id == SYSTEM_ID


_ACCOUNTS = Select(
    columns="a.id, a.uuid, a.account_name AS name, a.type, a.state, a.network_domain, a.cleanup_needed, "
    "a.`default` AS is_default, a.created, a.removed, "
    "d.id AS domain_id, d.uuid AS domain_uuid, d.name AS domain_name, d.path AS domain_path",
    source="account a JOIN domain d ON d.id = a.domain_id",
    make=Account,
    order="a.id",
)


def by_id(transaction: Transaction, account_id: int) -> Account | None:
    """The account, also if it is removed."""
    return _ACCOUNTS.one(transaction, "a.id = %s", account_id)


def lock(transaction: Transaction, account_id: int) -> Account | None:
    """The account as it is now, kept from changing until the commit."""
    transaction.row("SELECT id FROM account WHERE id = %s FOR UPDATE", (account_id,))
    return by_id(transaction, account_id)


def by_name(transaction: Transaction, name: str, *, domain_id: int) -> Account | None:
    return _ACCOUNTS.one(
        transaction, "a.account_name = %s AND a.domain_id = %s AND a.removed IS NULL AND a.type <> 5", name, domain_id
    )


def of_domain(transaction: Transaction, domain_id: int) -> list[Account]:
    return _ACCOUNTS.all(transaction, "a.domain_id = %s AND a.removed IS NULL", domain_id)


@dataclass(frozen=True)
class Filter:
    id: int | None = None
    name: str | None = None
    type: int | None = None
    state: str | None = None
    keyword: str | None = None
    cleanup_needed: bool | None = None


def page(transaction: Transaction, page: Page, scope: Scope, wanted: Filter) -> Found[Account]:
    """Never the system account, nor those of projects."""
    conditions = Conditions()
    conditions.add("a.removed IS NULL AND a.id <> %s AND a.type <> %s", SYSTEM_ID, PROJECT)
    conditions.add_scope(scope, account_column="a.id", path_column="d.path")
    conditions.add_given("a.id = %s", wanted.id)
    conditions.add_given("a.account_name = %s", wanted.name)
    conditions.add_given("a.type = %s", wanted.type)
    conditions.add_given("a.state = %s", wanted.state)
    conditions.add_given("a.cleanup_needed = %s", wanted.cleanup_needed)
    conditions.add_given("a.account_name LIKE %s", wanted.keyword and containing(wanted.keyword))
    return _ACCOUNTS.page(transaction, conditions, page)


def add(
    transaction: Transaction, *, uuid: str, name: str, type_: int, domain_id: int, network_domain: str | None
) -> int:
    """Raises DuplicateKey if the uuid is taken."""
    return transaction.insert(
        "INSERT INTO account (uuid, account_name, type, role_id, domain_id, network_domain, created) "
        "VALUES (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP())",
        (uuid, name, type_, _ROLE_IDS.get(type_), domain_id, network_domain),
    )


def set_state(transaction: Transaction, account_id: int, state: str) -> None:
    transaction.write("UPDATE account SET state = %s WHERE id = %s", (state, account_id))


def rename(transaction: Transaction, account_id: int, name: str) -> None:
    transaction.write("UPDATE account SET account_name = %s WHERE id = %s", (name, account_id))


def set_network_domain(transaction: Transaction, account_id: int, network_domain: str | None) -> None:
    transaction.write("UPDATE account SET network_domain = %s WHERE id = %s", (network_domain, account_id))


def remove(transaction: Transaction, account_id: int) -> None:
    """Mark the account and its users as removed."""
    transaction.write(
        "UPDATE user SET removed = UTC_TIMESTAMP() WHERE account_id = %s AND removed IS NULL", (account_id,)
    )
    transaction.write("UPDATE account SET removed = UTC_TIMESTAMP() WHERE id = %s AND removed IS NULL", (account_id,))
