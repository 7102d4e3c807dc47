"""Table ``region``: the regions that this one knows, itself included."""

from dataclasses import dataclass

from region_operator.management.store.connection import Transaction
from region_operator.management.store.query import Conditions, Found, Page, Select, containing


@dataclass(frozen=True)
class Region:
    id: int
    name: str
    endpoint: str
    gslb_enabled: bool
    portable_ip_enabled: bool


_REGIONS = Select(
    columns="id, name, end_point AS endpoint, gslb_service_enabled AS gslb_enabled, "
    "portableip_service_enabled AS portable_ip_enabled",
    source="region",
    make=Region,
    order="id",
)


def by_id(transaction: Transaction, region_id: int) -> Region | None:
    return _REGIONS.one(transaction, "id = %s", region_id)


def page(
    transaction: Transaction, page: Page, *, id_: int | None, name: str | None, keyword: str | None
) -> Found[Region]:
    conditions = Conditions()
    conditions.add_given("id = %s", id_)
    conditions.add_given("name = %s", name)
    conditions.add_given("name LIKE %s", keyword and containing(keyword))
    return _REGIONS.page(transaction, conditions, page)


def add(transaction: Transaction, *, id_: int, name: str, endpoint: str) -> None:
    """Raises DuplicateKey if the id or the name is taken."""
    transaction.write("INSERT INTO region (id, name, end_point) VALUES (%s, %s, %s)", (id_, name, endpoint))


def update(transaction: Transaction, region_id: int, *, name: str, endpoint: str) -> None:
    """Raises DuplicateKey if the name is taken."""
    transaction.write("UPDATE region SET name = %s, end_point = %s WHERE id = %s", (name, endpoint, region_id))


def remove(transaction: Transaction, region_id: int) -> bool:
    return transaction.write("DELETE FROM region WHERE id = %s", (region_id,)) > 0
