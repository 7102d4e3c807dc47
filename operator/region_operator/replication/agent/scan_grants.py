"""Whether this agent takes a grant of a scan, and for how long. Pure."""

import uuid
from datetime import datetime

from region_operator.api.agent import Link
from region_operator.api.scans import ScanGrant
from region_operator.errors import InvalidInput, Refused
from region_operator.replication.agent.configuration import Held


def granted_link(held: Held, grant: ScanGrant, *, region_id: int) -> Link:
    """Return the link that is to be scanned; raises Refused with the reason that the operator is told."""
    link = held.links.get(grant.peering_uid)
    if link is None or link.peer.id != grant.peer:
        message = f"this agent has no peering {grant.peering_uid} with region {grant.peer}"
        raise Refused(reason="UnknownLink", message=message)
    if held.claim is not None and grant.epoch < held.claim.epoch:
        message = f"epoch {grant.epoch} is older than {held.claim.epoch}; another operator leads now"
        raise Refused(reason="StaleEpoch", message=message)
    if grant.peer < region_id:
        message = f"scans with region {grant.peer} are coordinated there, by the lower id"
        raise Refused(reason="NotCoordinator", message=message)
    if link.state != "Active":
        raise Refused(reason="LinkNotActive", message=f"peering {grant.peering_uid} is {link.state}")
    return link


def left_s(grant: ScanGrant, *, now: datetime) -> float:
    """Seconds until the grant ends, 0 if it has; raises InvalidInput when that is no time."""
    try:
        return max(0.0, (datetime.fromisoformat(grant.not_after) - now).total_seconds())
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            field="notAfter", problem=f"{grant.not_after!r} is no time", remedy="give RFC 3339 with a zone"
        ) from error


def check_time(grant: ScanGrant, *, now: datetime) -> None:
    """Raise InvalidInput unless the grant has an end that is still to come."""
    if left_s(grant, now=now) <= 0:
        raise InvalidInput(
            field="notAfter",
            problem=f"{grant.not_after} is over by this agent's clock, which says {now:%Y-%m-%dT%H:%M:%SZ}",
            remedy="grant a time that is still to come, and set the clocks",
        )


def scan_id_of(text: str) -> str:
    """Return the id as it is kept; raises InvalidInput unless it is a UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise InvalidInput(field="scanId", problem=f"{text[:64]!r} is no UUID", remedy="give the scan's") from error
