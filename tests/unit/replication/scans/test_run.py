"""A scan, chunk by chunk, over regions and rows that exist only here; time passes only where the scan waits."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from region_operator.api.scans import LoadGrant
from region_operator.errors import Refused, Unavailable
from region_operator.replication.scans import resting
from region_operator.replication.scans.ports import ChunkOutcome, EntityPart, Held
from region_operator.replication.scans.record import Position, StoredScan
from region_operator.replication.scans.run import ScanRun
from simulation.loop import VirtualLoop
from stored_scans import grant, running

pytestmark = pytest.mark.rule("OPERATOR 18")

MARKS = LoadGrant(skip={"threadsRunning": 32}, pause={"threadsRunning": 48}, abort={"threadsRunning": 128})
ROWS = 10_000


@dataclass
class Region:
    """Attributes:
    threads: what each look at it tells, the last one for ever.
    """

    threads: list[int] = field(default_factory=lambda: [1])
    fault: Exception | None = None
    writes: int = 0
    looks: int = 0
    released: int = 0

    async def hold(self, scan_id: str) -> Held:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        now = self.threads.pop(0) if len(self.threads) > 1 else self.threads[0]
        return Held(1, {"threadsRunning": now, "writesPerSecond": self.writes})

    async def release(self, scan_id: str) -> None:
        self.released += 1


@dataclass
class Rows:
    """Rows of one entity, of which some differ; ``row_s`` is what each takes."""

    differing: frozenset[int] = frozenset()
    beyond_repair: frozenset[int] = frozenset()
    row_s: float = 0.0005
    asked: list[int] = field(default_factory=list)
    on_chunk: Callable[[], None] = lambda: None

    async def chunk(self, position: Position | None, max_rows: int) -> ChunkOutcome:
        self.asked.append(max_rows)
        self.on_chunk()
        first = position["after"] if position else 0
        end = min(first + max_rows, ROWS)
        await asyncio.sleep((end - first) * self.row_s)
        found = {row for row in self.differing if first <= row < end}
        lasting = found & self.beyond_repair
        return ChunkOutcome(
            next={"after": end} if end < ROWS else None,
            rows_compared=end - first,
            differing=len(found),
            repaired=len(found - lasting),
            parts=(EntityPart("user", (end - first, end - first), (end, end + len(lasting))),),
            percent=100 * end // ROWS,
            message="a row is parked" if lasting else "",
        )


@dataclass
class Kept:
    scans: list[StoredScan] = field(default_factory=list)

    async def __call__(self, scan: StoredScan) -> None:
        self.scans.append(scan)

    @property
    def states(self) -> list[str]:
        return [scan.report.state for scan in self.scans]


@dataclass
class Scene:
    here: Region = field(default_factory=Region)
    there: Region = field(default_factory=Region)
    rows: Rows = field(default_factory=Rows)
    kept: Kept = field(default_factory=Kept)
    scan: StoredScan = field(default_factory=lambda: StoredScan(grant(load=MARKS), running().report))

    def run(self, *, left_s: float = 3600.0) -> StoredScan:
        """Run the scan, or go on with it; returns how it stands then."""
        loop = VirtualLoop(random.Random(1))
        try:
            loop.run_until_complete(self._run(loop, left_s))
        finally:
            loop.close()
            if self.kept.scans:
                self.scan = self.kept.scans[-1]
        return self.scan

    async def _run(self, loop: VirtualLoop, left_s: float) -> None:
        run = ScanRun(
            self.scan,
            regions={1: self.here, 2: self.there},
            chunks=self.rows,
            keep=self.kept,
            now=lambda: "2026-01-01T01:00:00Z",
            clock=loop.time,
        )
        await run.run(left_s=left_s)


def report_of(scan: StoredScan) -> tuple[Any, ...]:
    report = scan.report
    return report.state, report.result, report.rows_compared, report.differing, report.repaired


def test_equal_regions_are_found_clean_and_given_back() -> None:
    scene = Scene()
    scan = scene.run()
    assert report_of(scan) == ("Ended", "Clean", ROWS, 0, 0)
    (entity,) = scan.report.entities
    assert (entity.name, entity.rows, entity.equal) == ("user", (ROWS, ROWS), True)
    assert (scan.report.percent, scan.report.ended_at) == (100, "2026-01-01T01:00:00Z")
    assert (scene.here.released, scene.there.released) == (1, 1)


def test_what_differs_is_repaired_and_what_cannot_be_fails_the_scan() -> None:
    assert report_of(Scene(rows=Rows(frozenset({7, 5000}))).run()) == ("Ended", "Repaired", ROWS, 2, 2)
    scan = Scene(rows=Rows(frozenset({7, 5000}), beyond_repair=frozenset({7}))).run()
    assert report_of(scan) == ("Ended", "Failed", ROWS, 2, 1)
    assert scan.report.message == "1 of 2 rows that differed still do: a row is parked"
    assert not scan.report.entities[0].equal


def test_chunks_come_to_take_the_time_they_aim_at() -> None:
    scene = Scene(rows=Rows(row_s=0.005))
    scene.run()
    assert 90 <= scene.rows.asked[-1] <= 110


@pytest.mark.parametrize("crashes_at", range(1, 9))
def test_a_scan_that_crashed_at_any_chunk_goes_on_there(crashes_at: int) -> None:
    def crash() -> None:
        if len(scene.rows.asked) == crashes_at:
            raise Unavailable(reason="ConnectionRefused", message="the peer is away")

    scene = Scene(rows=Rows(frozenset({3, 9000}), on_chunk=crash))
    with pytest.raises(Unavailable):
        scene.run()
    assert "the peer is away" in scene.scan.report.message
    assert (scene.here.released, scene.there.released) == (1, 1)
    scan = scene.run()
    assert report_of(scan) == ("Ended", "Repaired", ROWS, 2, 2)
    assert "away" not in scan.report.message


def test_a_scan_is_skipped_before_it_begins_when_either_region_is_busy() -> None:
    scene = Scene(there=Region([40]))
    scan = scene.run()
    assert report_of(scan) == ("Ended", "SkippedHighLoad", 0, 0, 0)
    assert scan.report.message == "threadsRunning of region 2 is 40, over 32"
    assert scene.rows.asked == []
    assert (scene.here.released, scene.there.released) == (1, 1)


def test_a_scan_looks_twice_only_where_a_mark_asks_for_what_a_region_cannot_tell_at_first() -> None:
    marks = LoadGrant(skip={"threadsRunning": 32, "rowLockWaitsPerSecond": 20})
    scene = Scene(there=Region([1, 40]), scan=StoredScan(grant(load=marks), running().report))
    assert report_of(scene.run()) == ("Ended", "SkippedHighLoad", 0, 0, 0)
    assert scene.there.looks == 2
    scene = Scene(there=Region([1, 40]))
    assert report_of(scene.run()) == ("Ended", "Clean", ROWS, 0, 0)


def test_where_others_write_a_scan_takes_a_twentieth_of_the_time() -> None:
    scene = Scene(there=Region(writes=resting.QUIET_WRITES + 1))
    began_s, busy_s = [], ROWS * scene.rows.row_s
    scene.rows.on_chunk = lambda: began_s.append(asyncio.get_running_loop().time())
    assert report_of(scene.run()) == ("Ended", "Clean", ROWS, 0, 0)
    assert began_s[-1] - began_s[0] == pytest.approx(20 * busy_s, rel=0.2)
    at_rest, began_s = Scene(there=Region(writes=resting.QUIET_WRITES)), []
    at_rest.rows.on_chunk = lambda: began_s.append(asyncio.get_running_loop().time())
    at_rest.run()
    assert began_s[-1] - began_s[0] <= busy_s


def test_a_scan_that_repairs_does_not_take_its_own_writes_for_those_of_others() -> None:
    busy = Region(writes=resting.QUIET_WRITES + 1)
    waits_s = []
    for differing in (frozenset[int](), frozenset(range(ROWS))):
        scene, began_s = Scene(there=busy, rows=Rows(differing)), list[float]()
        scene.rows.on_chunk = lambda began_s=began_s: began_s.append(asyncio.get_running_loop().time())
        scene.run()
        waits_s.append(began_s[-1] - began_s[0])
    assert waits_s[1] < waits_s[0] / 3


def test_a_running_scan_backs_off_shrinks_its_chunks_and_goes_on_when_the_load_falls() -> None:
    calm, busy = [1] * 3, [60] * 3
    scene = Scene(here=Region([*calm, *busy, 1]))
    scan = scene.run()
    assert report_of(scan) == ("Ended", "Clean", ROWS, 0, 0)
    throttled = next(kept.report for kept in scene.kept.scans if kept.report.state == "Throttled")
    assert throttled.throttled_by is not None
    assert throttled.throttled_by.model_dump() == {"region": 1, "gauge": "threadsRunning", "value": 60, "limit": 48}
    assert scene.rows.asked[2] < scene.rows.asked[1]
    assert scan.report.throttled_by is None


def test_the_busier_for_longer_the_rarer_it_looks_but_often_enough_to_keep_its_leases() -> None:
    scene = Scene(here=Region([1, 1, 60]))
    scan = scene.run(left_s=3600)
    assert scan.report.state == "Interrupted"
    assert 3600 / 60 < scene.here.looks < 3600 / 10


def test_over_the_critical_mark_a_running_scan_ends() -> None:
    scan = Scene(there=Region([1, 1, 1, 200])).run()
    assert (scan.report.state, scan.report.result) == ("Ended", "Aborted")
    assert "200" in scan.report.message
    assert scan.position is not None


def test_chunks_that_are_far_too_slow_pause_the_scan_but_not_for_ever() -> None:
    slow = LoadGrant(pause={"chunkLatencyPercent": 150})
    scene = Scene(rows=Rows(row_s=0.01), scan=StoredScan(grant(load=slow), running().report))
    assert report_of(scene.run()) == ("Ended", "Clean", ROWS, 0, 0)
    assert "Throttled" in scene.kept.states


def test_when_the_granted_time_is_over_the_position_is_kept_for_the_next_grant() -> None:
    scene = Scene(rows=Rows(row_s=0.001))
    interrupted = scene.run(left_s=4)
    assert interrupted.report.state == "Interrupted"
    assert 0 < interrupted.report.rows_compared < ROWS
    assert (scene.here.released, scene.there.released) == (1, 1)
    assert report_of(scene.run()) == ("Ended", "Clean", ROWS, 0, 0)


def test_a_region_that_another_scan_holds_is_not_touched_and_ours_is_given_back() -> None:
    scene = Scene(there=Region(fault=Refused(reason="RegionBusy", message="scan x holds this region")))
    with pytest.raises(Refused):
        scene.run()
    assert scene.rows.asked == []
    assert scene.here.released == 1
    assert "scan x holds" in scene.scan.report.message
