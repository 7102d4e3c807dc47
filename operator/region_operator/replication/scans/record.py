"""A scan as its coordinator keeps it: what was granted, what is reported, where its next chunk begins. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from region_operator.api.scans import ScanGrant, ScanReport

Position: TypeAlias = Mapping[str, Any]
"""Where a chunk begins, as its comparer wrote it; JSON."""

ENDED_KEPT: Final = 15
"""Ended scans of a peering that are remembered, beside the last clean one."""


@dataclass(frozen=True, slots=True)
class StoredScan:
    """What outlives the agent that runs the scan; ``position`` is None at the start."""

    grant: ScanGrant
    report: ScanReport
    position: Position | None = None

    @property
    def id(self) -> str:
        return self.report.id

    @property
    def is_ended(self) -> bool:
        return self.report.state == "Ended"

    def told(self, **changes: Any) -> "StoredScan":
        """The same scan with another report."""
        return StoredScan(self.grant, self.report.model_copy(update=changes), self.position)


def superfluous(scans: Iterable[StoredScan]) -> list[str]:
    """Ids of ended scans to forget: the oldest of each peering, but never its last clean one."""
    latest = sorted((s for s in scans if s.is_ended), key=lambda s: s.report.ended_at or "", reverse=True)
    kept, clean, gone = Counter[str](), set[str](), list[str]()
    for scan in latest:
        peering = scan.report.peering_uid
        if scan.report.result == "Clean" and peering not in clean:
            clean.add(peering)
        elif kept[peering] < ENDED_KEPT:
            kept[peering] += 1
        else:
            gone.append(scan.id)
    return gone
