"""Table ``domain``: a tree by ``parent``; ``path`` (``/a/b/``), ``level`` and ``child_count`` are derived from it.

Who gives a name inside a domain (to a domain, account or user) first locks that domain's row: names are unique in
CloudStack's code only, and this orders the writers of all replicas.
"""

from dataclasses import dataclass
from datetime import datetime

from region_operator.management.store.connection import Transaction
from region_operator.management.store.query import Conditions, Found, Page, Scope, Select, containing, escaped

ACTIVE = "Active"
INACTIVE = "Inactive"
MAX_PATH = 255


@dataclass(frozen=True)
class Domain:
    id: int
    uuid: str
    name: str
    parent_id: int | None
    parent_uuid: str | None
    parent_name: str | None
    path: str
    level: int
    child_count: int
    state: str
    network_domain: str | None
    created: datetime | None
    removed: datetime | None

    @property
    def is_root(self) -> bool:
        return self.parent_id is None


_DOMAINS = Select(
    columns="d.id, d.uuid, d.name, d.parent AS parent_id, parent.uuid AS parent_uuid, parent.name AS parent_name, "
    "d.path, d.level, d.child_count, d.state, d.network_domain, d.created, d.removed",
    source="domain d LEFT JOIN domain parent ON parent.id = d.parent",
    make=Domain,
    order="d.path, d.id",
)


def by_id(transaction: Transaction, domain_id: int) -> Domain | None:
    """The domain, also if it is removed."""
    return _DOMAINS.one(transaction, "d.id = %s", domain_id)


def lock(transaction: Transaction, domain_id: int) -> Domain | None:
    """The domain as it is now, kept from changing until the commit."""
    transaction.row("SELECT id FROM domain WHERE id = %s FOR UPDATE", (domain_id,))
    return by_id(transaction, domain_id)


def by_path(transaction: Transaction, path: str) -> Domain | None:
    return _DOMAINS.one(transaction, "d.path = %s AND d.removed IS NULL", path)


def child(transaction: Transaction, parent_id: int, name: str) -> Domain | None:
    return _DOMAINS.one(transaction, "d.parent = %s AND d.name = %s AND d.removed IS NULL", parent_id, name)


def children(transaction: Transaction, parent_id: int) -> list[Domain]:
    return _DOMAINS.all(transaction, "d.parent = %s AND d.removed IS NULL", parent_id)


@dataclass(frozen=True)
class Filter:
    id: int | None = None
    name: str | None = None
    level: int | None = None
    keyword: str | None = None
    parent_id: int | None = None


def page(transaction: Transaction, page: Page, scope: Scope, wanted: Filter) -> Found[Domain]:
    conditions = Conditions()
    conditions.add("d.removed IS NULL AND d.state = %s", ACTIVE)
    conditions.add_scope(scope, account_column="d.owner", path_column="d.path")
    conditions.add_given("d.id = %s", wanted.id)
    conditions.add_given("d.name = %s", wanted.name)
    conditions.add_given("d.level = %s", wanted.level)
    conditions.add_given("d.parent = %s", wanted.parent_id)
    conditions.add_given("d.name LIKE %s", wanted.keyword and containing(wanted.keyword))
    return _DOMAINS.page(transaction, conditions, page)


def add(
    transaction: Transaction, parent: Domain, *, uuid: str, name: str, owner_id: int, network_domain: str | None
) -> int:
    """Insert a child of the locked ``parent``; raises DuplicateKey if the uuid is taken."""
    transaction.write(
        "UPDATE domain SET child_count = child_count + 1, next_child_seq = next_child_seq + 1 WHERE id = %s",
        (parent.id,),
    )
    return transaction.insert(
        "INSERT INTO domain (uuid, parent, name, owner, path, level, network_domain, created) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP())",
        (uuid, parent.id, name, owner_id, f"{parent.path}{name}/", parent.level + 1, network_domain),
    )


def rename(transaction: Transaction, domain: Domain, name: str) -> None:
    """Give the locked domain a new name and rewrite the paths below it."""
    new_path = f"{domain.path[: -len(domain.name) - 1]}{name}/"
    transaction.write("UPDATE domain SET name = %s WHERE id = %s", (name, domain.id))
    transaction.write(
        "UPDATE domain SET path = CONCAT(%s, SUBSTRING(path, %s)) WHERE path LIKE %s AND removed IS NULL",
        (new_path, len(domain.path) + 1, escaped(domain.path) + "%"),
    )


def longest_path_below(transaction: Transaction, domain: Domain) -> int:
    """Characters of the longest path of the domain and those below it."""
    row = transaction.row(
        "SELECT MAX(CHAR_LENGTH(path)) AS longest FROM domain WHERE path LIKE %s AND removed IS NULL",
        (escaped(domain.path) + "%",),
    )
    return int(row["longest"] or 0) if row else 0


def set_network_domain(transaction: Transaction, domain_id: int, network_domain: str | None) -> None:
    transaction.write("UPDATE domain SET network_domain = %s WHERE id = %s", (network_domain, domain_id))


def remove(transaction: Transaction, domain: Domain) -> None:
    """Mark the domain as removed; CloudStack leaves it Inactive for ever."""
    transaction.write(
        "UPDATE domain SET state = %s, removed = UTC_TIMESTAMP() WHERE id = %s AND removed IS NULL",
        (INACTIVE, domain.id),
    )
    transaction.write("UPDATE domain SET child_count = child_count - 1 WHERE id = %s", (domain.parent_id,))
