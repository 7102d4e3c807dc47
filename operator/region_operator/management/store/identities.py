"""From what the API calls an id (a uuid) to the local id of a row."""

from enum import Enum

from region_operator.management.store.connection import Transaction
from region_operator.naming import quote_identifier


class Entity(Enum):
    """Tables whose rows a parameter can name."""

    DOMAIN = "domain"
    ACCOUNT = "account"
    USER = "user"
    JOB = "async_job"


def local_id(transaction: Transaction, entity: Entity, uuid: str) -> int | None:
    """The row's id, also of a removed row: clients list what they have just deleted."""
    row = transaction.row(f"SELECT id FROM {quote_identifier(entity.value)} WHERE uuid = %s", (uuid,))
    return int(row["id"]) if row else None


def uuid_of(transaction: Transaction, entity: Entity, local_id: int) -> str | None:
    row = transaction.row(f"SELECT uuid FROM {quote_identifier(entity.value)} WHERE id = %s", (local_id,))
    return row["uuid"] if row else None
