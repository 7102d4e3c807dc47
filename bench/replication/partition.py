"""Lag and scan through a partition and its healing, second by second: `python -m bench.replication.partition`.

Both regions are written to while they are apart; then they meet, and a full scan begins. What is seen is kept in
bench/results/series, and drawn by `python -m bench.tables`.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from bench.replication.bed import Bed, bed, tell
from bench.replication.data import Size
from bench.replication.load import Writer
from bench.replication.regions import NotFinished, applied
from bench.replication.scans import scan
from bench.results import SERIES, machine
from region_operator.api.scans import ScanReport

LOOK_S = 0.1
WRITES_PER_SECOND = 100.0
BEFORE_S, AFTER_S = 4.0, 3.0


@dataclass
class Timeline:
    """``samples``: seconds, changes that region 2 lacks, changes that region 1 lacks, percent of the scan or None."""

    machine: str
    size: str
    apart_s: float = 0.0
    met_s: float = 0.0
    result: str = ""
    samples: list[tuple[float, int, int, int | None]] = field(default_factory=list)


async def measure(made: Bed, *, apart_s: float) -> Timeline:
    await made.join()
    line = Timeline(machine(), f"{made.size.rows:,} rows, {WRITES_PER_SECOND:g} writes/s in each region")
    began, percent = time.perf_counter(), list[int | None]([None])
    over = asyncio.Event()
    watching = asyncio.create_task(_watch(made, line, over, began=began, percent=percent))

    def seen(report: ScanReport) -> None:
        percent[0] = report.percent

    try:
        with _written(made):
            await asyncio.sleep(BEFORE_S)
            line.apart_s = round(time.perf_counter() - began, 1)
            await made.regions.resting()
            await asyncio.sleep(apart_s)
            line.met_s = round(time.perf_counter() - began, 1)
            await made.regions.links("Active")
            tell("apart, and together again")
            report = await scan(made, verify="Content", seen=seen)
            await asyncio.sleep(AFTER_S)
    finally:
        over.set()
        await watching  # it shares connections with what comes next
    line.result = str(report.result)
    await made.regions.equal(limit_s=made.limit_s)
    await made.check()
    tell(f"apart for {line.met_s - line.apart_s:.0f} s; the scan of {report.rows_compared:,} rows ended {line.result}")
    return line


@contextlib.contextmanager
def _written(made: Bed) -> Iterator[None]:
    """Both regions are written to inside the block, different rows."""
    with contextlib.ExitStack() as running:
        for number, server in enumerate(made.servers):
            first = number * made.size.users // 2
            writer = Writer(server, made.schema, made.size.users, per_second=WRITES_PER_SECOND, first=first)
            running.enter_context(writer.running())
        yield


async def _watch(made: Bed, line: Timeline, over: asyncio.Event, *, began: float, percent: list[int | None]) -> None:
    one, two = made.regions.databases
    while not over.is_set():
        lacks = await asyncio.to_thread(
            lambda: (one.head() - applied(two, source=1), two.head() - applied(one, source=2))
        )
        line.samples.append((round(time.perf_counter() - began, 2), max(0, lacks[0]), max(0, lacks[1]), percent[0]))
        await asyncio.sleep(LOOK_S)


async def _run(options: argparse.Namespace) -> Timeline:
    async with bed(Size.scaled(options.scale), limit_s=options.limit) as made:
        return await measure(made, apart_s=options.apart)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.replication.partition", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="1 = 1,000 domains, 500,000 accounts, 500,000 users")
    parser.add_argument("--apart", type=float, default=30.0, help="seconds")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that any one step may take")
    options = parser.parse_args()
    try:
        line = asyncio.run(_run(options))
    except NotFinished as error:
        print(f"not finished (--scale makes it smaller, --limit gives it longer): {error}", file=sys.stderr)
        return 1
    SERIES.mkdir(parents=True, exist_ok=True)
    (SERIES / "partition.json").write_text(json.dumps(asdict(line)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
