"""Memory of the agents during first copies of few and of many rows: `python -m bench.replication.memory`.

Each size has servers and agents of its own; the highest resident memory of an agent's process is what the kernel kept.
"""

import argparse
import asyncio
import sys

from bench.replication.bed import bed, tell
from bench.replication.data import Size
from bench.replication.regions import NotFinished
from bench.results import Figure, record
from bench.tables import text_table

GOAL_MIB = 128.0
DEFAULT_ROWS = "100000,1000000"


async def measure(counts: list[int], *, limit_s: float) -> list[Figure]:
    """First copies of accounts, which are narrow rows; the first count is what others are beside."""
    figures: list[Figure] = []
    smallest: tuple[float, float] | None = None
    for rows in counts:
        async with bed(Size(domains=10, accounts=rows, users=0, updates=0), limit_s=limit_s) as made:
            seconds = (await made.copy()).seconds
            peaks = made.regions.peak_mib()
        tell(f"{rows:,} rows in {seconds:.1f} s: {peaks[0]:.0f} MiB giving, {peaks[1]:.0f} MiB receiving")
        for role, peak, beside in zip(("giving", "receiving"), peaks, smallest or (None, None), strict=True):
            figures.append(
                Figure(
                    f"agent memory, first copy of {rows:,} narrow rows, {role}",
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
