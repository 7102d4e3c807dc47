"""How soon a Region is Ready, and what many of them cost the operator: `python -m bench.region_ready`.

Managed Regions are whole ones, one after the other. External Regions are many at once, in one fleet: nothing runs for
them in the cluster, and their agents are the load generator ``bench.agents``; what is measured is the operator.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice

from bench.external_regions import FLEET, all_ready, create, credentials, declared, external_peerings, external_region
from bench.operator_load import MeasuredOperator, Reading, start_agents
from bench.results import Figure, record
from devcluster import toolchain
from devcluster.cluster import Cluster
from devcluster.progress import step

MANAGED = "managed"
MEMORY_GOAL_MIB = 250.0
READY_GOAL_S = 10.0
LONGEST_RESYNC_S = 360.0  # a shorter window may see no resync, so it says nothing of what one costs


def main() -> int:
    options = _options()
    cluster = Cluster.up("bench-ready", owner=os.getpid())
    try:
        images = cluster.build()
        cluster.load(*images)
        operator = MeasuredOperator(cluster, images)
        operator.install([FLEET, MANAGED])
        if options.managed:
            record("region_ready", [_managed(cluster, options.managed)])
        if options.regions:
            _external(cluster, operator, options)
    finally:
        cluster.down()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--managed", type=int, default=3, help="managed Regions to time, one after the other")
    parser.add_argument("--regions", default="1,20,500", help="how many external Regions to measure at, ascending")
    parser.add_argument("--peerings", type=int, default=0, help="RegionPeerings among the last number of Regions")
    parser.add_argument("--window", type=float, default=LONGEST_RESYNC_S, help="seconds of steady state to measure")
    options = parser.parse_args()
    options.regions = [int(item) for item in options.regions.split(",") if item]
    return options


# --- managed Regions --------------------------------------------------------------------------------------------------


def _managed(cluster: Cluster, times: int) -> Figure:
    seconds = []
    for number in range(1, times + 1):
        region = declared(
            "Region", MANAGED, f"timed-{number}", {"id": number, "database": {"managed": {"storage": {"size": "1Gi"}}}}
        )
        started = time.monotonic()
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(region))
        name = f"region/timed-{number}"
        cluster.kubectl("-n", MANAGED, "wait", "--for=condition=Ready", name, "--timeout=180s")
        seconds.append(time.monotonic() - started)
        print(f"  managed Region {number}: Ready after {seconds[-1]:.1f} s", flush=True)
        cluster.kubectl("-n", MANAGED, "delete", name, "--timeout=120s")
    title = f"kubectl apply of a managed Region to Ready, median of {times}"
    return Figure(title, round(statistics.median(seconds), 2), "s", goal=READY_GOAL_S)


# --- external Regions -------------------------------------------------------------------------------------------------


def _external(cluster: Cluster, operator: MeasuredOperator, options: argparse.Namespace) -> None:
    credentials(cluster)
    agents = start_agents(cluster, FLEET)
    try:
        there = 0
        for place, regions in enumerate(options.regions):
            peerings = options.peerings if place == len(options.regions) - 1 else 0
            wanted = [external_region(cluster, number) for number in range(there + 1, regions + 1)]
            wanted += islice(external_peerings(regions), peerings)
            fresh, there = regions - there, regions
            figures = _measured(cluster, operator, wanted, window_s=options.window)
            record("region_ready", figures(regions, fresh, peerings))
            if agents.poll() is not None:
                raise toolchain.Unavailable("the process of the agents has ended")
    finally:
        agents.kill()
        agents.wait()


def _measured(
    cluster: Cluster, operator: MeasuredOperator, wanted: Sequence[dict[str, object]], *, window_s: float
) -> Callable[[int, int, int], list[Figure]]:
    """Make the objects, wait until all are Ready and the operator rests, and look at it for a while."""
    before = operator.read()
    with step(f"{len(wanted)} objects becoming Ready", usually_s=len(wanted) / 5):
        started = time.monotonic()
        create(cluster, wanted)
        toolchain.until(lambda: all_ready(cluster), timeout_s=300 + 2 * len(wanted))
        ready_s = time.monotonic() - started
    with step("the operator coming to rest"):
        rested = _rest(operator)
    with step("steady state", usually_s=window_s):
        began = time.monotonic()
        time.sleep(window_s)
        after = operator.read()
        minutes = (time.monotonic() - began) / 60

    def figures(regions: int, fresh: int, peerings: int) -> list[Figure]:
        what = f"{regions:,} external Region{'s' * (regions > 1)}" + f", {peerings:,} RegionPeerings" * bool(peerings)
        made, objects = fresh + peerings, regions + peerings
        calls = rested.reads - before.reads + rested.writes - before.writes
        reads, passes = after.reads - rested.reads, after.passes - rested.passes
        writes, cpu_s = after.writes - rested.writes, after.cpu_s - rested.cpu_s
        still = f"steady for {window_s:g} s"
        resyncs = [
            Figure(f"{what}: {still}, passes per object", round(passes / minutes / objects * 60, 1), "/h"),
            Figure(f"{what}: {still}, API reads per object", round(reads / minutes / objects * 60, 1), "/h"),
        ]
        return [
            Figure(f"{what}: all Ready after", round(ready_s, 1), "s"),
            Figure(f"{what}: passes per new object until Ready", round((rested.passes - before.passes) / made, 1), ""),
            Figure(f"{what}: API calls per new object until Ready", round(calls / made, 1), ""),
            Figure(f"{what}: operator memory (RSS)", round(after.resident_mib, 1), "MiB", goal=MEMORY_GOAL_MIB),
            Figure(f"{what}: {still}, mutating calls but Lease", round(writes / minutes, 2), "/min", goal=0.0),
            Figure(f"{what}: {still}, CPU", round(cpu_s / minutes / 60 * 100, 2), "% of a core"),
            *([] if window_s < LONGEST_RESYNC_S else resyncs),
        ]

    return figures


def _rest(operator: MeasuredOperator, *, quiet_s: float = 10.0) -> Reading:
    """Wait until nothing was written for a while."""
    last = operator.read()
    while True:
        time.sleep(quiet_s)
        now = operator.read()
        if now.writes == last.writes:
            return now
        last = now


if __name__ == "__main__":
    sys.exit(main())
