"""First copy into an empty region, mutual TLS and HTTP included, beside mariadb-dump piped into mariadb."""

import asyncio

from bench.replication.bed import Bed, tell
from bench.replication.cost import Cost
from bench.replication.native import dump_and_load, empty
from bench.results import Figure

GOAL = 0.8


async def measure(bed: Bed) -> list[Figure]:
    rows = f"{bed.size.rows:,} rows"
    dumps = {tls: await _better_dump(bed, tls=tls) for tls in (False, True)}
    tell(f"mariadb-dump piped into mariadb: {dumps[False].seconds:.1f} s, over TLS {dumps[True].seconds:.1f} s")
    ours = await bed.copy()
    tell(f"ours: {ours.seconds:.1f} s")
    source_mib, target_mib = bed.regions.peak_mib()
    name, theirs = "first copy into an empty region", "mariadb-dump piped into mariadb"
    return [
        _seconds(name, ours, beside=theirs, theirs=dumps[False], size=rows),
        _seconds(f"{name}, theirs over TLS", ours, beside=f"{theirs}, both over TLS", theirs=dumps[True], size=rows),
        Figure(
            f"{name}, processor time of agents and servers",
            round(ours.cpu_s, 1),
            "s",
            beside=f"{theirs}, and servers",
            theirs=round(dumps[False].cpu_s, 1),
            size=rows,
        ),
        Figure(f"{name}, rows a second", round(bed.size.rows / ours.seconds), "/s", size=rows),
        Figure(f"{name}, peak memory of the giving agent", round(source_mib, 1), "MiB", size=rows),
        Figure(f"{name}, peak memory of the receiving agent", round(target_mib, 1), "MiB", size=rows),
        Figure("first versions of rows that were there, once", round(bed.first_versions_s, 1), "s", size=rows),
    ]


def _seconds(name: str, ours: Cost, *, beside: str, theirs: Cost, size: str) -> Figure:
    return Figure(
        name,
        round(ours.seconds, 2),
        "s",
        beside=beside,
        theirs=round(theirs.seconds, 2),
        ratio_at_most=GOAL,
        size=size,
    )


async def _better_dump(bed: Bed, *, tls: bool) -> Cost:
    """The faster of two: the first of all finds servers that have done nothing yet."""
    costs = []
    for _ in range(2):
        empty(bed.servers[1])
        meter = bed.meter()
        await asyncio.to_thread(dump_and_load, *bed.servers, schema=bed.schema, tls=tls)
        costs.append(meter.read())
    return min(costs, key=lambda cost: cost.seconds)
