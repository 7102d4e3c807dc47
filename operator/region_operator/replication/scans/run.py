"""One full scan: chunk after chunk, while both regions are held for it and neither is too busy.

    hold both, read their load -> judge -> compare and repair a chunk -> keep where the next one begins -> again

It knows neither HTTP nor SQL. It raises when it cannot go on; whoever supervises it starts it anew, and it goes on from
the position that was kept last. Chunks are safe to repeat, so a crash at any point costs one chunk.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from region_operator.api.scans import ThrottledByGauge
from region_operator.errors import RegionOperatorError
from region_operator.replication.load import CHUNK_LATENCY, Excess, Gauges, judge, knows_all, percentile
from region_operator.replication.scans import resting
from region_operator.replication.scans.ports import ChunkOutcome, Chunks, Scanned
from region_operator.replication.scans.record import StoredScan
from region_operator.replication.scans.sizing import ChunkSize
from region_operator.replication.scans.tally import counted, verdict

log = logging.getLogger(__name__)

FIRST_LOOK_S: Final = 1.0
"""Until a second look at the load before a scan begins, where a region could not yet tell all that has a mark."""

PAUSE_S: Final = 1.0
PAUSE_MOST_S: Final = 20.0
"""Less than a lease lasts: it is renewed by each look."""

LATENCIES: Final = 20
LATENCIES_LEAST: Final = 5


class ScanRun:
    """Run ``run`` under a supervisor.

    Attributes:
        scan: as it stands.
        chunk_s: told how long each chunk took.
    """

    def __init__(
        self,
        scan: StoredScan,
        *,
        regions: Mapping[int, Scanned],
        chunks: Chunks,
        keep: Callable[[StoredScan], Awaitable[None]],
        now: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``regions``: both, by id, ours first; ``now`` gives the time of day, for people."""
        self.scan = scan
        self.chunk_s: Callable[[float], None] = lambda _: None
        self._regions, self._chunks, self._keep, self._now, self._clock = regions, chunks, keep, now, clock
        chunk = scan.grant.chunk
        self._size = ChunkSize.first(target_s=chunk.target_millis / 1000, max_rows=chunk.max_rows)
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._numbers: dict[int, int] = {}

    async def run(self, *, left_s: float) -> None:
        """Go on until the end; after ``left_s`` interrupt the scan and return."""
        try:
            async with asyncio.timeout(left_s) as granted:
                await self._to_the_end()
        except TimeoutError:
            if not granted.expired():
                raise
            await self._tell(state="Interrupted", throttled_by=None, message="the time that was granted is over")
        except RegionOperatorError as error:
            with contextlib.suppress(RegionOperatorError):
                await self._tell(state="Running", throttled_by=None, message=f"waits to go on: {error}")
            await self.release()
            raise
        await self.release()

    async def release(self) -> None:
        """Give both regions back; one that does not answer gives itself back within a minute."""
        answers = [region.release(self.scan.id) for region in self._regions.values()]
        for outcome in await asyncio.gather(*answers, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, RegionOperatorError):
                raise outcome

    async def _to_the_end(self) -> None:
        if self.scan.position is None:
            loads = await self._loads()
            if not knows_all(loads, self.scan.grant.load.skip):
                await asyncio.sleep(FIRST_LOOK_S)
                loads = await self._loads()
            if (found := judge(loads, self.scan.grant.load, begun=False)).verdict == "Skip":
                await self._end("SkippedHighLoad", _over(found.excess))
                return
        pause_s = PAUSE_S
        while True:
            loads = await self._loads()
            found = judge(loads, self.scan.grant.load, begun=True)
            match found.verdict:
                case "Abort":
                    await self._end("Aborted", _over(found.excess))
                    return
                case "Pause":
                    await self._throttle(found.excess)
                    await asyncio.sleep(pause_s)
                    pause_s = min(PAUSE_MOST_S, 2 * pause_s)
                case _:
                    pause_s = PAUSE_S
                    if await self._one_chunk(busy=resting.is_busy(loads)):
                        return

    async def _one_chunk(self, *, busy: bool) -> bool:
        """True when it was the last; rests after it where others are at work."""
        began = self._clock()
        outcome = await self._chunks.chunk(self.scan.position, self._size.rows)
        took_s = max(0.0, self._clock() - began - outcome.waited_s)
        self._latencies.append(took_s)
        self.chunk_s(took_s)
        self._size = self._size.after(took_s=took_s, compared=outcome.rows_compared)
        await self._count(outcome)
        if busy and outcome.next is not None:
            await asyncio.sleep(resting.rest_s(took_s, repaired=outcome.differing > 0))
        return outcome.next is None

    async def _count(self, outcome: ChunkOutcome) -> None:
        scan = counted(self.scan, outcome)
        if outcome.next is None:
            result, message = verdict(scan.report)
            scan = scan.told(state="Ended", ended_at=self._now(), result=result, message=message, percent=100)
        await self._keep(scan)
        self.scan = scan

    async def _throttle(self, over: Excess | None) -> None:
        assert over is not None
        self._size = self._size.halved()
        self._latencies.clear()  # else a pause for their sake would never end
        by = ThrottledByGauge(region=over.region, gauge=over.gauge, value=over.value, limit=over.limit)
        await self._tell(state="Throttled", throttled_by=by, message=_over(over))

    async def _loads(self) -> dict[int, Gauges]:
        """Renew the leases of both regions and read their load."""
        loads: dict[int, Gauges] = {}
        answers = [region.hold(self.scan.id) for region in self._regions.values()]
        found = await asyncio.gather(*answers, return_exceptions=True)  # else one could be held after our release
        for number, held in zip(self._regions, found, strict=True):
            if isinstance(held, BaseException):
                raise held
            if self._numbers.setdefault(number, held.number) != held.number:
                log.warning("another scan had the region meanwhile", extra={"scan": self.scan.id, "of_region": number})
                self._numbers[number] = held.number
            loads[number] = held.gauges
        own = next(iter(self._regions))
        if len(self._latencies) >= LATENCIES_LEAST:
            slow_s = percentile(self._latencies, 95) or 0.0
            loads[own] = {**loads[own], CHUNK_LATENCY: round(100 * slow_s / self._size.target_s)}
        return loads

    async def _end(self, result: str, message: str) -> None:
        await self._tell(state="Ended", ended_at=self._now(), result=result, message=message, throttled_by=None)

    async def _tell(self, **changes: Any) -> None:
        scan = self.scan.told(**changes)
        if scan != self.scan:
            await self._keep(scan)
            self.scan = scan


def _over(excess: Excess | None) -> str:
    assert excess is not None
    return f"{excess.gauge} of region {excess.region} is {excess.value}, over {excess.limit}"
