"""Catch-up after a partition, beside MariaDB's own replication of the same updates; and after writes on both sides."""

import asyncio
import time
from collections.abc import Callable

from bench.replication.bed import Bed, tell
from bench.replication.cost import Cost
from bench.replication.data import update_users
from bench.replication.native import SCHEMA
from bench.replication.regions import conflicts
from bench.replication.servers import not_waiting_for_disks, run
from bench.results import Figure

GOAL = 0.8
BOTH_SIDES_GOAL = 2.0  # times the catch-up's seconds per row
SAME_ROWS = 10  # one of ten is written on both sides
THREADS = 4


async def measure(bed: Bed) -> list[Figure]:
    await bed.join()
    count, updates = bed.size.updates, f"{bed.size.updates:,} single-row updates"
    ours = await partition(bed, "ours", lambda: update(bed, 0, count=count, value="ours"))
    in_order = await _natively(bed, threads=0)
    parallel = await _natively(bed, threads=THREADS)
    name = "catch-up after a partition"
    both = [
        (name, "GTID replication", in_order),
        (f"{name}, theirs by {THREADS} threads", f"GTID replication, {THREADS} parallel threads", parallel),
    ]
    return [
        Figure(
            title,
            round(ours.seconds, 2),
            "s",
            beside=beside,
            theirs=round(theirs.seconds, 2),
            ratio_at_most=GOAL,
            size=updates,
        )
        for title, beside, theirs in both
    ] + [
        Figure(
            f"{name}, processor time of agents and servers",
            round(ours.cpu_s, 2),
            "s",
            beside="GTID replication, servers",
            theirs=round(in_order.cpu_s, 2),
            size=updates,
        )
    ]


async def measure_both_sides(bed: Bed) -> list[Figure]:
    """Both sides write ranges that overlap by a tenth, the same field of each row, and then meet."""
    await bed.join()
    each = bed.size.updates // 2
    same = each // SAME_ROWS
    before = [conflicts(database, "lastname") for database in bed.regions.databases]
    one_side = await partition(bed, "one side", lambda: update(bed, 0, count=2 * each, value="alone"))
    both = await partition(
        bed,
        "both sides",
        lambda: update(bed, 0, count=each, column="lastname", value="one"),
        lambda: update(bed, 1, count=each, first=each - same, column="lastname", value="two"),
    )
    found = [conflicts(database, "lastname") - old for database, old in zip(bed.regions.databases, before, strict=True)]
    tell(f"{same:,} rows were written on both sides; recorded: {found[0]:,} and {found[1]:,}")
    size, per_row = f"{each:,} rows each, {same:,} the same", 1e6 / (2 * each)
    name = "both sides changed during a partition"
    return [
        Figure(
            f"{name}, time per row",
            round(both.seconds * per_row, 1),
            "µs",
            beside="catch-up of as many rows of one side",
            theirs=round(one_side.seconds * per_row, 1),
            ratio_at_most=BOTH_SIDES_GOAL,
            size=size,
        ),
        Figure(f"{name}, until both are equal", round(both.seconds, 2), "s", size=size),
        Figure(
            f"{name}, concurrent changes without a record",
            sum(max(0, same - recorded) for recorded in found),
            "",
            goal=0,
            size=size,
        ),
        Figure(
            f"{name}, records of changes that were not concurrent",
            sum(max(0, recorded - same) for recorded in found),
            "",
            goal=0,
            size=size,
        ),
    ]


async def partition(bed: Bed, what: str, *writes: Callable[[], None]) -> Cost:
    """Write while the regions are apart; returns what it costs from their meeting until they are equal."""
    await bed.regions.resting()
    began = time.perf_counter()
    for write in writes:
        await asyncio.to_thread(write)
    wrote_s = time.perf_counter() - began
    fold_s = await bed.regions.folded(limit_s=bed.limit_s)
    meter = bed.meter()
    await bed.regions.links("Active")
    await bed.regions.equal(limit_s=bed.limit_s)
    cost = meter.read()
    tell(f"{what}: written in {wrote_s:.1f} s, versioned {fold_s:.1f} s later, then caught up in {cost.seconds:.2f} s")
    await bed.check()
    return cost


def update(
    bed: Bed, server: int, *, count: int, value: str, first: int = 0, column: str = "firstname", schema: str = ""
) -> None:
    """Write while nobody looks at the clock."""
    with not_waiting_for_disks(bed.servers[server]):
        update_users(
            bed.servers[server],
            schema or bed.schema,
            users=bed.size.users,
            count=count,
            first=first,
            column=column,
            value=value,
        )


async def _natively(bed: Bed, *, threads: int) -> Cost:
    native = await bed.replicate_natively()
    native.stop()
    run(bed.servers[0], "FLUSH BINARY LOGS")  # else it would have to look for its place in what we wrote
    await asyncio.to_thread(update, bed, 0, count=bed.size.updates, value=f"native{threads}-", schema=SCHEMA)
    meter = bed.meter()
    native.start(threads=threads)
    await asyncio.to_thread(native.caught_up, limit_s=bed.limit_s)
    cost = meter.read()
    native.stop()
    tell(f"MariaDB's own, {threads} parallel threads: caught up in {cost.seconds:.2f} s")
    return cost
