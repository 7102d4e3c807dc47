"""Adds a chunk to what is reported of its scan. Pure."""

from collections.abc import Sequence

from region_operator.api.scans import EntityDigest, ScanReport
from region_operator.replication.scans.ports import ChunkOutcome, EntityPart
from region_operator.replication.scans.record import StoredScan

_MODULUS = 2**64
_WHY = "rows still differ: "
"""Begins a message that outlives its chunk; one about waiting does not."""


def counted(scan: StoredScan, outcome: ChunkOutcome) -> StoredScan:
    """The scan after one more chunk; it stands where the next one begins."""
    report = scan.report
    entity = outcome.parts[-1].name if outcome.parts else report.entity
    told = scan.told(
        state="Running",
        throttled_by=None,
        entity=entity,
        percent=max(report.percent, min(99, outcome.percent)),
        rows_compared=report.rows_compared + outcome.rows_compared,
        differing=report.differing + outcome.differing,
        repaired=report.repaired + outcome.repaired,
        message=_WHY + outcome.message if outcome.message else report.message if _is_why(report.message) else "",
        entities=_entities(report.entities, outcome.parts),
    )
    return StoredScan(told.grant, told.report, outcome.next if outcome.next is not None else scan.position)


def verdict(report: ScanReport) -> tuple[str, str]:
    """Result and message of a scan that has seen everything."""
    if not report.differing:
        return "Clean", ""
    still = report.differing - report.repaired
    if still <= 0:
        return "Repaired", f"{report.repaired} rows differed and were repaired"
    why = f": {report.message.removeprefix(_WHY)}" if _is_why(report.message) else ""
    return "Failed", f"{still} of {report.differing} rows that differed still do{why}"


def _is_why(message: str) -> bool:
    return message.startswith(_WHY)


def _entities(known: Sequence[EntityDigest], parts: Sequence[EntityPart]) -> list[EntityDigest]:
    digests = {digest.name: digest for digest in known}
    for part in parts:
        before = digests.get(part.name) or EntityDigest(name=part.name, rows=(0, 0), hash="0", equal=True)
        digests[part.name] = EntityDigest(
            name=part.name,
            rows=(before.rows[0] + part.rows[0], before.rows[1] + part.rows[1]),
            hash=f"{(int(before.hash, 16) + part.hashes[0]) % _MODULUS:016x}",
            equal=before.equal and part.rows[0] == part.rows[1] and part.hashes[0] == part.hashes[1],
        )
    return list(digests.values())
