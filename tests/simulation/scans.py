"""Full scans. Those of a history that goes on end, and take for a difference nothing that was only on its way. Those of
a fleet at rest find nothing, and what a region loses behind everybody's back is found again.
"""

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from compared_clouds import scan
from memory_region import Database
from region_operator.api.scans import ChunkGrant, LoadGrant, ScanGrant
from region_operator.replication.agent.scan_answers import ComparedHere
from region_operator.replication.catalog import CATALOG
from region_operator.replication.feed import RowKey
from region_operator.replication.scans.compare import Comparison
from region_operator.replication.scans.ports import ChunkOutcome
from simulation.oracle import Violation

if TYPE_CHECKING:
    from simulation.fleet import Fleet

MOST_LOST = 3
CONTENT, REVERT, SHORT = 0.5, 0.5, 0.3
SOME_SECONDS, ONE_DAY = timedelta(seconds=4), timedelta(days=1)
CHUNK_ROWS, FEW_ROWS = 7, 2


def grant(draws: tuple[float, ...], *, peering: str, peer: int, now: datetime) -> ScanGrant:
    """What an operator asks for; now and then only for some seconds, so that clocks that jump end it too."""
    return ScanGrant(
        peering_uid=peering,
        peer=peer,
        verify="Content" if draws[1] < CONTENT else "Versions",
        drift="Revert" if draws[2] < REVERT else "Capture",
        chunk=ChunkGrant(target_millis=500, max_rows=FEW_ROWS),
        load=LoadGrant(),
        not_after=(now + (SOME_SECONDS if draws[3] < SHORT else ONE_DAY)).isoformat(),
        epoch=1,
    )


def running(fleet: "Fleet") -> list[str]:
    """Scans that were granted, of peerings that are not left, and have not ended."""
    found = []
    for scan_id, number in fleet.scans.items():
        peering = fleet.nodes[number].grants[scan_id].peering_uid
        scan = fleet.contents()[number].scans.get(scan_id)
        if peering in fleet.peerings.active() and (scan is None or not scan.is_ended):
            found.append(f"{scan_id}: {scan.report if scan is not None else 'never begun'}")
    return found


def check_granted(fleet: "Fleet") -> None:
    """Nothing was lost behind anybody's back, and what a restore took comes back by the feed."""
    for scan_id, number in fleet.scans.items():
        scan = fleet.contents()[number].scans.get(scan_id)
        if scan is not None and scan.report.differing:
            raise Violation(f"{scan_id} took what was on its way for a difference: {scan.report}")


async def check(fleet: "Fleet") -> None:
    for a, b in fleet.peered():
        passed_over = len(_passed_over(fleet, a, b))
        found = await _scan(fleet, a, b, drift="Revert")
        if figures(found) != (passed_over, passed_over):
            raise Violation(f"a scan of regions {a} and {b} finds {figures(found)} at rest: {found[-1].message}")
    await _check_repair(fleet, *fleet.peered()[0])


def _passed_over(fleet: "Fleet", a: int, b: int) -> set[RowKey]:
    """Events that were purged in one region before the other had read as far, and that a restore brought back.

    The feed has passed them and a restore is no change, so it takes a scan to tell the other of them.
    """
    one, other = fleet.contents()[a], fleet.contents()[b]
    known, shown = one.versions.keys() ^ other.versions.keys(), one.business.keys() | other.business.keys()
    return known & shown & fleet.oracle.purged


async def _check_repair(fleet: "Fleet", a: int, b: int) -> None:
    chance = random.Random(fleet.plan.seed)
    lost = {}
    for number in (a, b):
        for row in chance.sample(leaves := _leaves(fleet, number), min(len(leaves), chance.randint(0, MOST_LOST))):
            if row not in {of for _, of in lost}:
                lost[number, row] = _lose(fleet, number, row)
    found = await _scan(fleet, a, b)
    if figures(found) != (len(lost), len(lost)):
        raise Violation(f"a scan of regions {a} and {b} that lost {sorted(lost, key=str)} finds {figures(found)}")
    for (number, row), columns in lost.items():
        if fleet.contents()[number].business.get(row) != columns:
            raise Violation(
                f"region {number} shows {row} as {fleet.contents()[number].business.get(row)} instead of {columns}"
            )


async def _scan(fleet: "Fleet", a: int, b: int, *, drift: Literal["Revert"] | None = None) -> list[ChunkOutcome]:
    here, peer = (ComparedHere(fleet.nodes[one].region, peer=other) for one, other in ((a, b), (b, a)))
    return await scan(Comparison(here, peer, drift=drift), max_rows=CHUNK_ROWS)


def figures(found: list[ChunkOutcome]) -> tuple[int, int]:
    return sum(one.differing for one in found), sum(one.repaired for one in found)


def _lose(fleet: "Fleet", number: int, row: RowKey) -> object:
    server = fleet.nodes[number].server
    content = server.database.copy()
    columns = content.business.pop(row)
    del content.versions[row]
    server.database = content  # no commit: nobody has captured it, nobody is told
    return columns


def _leaves(fleet: "Fleet", number: int) -> list[RowKey]:
    """Live rows that are shown as they are and that no other row refers to."""
    content = fleet.contents()[number]
    contested = {row.entity for row, _ in content.parked}  # a name that is free for a moment goes to who waits for it
    adopted = set(content.aliases) | _adopters(content)
    conflicting = {row for record in content.conflicts.values() for row in (record.row, record.other)}
    targets = {target for row, columns in content.business.items() for target in _targets(row, columns)}
    return sorted(
        (
            row
            for row in content.business.keys() & content.versions.keys()
            if row not in adopted | conflicting | targets
            and row.entity != "event"  # others may have purged it, or what it refers to
            and row.entity not in contested
            and not row.key.startswith("well-known")
            and content.business[row].get("removed") is None
        ),
        key=str,
    )


def _adopters(content: Database) -> set[RowKey]:
    return {RowKey(row.entity, key) for row, key in content.aliases.items()}


def _targets(row: RowKey, columns: object) -> set[RowKey]:
    assert isinstance(columns, dict)
    fields = (field for field in CATALOG[row.entity].fields if field.reference is not None)
    return {RowKey(str(field.reference), str(columns[field.name])) for field in fields}
