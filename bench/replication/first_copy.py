"""First copy into an empty region, mutual TLS and HTTP included, beside mariadb-dump piped into mariadb."""

import asyncio

from bench.replication.bed import Bed, tell
from bench.replication.native import dump_and_load
from bench.results import Figure

GOAL = 0.8


async def measure(bed: Bed) -> list[Figure]:
    rows = f"{bed.size.rows:,} rows"
    first_s, first_tls_s = await _dump(bed, tls=False), await _dump(bed, tls=True)
    # The first of all finds servers that have done nothing yet, so the better of two counts.
    plain_s, tls_s = min(first_s, await _dump(bed, tls=False)), min(first_tls_s, await _dump(bed, tls=True))
    tell(f"mariadb-dump piped into mariadb: {plain_s:.1f} s, over TLS {tls_s:.1f} s")
    ours_s = await bed.copy()
    tell(f"ours: {ours_s:.1f} s")
    source_mib, target_mib = bed.regions.peak_mib()
    name = "first copy into an empty region"
    both = [
        (name, "mariadb-dump piped into mariadb", plain_s),
        (f"{name}, theirs over TLS", "mariadb-dump piped into mariadb, both over TLS", tls_s),
    ]
    return [
        *(
            Figure(title, round(ours_s, 2), "s", None, beside, round(theirs_s, 2), ratio_at_most=GOAL, size=rows)
            for title, beside, theirs_s in both
        ),
        Figure("first copy, rows a second", round(bed.size.rows / ours_s), "/s", size=rows),
        Figure("first copy, peak memory of the giving agent", round(source_mib, 1), "MiB", size=rows),
        Figure("first copy, peak memory of the receiving agent", round(target_mib, 1), "MiB", size=rows),
        Figure("first versions of rows that were there, once", round(bed.first_versions_s, 1), "s", size=rows),
    ]


async def _dump(bed: Bed, *, tls: bool) -> float:
    return await asyncio.to_thread(dump_and_load, *bed.servers, schema=bed.schema, tls=tls)
