"""Memory of the agents during first copies and scans of few and of many rows: `python -m bench.replication.memory`.

Each size has servers and agents of its own; the highest resident memory of an agent's process is what the kernel kept.
"""

import argparse
import asyncio
import sys

from bench.replication.bed import bed, tell
from bench.replication.data import Size
from bench.replication.regions import NotFinished
from bench.replication.scans import scan
from bench.results import Figure, record
from bench.tables import text_table

GOAL_MIB = 128.0
DEFAULT_ROWS = "100000,1000000"


async def measure(counts: list[int], *, limit_s: float) -> list[Figure]:
    """Of accounts, which are narrow rows; the first count is what others are beside."""
    figures: list[Figure] = []
    smallest: dict[str, float] = {}
    for rows in counts:
        async with bed(Size(domains=10, accounts=rows, users=0, updates=0), limit_s=limit_s) as made:
            await made.copy()
            giving, receiving = made.regions.peak_mib()
            made.regions.forget_peaks()
            await scan(made, verify="Content")
            asking, answering = made.regions.peak_mib()
        peaks = {
            f"first copy of {rows:,} narrow rows, giving": giving,
            f"first copy of {rows:,} narrow rows, receiving": receiving,
            f"full scan of {rows:,} narrow rows, asking": asking,
            f"full scan of {rows:,} narrow rows, answering": answering,
        }
        for what, peak in peaks.items():
            tell(f"{what}: {peak:.0f} MiB")
            beside = smallest.get(what.replace(f"{rows:,}", f"{counts[0]:,}"))
            figures.append(
                Figure(
                    f"agent memory, {what}",
                    round(peak, 1),
                    "MiB",
                    goal=GOAL_MIB,
                    beside="" if beside is None else f"{counts[0]:,} rows",
                    theirs=None if beside is None else round(beside, 1),
                )
            )
        smallest = smallest or peaks
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.replication.memory", description=__doc__)
    parser.add_argument("--rows", default=DEFAULT_ROWS, help="how many, ascending (default %(default)s)")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that any one step may take")
    parser.add_argument("--print-only", action="store_true", help="do not write bench/results")
    options = parser.parse_args()
    try:
        figures = asyncio.run(measure([int(rows) for rows in options.rows.split(",")], limit_s=options.limit))
    except NotFinished as error:
        print(f"not finished (--rows makes it smaller, --limit gives it longer): {error}", file=sys.stderr)
        return 1
    if not options.print_only:
        record("memory", figures)
    print(text_table([figure.row() for figure in figures]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
