"""What replication costs who writes: throughput with capture on, and waiting while others' changes are applied."""

import asyncio
import time
from collections.abc import Awaitable

from bench.replication.bed import Bed, tell
from bench.replication.catch_up import update
from bench.replication.load import Load, Writer, percentile
from bench.replication.native import SCHEMA
from bench.results import Figure

PAIRS, WINDOW_S = 7, 3.0
THROUGHPUT_GOAL = 0.85
OWN_WRITES_PER_SECOND = 100.0
OWN_WRITES_ALONE_S = 15.0
OWN_WRITES_GOAL = 1.5


async def measure_throughput(bed: Bed) -> list[Figure]:
    """Windows with and without capture take turns, so that both meet the same machine; the median pair counts."""
    await bed.join()
    await bed.replicate_natively()
    await bed.regions.resting()
    folding, capturing, behind_s = [], [], 0.0
    for number in range(PAIRS):
        first = number * 1_000_000
        folded = await _window(bed, bed.schema, first=first)
        behind_s = max(behind_s, await bed.regions.folded(limit_s=bed.limit_s))
        without = await _window(bed, SCHEMA, first=first)
        with bed.regions.no_agent_in_region_1():
            captured = await _window(bed, bed.schema, first=first)
        await bed.regions.folded(limit_s=bed.limit_s)
        folding.append((folded, without))
        capturing.append((captured, without))
        tell(f"{without:,.0f}/s without, {captured:,.0f}/s with capture, {folded:,.0f}/s with capture and fold")
    ours, theirs = _median(folding)
    captured, beside = _median(capturing)
    size = f"{PAIRS} windows of {WINDOW_S:g} s each"
    return [
        Figure(
            "single-row updates of one writer, capture and fold on",
            round(ours),
            "/s",
            beside="the same without triggers",
            theirs=round(theirs),
            ratio_at_least=THROUGHPUT_GOAL,
            size=size,
        ),
        Figure(
            "the same, nobody folds: triggers alone",
            round(captured),
            "/s",
            beside="the same without triggers",
            theirs=round(beside),
            size=size,
        ),
        Figure("the same: longest time from the last write to its version", round(behind_s, 2), "s", size=size),
    ]


async def measure_own_writes(bed: Bed) -> list[Figure]:
    """Writes in region 2, some to the very rows that it is catching up with."""
    await bed.join()
    alone = await _own_writes(bed, asyncio.sleep(OWN_WRITES_ALONE_S))
    await bed.regions.resting()
    await asyncio.to_thread(update, bed, 0, count=bed.size.updates, value="while-")
    await bed.regions.folded(limit_s=bed.limit_s)
    began = time.perf_counter()
    busy = await _own_writes(bed, _catch_up(bed))
    seconds = time.perf_counter() - began
    await bed.regions.equal(limit_s=bed.limit_s)
    await bed.check()
    ours, theirs = percentile(busy.seconds, 99) * 1000, percentile(alone.seconds, 99) * 1000
    tell(f"p99 {ours:.1f} ms in {seconds:.1f} s of catching up ({len(busy.seconds)} writes), {theirs:.1f} without")
    size = f"{bed.size.updates:,} updates applied, {OWN_WRITES_PER_SECOND:g} writes/s"
    name = "the region's own writes while it catches up"
    return [
        Figure(
            f"{name}: p99",
            round(ours, 2),
            "ms",
            beside="without catch-up",
            theirs=round(theirs, 2),
            ratio_at_most=OWN_WRITES_GOAL,
            size=size,
        ),
        Figure(f"{name}: deadlock victims", busy.deadlocks, "", goal=0, size=size),
        Figure(f"{name}: lock wait timeouts", busy.lock_timeouts, "", goal=0, size=size),
    ]


def _median(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """The pair whose ratio is the median of all."""
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]


async def _window(bed: Bed, schema: str, *, first: int) -> float:
    """Updates a second."""
    with Writer(bed.servers[0], schema, bed.size.users, first=first).running() as load:
        await asyncio.sleep(WINDOW_S)
        written = len(load.seconds)
    return written / WINDOW_S


async def _own_writes(bed: Bed, meanwhile: Awaitable[None]) -> Load:
    writer = Writer(bed.servers[1], bed.schema, bed.size.users, per_second=OWN_WRITES_PER_SECOND)
    with writer.running() as load:
        await meanwhile
    return load


async def _catch_up(bed: Bed) -> None:
    one, two = bed.regions.databases
    target = one.head()
    await bed.regions.links("Active")
    await bed.regions.reached(two, source=1, lsn=target, limit_s=bed.limit_s)
