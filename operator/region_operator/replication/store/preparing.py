"""Who may prepare a database now: one run at a time, and only for the region it belongs to."""

from typing import Final

from region_operator.errors import InvalidInput, Unavailable
from region_operator.naming import quote_identifier
from region_operator.replication.store import schema
from region_operator.replication.store.connections import Session

LOCK: Final = "region-operator prepare"


def alone(session: Session, *, timeout_s: int = 120) -> None:
    """Keep other runs on this server out for as long as ``session`` lives; raises Unavailable after ``timeout_s``."""
    row = session.one("SELECT GET_LOCK(%s, %s)", (LOCK, timeout_s))
    if row is None or row[0] != 1:
        raise Unavailable(reason="PrepareRunning", message="another run of prepare is still working on this server")


def check_region(session: Session, *, sync_schema: str, region_id: int) -> None:
    """Refuse a database that another region has been prepared in, before anything is written to it."""
    if schema.installed_version(session, sync_schema) is None:
        return
    row = session.one(f"SELECT region_id FROM {quote_identifier(sync_schema)}.lane WHERE id = 1")
    if row is not None and int(row[0]) != region_id:
        raise InvalidInput(
            field="region_id",
            problem=f"the database is that of region {row[0]}, not {region_id}",
            remedy="give the region a database of its own",
            reason="DatabaseOfAnotherRegion",
        )
