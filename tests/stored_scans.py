"""Scans as tests grant and keep them."""

from typing import Any

from region_operator.api.scans import ChunkGrant, LoadGrant, ScanGrant, ScanReport
from region_operator.replication.scans.record import StoredScan

STARTED = "2026-01-01T00:00:00Z"


def grant(peering_uid: str = "peering-1", **changes: Any) -> ScanGrant:
    given: dict[str, Any] = {
        "peering_uid": peering_uid,
        "peer": 2,
        "verify": "Versions",
        "drift": "Capture",
        "chunk": ChunkGrant(target_millis=500, max_rows=50_000),
        "load": LoadGrant(),
        "not_after": "2100-01-01T00:00:00Z",
        "epoch": 1,
    }
    return ScanGrant(**(given | changes))


def running(scan_id: str = "scan-1", peering_uid: str = "peering-1", *, position: Any = None) -> StoredScan:
    report = ScanReport(id=scan_id, peering_uid=peering_uid, state="Running", started_at=STARTED, verify="Versions")
    return StoredScan(grant(peering_uid), report, position)


def ended(number: int, *, result: str = "Aborted", peering_uid: str = "peering-1") -> StoredScan:
    """The scan of that number, ended so many minutes after the hour."""
    ended_at = f"2026-01-01T00:{number:02}:00Z"
    return running(f"{peering_uid}-{number:02}", peering_uid).told(state="Ended", result=result, ended_at=ended_at)
