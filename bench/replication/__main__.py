"""Runs the measurements one after the other on one pair of servers: `python -m bench.replication --help`."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from bench.replication import catch_up, first_copy, one_change, scan_load, scans, writers
from bench.replication.bed import Bed, bed, tell
from bench.replication.data import Size
from bench.replication.regions import NotFinished
from bench.results import Figure, record
from bench.tables import text_table

Measure = Callable[[Bed], Awaitable[list[Figure]]]
MEASURES: dict[str, Measure] = {
    "first_copy": first_copy.measure,
    "one_change": one_change.measure,
    "throughput": writers.measure_throughput,
    "catch_up": catch_up.measure,
    "scans": scans.measure,
    "drift": scans.measure_drift,
    "scan_load": scan_load.measure,
    "own_writes": writers.measure_own_writes,
    "both_sides": catch_up.measure_both_sides,  # last: a scan looks for drift in no row that is in conflict
}


def main() -> int:
    options = _options()
    figures, unfinished = asyncio.run(_run(options))
    if figures:
        print(text_table([figure.row() for figure in figures]))
    for name, error in unfinished.items():
        print(f"{name}: not finished (--scale makes it smaller, --limit gives it longer): {error}", file=sys.stderr)
    return 1 if unfinished else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.replication",
        description="The replication engine beside what people would use instead, on two MariaDB servers.",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="1 = 1,000 domains, 500,000 accounts, 500,000 users")
    parser.add_argument("--only", default=",".join(MEASURES), help="some of: %(default)s")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that any one step may take")
    parser.add_argument("--print-only", action="store_true", help="do not write bench/results")
    options = parser.parse_args()
    options.only = [name for name in options.only.split(",") if name]
    if unknown := set(options.only) - set(MEASURES):
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(MEASURES)}")
    return options


async def _run(options: argparse.Namespace) -> tuple[list[Figure], dict[str, NotFinished]]:
    figures: list[Figure] = []
    unfinished: dict[str, NotFinished] = {}
    async with bed(Size.scaled(options.scale), limit_s=options.limit) as made:
        for name in options.only:
            print(f"{name.replace('_', ' ')}", flush=True)
            began = time.monotonic()
            try:
                found = await MEASURES[name](made)
            except NotFinished as error:
                unfinished[name] = error
                if not made.joined:  # everything else needs the copy
                    break
                continue
            tell(f"({time.monotonic() - began:.0f} s)")
            if not options.print_only:
                record("replication", found)
            figures += found
    return figures, unfinished


if __name__ == "__main__":
    sys.exit(main())
