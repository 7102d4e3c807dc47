"""Which Events a new status.scan is worth: a scan that began, gave way, goes on later, or ended, with figures; pure."""

from dataclasses import dataclass
from typing import Literal

from region_operator.api.peering_status import LastScan, ScanStatus


@dataclass(frozen=True)
class Told:
    """One Event."""

    kind: Literal["Normal", "Warning"]
    reason: str
    note: str


def scan_events(before: ScanStatus | None, after: ScanStatus | None) -> tuple[Told, ...]:
    """What is to be said when the status becomes ``after``."""
    if after is None:
        return ()
    old = before or ScanStatus()
    told = []
    if after.last is not None and after.last != old.last:
        told.append(_ended(after.last))
    if after.id and (after.id != old.id or old.state == "Interrupted") and after.state in ("Running", "Throttled"):
        goes_on = after.id == old.id
        told.append(Told("Normal", "FullScanStarted", f"full scan {after.id} {'goes on' if goes_on else 'began'}"))
    if after.state == "Throttled" and old.throttled_by != after.throttled_by and after.throttled_by is not None:
        by = after.throttled_by
        note = f"full scan {after.id} gives way: {by.gauge} of {by.region} is {by.value}, over {by.limit}"
        told.append(Told("Normal", "FullScanThrottled", note))
    if after.state == "Interrupted" and (old.state, old.id) != (after.state, after.id):
        note = f"full scan {after.id} rests at {after.percent} % and goes on from there"
        told.append(Told("Normal", "FullScanInterrupted", note))
    return tuple(told)


def _ended(last: LastScan) -> Told:
    figures = f"{last.rows_compared} rows compared, {last.differing} differing, {last.repaired} repaired"
    why = f": {last.message}" if last.message else ""
    kind: Literal["Normal", "Warning"] = "Normal" if last.result == "Clean" else "Warning"
    return Told(kind, f"FullScan{last.result}", f"full scan {last.id} ended, {figures}{why}")
