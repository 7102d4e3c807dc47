"""What a full scan costs who writes meanwhile: how long single-row updates take, and how many there are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bench.replication.bed import Bed, tell
from bench.replication.load import Load, Writer, percentile
from bench.replication.regions import NotFinished
from bench.replication.scans import scan
from bench.results import Figure

PAIRS, WINDOW_S = 7, 5.0
WARM_UP_S = 3.0
"""Until a scan knows that others write, and has found the size of its chunks."""

WRITES_PER_SECOND = 100.0
WRITERS = 4
LATENCY_GOAL, THROUGHPUT_GOAL = 1.10, 0.95


async def measure(bed: Bed) -> list[Figure]:
    """Windows with and without a scan take turns, so that both meet the same machine; the median pair counts."""
    await bed.join()
    return [await _latency(bed), await _throughput(bed)]


async def _latency(bed: Bed) -> Figure:
    pairs = []
    for number in range(PAIRS):
        alone, scanned = await _pair(bed, number, writers=1, per_second=WRITES_PER_SECOND)
        pairs.append((percentile(scanned[0].seconds, 99) * 1000, percentile(alone[0].seconds, 99) * 1000))
        tell(f"p99 of {WRITES_PER_SECOND:g} writes/s: {pairs[-1][1]:.1f} ms alone, {pairs[-1][0]:.1f} ms while scanned")
    ours, theirs = _median(pairs)
    return Figure(
        "single-row updates while a full scan of contents runs: p99",
        round(ours, 2),
        "ms",
        beside="the same without scan",
        theirs=round(theirs, 2),
        ratio_at_most=LATENCY_GOAL,
        size=f"{WRITES_PER_SECOND:g} writes/s, {PAIRS} windows of {WINDOW_S:g} s each",
    )


async def _throughput(bed: Bed) -> Figure:
    pairs = []
    for number in range(PAIRS):
        alone, scanned = await _pair(bed, PAIRS + number, writers=WRITERS, per_second=0)
        rates = [sum(len(load.seconds) for load in loads) / WINDOW_S for loads in (scanned, alone)]
        pairs.append((rates[0], rates[1]))
        tell(f"{WRITERS} writers: {rates[1]:,.0f}/s alone, {rates[0]:,.0f}/s while scanned")
    ours, theirs = _median(pairs)
    return Figure(
        f"single-row updates of {WRITERS} writers while a full scan of contents runs",
        round(ours),
        "/s",
        beside="the same without scan",
        theirs=round(theirs),
        ratio_at_least=THROUGHPUT_GOAL,
        size=f"{PAIRS} windows of {WINDOW_S:g} s each",
    )


async def _pair(bed: Bed, number: int, *, writers: int, per_second: float) -> tuple[list[Load], list[Load]]:
    """What was written in a window without a scan and in one with; which of them is first takes turns too."""
    found: dict[bool, list[Load]] = {}
    for scanned in (number % 2 == 0, number % 2 != 0):
        async with contextlib.AsyncExitStack() as stack:
            with contextlib.ExitStack() as warming:
                for writer in _writers(bed, number, writers, per_second):
                    warming.enter_context(writer.running())
                if scanned:
                    await stack.enter_async_context(_scanning(bed))
                await asyncio.sleep(WARM_UP_S)
            with contextlib.ExitStack() as running:
                found[scanned] = [
                    running.enter_context(writer.running()) for writer in _writers(bed, number, writers, per_second)
                ]
                await asyncio.sleep(WINDOW_S)
        await bed.regions.equal(limit_s=bed.limit_s)
    return found[False], found[True]


def _writers(bed: Bed, number: int, count: int, per_second: float) -> list[Writer]:
    """Each of its own rows."""
    firsts = [(number * count + one) * 100_000 for one in range(count)]
    return [Writer(bed.servers[0], bed.schema, bed.size.users, per_second=per_second, first=first) for first in firsts]


@contextlib.asynccontextmanager
async def _scanning(bed: Bed) -> AsyncIterator[None]:
    """One scan after the other inside the block."""

    async def scans() -> None:
        while True:
            report = await scan(bed, verify="Content")
            if report.result != "Clean":
                raise NotFinished(f"the scan ended otherwise than Clean: {report}")

    task = asyncio.create_task(scans())
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _median(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """The pair whose ratio is the median of all."""
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]
