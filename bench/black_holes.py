"""Whether regions that cannot be reached delay the others: `python -m bench.black_holes`.

Some hundred external Regions in a ring of peerings; then the agents of a third of them fall silent: packets are
dropped, nothing is refused. Measured is what a user sees of the others: the time from an annotation that asks for a
pass to the status that says it was done, one Region after the other.
"""

import argparse
import json
import os
import statistics
import sys
import time
from itertools import islice

import requests  # `cs` brings it

from bench.agents import NAME
from bench.external_regions import FLEET, all_ready, create, credentials, external_peerings, external_region
from bench.operator_load import FIRST_PORT, MeasuredOperator, start_agents
from bench.results import Figure, record
from clouds import Kubectl
from devcluster import toolchain
from devcluster.cluster import Cluster
from devcluster.progress import step
from region_operator import naming

GOAL = 1.10
LOOK_S = 0.005
PASS_LIMIT_S = 60.0
SETTLE_S = 60.0  # silence is noticed, breakers open, and retries have backed off


def main() -> int:
    options = _options()
    cluster = Cluster.up("bench-holes", owner=os.getpid())
    try:
        images = cluster.build()
        cluster.load(*images)
        MeasuredOperator(cluster, images).install([FLEET])
        credentials(cluster)
        agents = start_agents(cluster, FLEET)
        try:
            record("black_holes", _figures(cluster, options))
        finally:
            agents.kill()
            agents.wait()
    finally:
        cluster.down()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=100)
    parser.add_argument("--silent", type=int, default=30, help="how many of them fall silent")
    parser.add_argument("--passes", type=int, default=400, help="passes to time before, and as many after")
    return parser.parse_args()


def _figures(cluster: Cluster, options: argparse.Namespace) -> list[Figure]:
    wanted = [external_region(cluster, number) for number in range(1, options.regions + 1)]
    with step(f"{options.regions} Regions and as many RegionPeerings becoming Ready", usually_s=options.regions / 3):
        create(cluster, [*wanted, *islice(external_peerings(options.regions), options.regions)])
        toolchain.until(lambda: all_ready(cluster), timeout_s=300 + 4 * options.regions)
    others = [NAME.format(number) for number in range(options.silent + 1, options.regions + 1)]
    with step("passes while all are reached", usually_s=options.passes / 4):
        before = _latencies(cluster, others, options.passes)
    _silence(cluster, options.silent)
    with step(f"{options.silent} agents have fallen silent", usually_s=SETTLE_S):
        toolchain.until(lambda: _noticed(cluster, options.silent), timeout_s=300)
        time.sleep(SETTLE_S)
    with step("passes of the others", usually_s=options.passes / 4):
        after = _latencies(cluster, others, options.passes)
    size = f"{options.silent} of {options.regions} regions silent, {options.passes} passes of the others"
    return [
        Figure(
            "from a request to its answer in status, others silent: p99",
            round(1000 * _p99(after), 1),
            "ms",
            beside="all reached",
            theirs=round(1000 * _p99(before), 1),
            ratio_at_most=GOAL,
            size=size,
        ),
        Figure(
            "from a request to its answer in status, others silent: median",
            round(1000 * statistics.median(after), 1),
            "ms",
            beside="all reached",
            theirs=round(1000 * statistics.median(before), 1),
            size=size,
        ),
    ]


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


def _silence(cluster: Cluster, count: int) -> None:
    ports = f"{FIRST_PORT + 1}-{FIRST_PORT + count}"
    rules = (
        "table inet black_holes {\n chain silence {\n  type filter hook prerouting priority -10\n"
        f"  tcp dport {ports} drop\n }}\n}}\n"
    )
    cluster.in_node("nft", "-f", "-", stdin=rules)


def _noticed(cluster: Cluster, count: int) -> bool:
    path = r'jsonpath={range .items[*]}{.status.conditions[?(@.type=="AgentReady")].status}{"\n"}{end}'
    said = cluster.kubectl("-n", FLEET, "get", "regions", "-o", path).split("\n")
    silent = sum(item in ("Unknown", "False") for item in said)
    if silent < count:
        raise toolchain.Unavailable(f"{silent} of {count} are told as not reached")
    return True


def _latencies(cluster: Cluster, names: list[str], passes: int) -> list[float]:
    """Seconds of each pass, asked for one after the other, through one connection to the API server."""
    with Kubectl(str(cluster.kubeconfig), FLEET).proxy() as url, requests.Session() as session:
        objects = f"{url}/apis/{naming.API_VERSION}/namespaces/{FLEET}/regions"
        return [_latency(session, f"{objects}/{names[turn % len(names)]}", str(time.time())) for turn in range(passes)]


def _latency(session: requests.Session, url: str, token: str) -> float:
    patch = {"metadata": {"annotations": {naming.ANNOTATION_RECONCILE: token}}}
    began = time.perf_counter()
    asked = session.patch(
        url, data=json.dumps(patch), headers={"Content-Type": "application/merge-patch+json"}, timeout=10
    )
    asked.raise_for_status()
    while time.perf_counter() - began < PASS_LIMIT_S:
        if session.get(url, timeout=10).json().get("status", {}).get("lastHandledReconcileAt") == token:
            return time.perf_counter() - began
        time.sleep(LOOK_S)
    raise toolchain.Unavailable(f"{url} was not handled within {PASS_LIMIT_S:g} s")


if __name__ == "__main__":
    sys.exit(main())
