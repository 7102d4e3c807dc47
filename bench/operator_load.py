"""The operator under measurement: from its chart, its calls counted by the API server, its process by itself."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import flows
from devcluster import toolchain
from devcluster.cluster import Cluster
from devcluster.images import Images

NAMESPACE = "region-operator"
CHART = Path(__file__).parents[1] / "charts/region-operator"
FIRST_PORT = 30000  # the operator's NetworkPolicy lets it out to node ports
_FLOWS = {
    "lease": flows.rule("coordination.k8s.io", "*", verbs=["*"]),
    "writes": flows.rule("*", "*"),
    "reads": flows.rule("*", "*", verbs=["get", "list", "watch"]),
}


@dataclass(frozen=True)
class Reading:
    """Counters since the operator's start, but for ``resident_mib``."""

    reads: int
    writes: int  # without those to its Lease
    passes: int
    cpu_s: float
    resident_mib: float


class MeasuredOperator:
    """The operator as users have it."""

    def __init__(self, cluster: Cluster, images: Images) -> None:
        self._cluster, self._images = cluster, images
        self._flows = flows.Flows(cluster.kubectl, account="region-operator", namespace=NAMESPACE, rules=_FLOWS)

    def install(self, fleets: Sequence[str]) -> None:
        """Install it with rights in ``fleets``, and have the API server count its requests apart from all others."""
        for fleet in fleets:
            self._cluster.kubectl("create", "namespace", fleet)
        self._flows.install()
        repository, _, tag = self._images.operator.rpartition(":")
        values = {
            "image": {"repository": repository, "tag": tag},
            "mariadbImage": self._images.mariadb,
            "placement": {"namespaces": list(fleets)},
        }
        release = [
            "upgrade",
            "--install",
            "region-operator",
            str(CHART),
            "--values",
            "-",
            "--wait",
            "--timeout",
            "180s",
        ]
        where = ["--kubeconfig", str(self._cluster.kubeconfig), "--namespace", NAMESPACE, "--create-namespace"]
        toolchain.run(toolchain.helm(), *release, *where, input=json.dumps(values))

    def read(self) -> Reading:
        """All counters now."""
        calls = self._flows.read()
        own = self._own_metrics()
        return Reading(
            reads=calls["reads"],
            writes=calls["writes"],
            passes=int(sum(v for k, v in own.items() if k.startswith("region_operator_reconcile_total"))),
            cpu_s=own["process_cpu_seconds_total"],
            resident_mib=own["process_resident_memory_bytes"] / 2**20,
        )

    def _own_metrics(self) -> dict[str, float]:
        pod = self._cluster.kubectl(
            "-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/name=region-operator", "-o", "name"
        ).strip()
        text = self._cluster.kubectl(
            "get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/{pod.replace('pod/', 'pods/')}:8081/proxy/metrics"
        )
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}


def start_agents(cluster: Cluster, fleet: str) -> "subprocess.Popen[str]":
    """Run ``bench.agents`` in the network of the cluster's node, where Pods reach it; it ends with this process."""
    program = [sys.executable, "-m", "bench.agents", "--kubeconfig", str(cluster.peer_kubeconfig), "--namespace", fleet]
    address = ["--host", cluster.node_address, "--first-port", str(FIRST_PORT)]
    return cluster.spawn("setpriv", "--pdeathsig", "KILL", *program, *address, stdin=subprocess.DEVNULL)
