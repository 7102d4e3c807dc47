"""The operator under measurement: from its chart, its calls counted by the API server, its process by itself."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import toolchain
from devcluster.cluster import Cluster
from devcluster.images import Images

NAMESPACE = "region-operator"
CHART = Path(__file__).parents[1] / "charts/region-operator"
FIRST_PORT = 30000  # the operator's NetworkPolicy lets it out to node ports
_WRITES = ["create", "update", "patch", "delete", "deletecollection"]
_FLOWS = {  # the first that fits counts a request
    "lease": {"verbs": ["*"], "apiGroups": ["coordination.k8s.io"]},
    "writes": {"verbs": _WRITES, "apiGroups": ["*"]},
    "reads": {"verbs": ["get", "list", "watch"], "apiGroups": ["*"]},
}
_DISPATCHED = re.compile(
    r'^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="measure-(\w+)"[^}]*\} (\S+)', re.MULTILINE
)


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

    def install(self, fleets: Sequence[str]) -> None:
        """Install it with rights in ``fleets``, and have the API server count its requests apart from all others."""
        for fleet in fleets:
            self._cluster.kubectl("create", "namespace", fleet)
        self._cluster.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": _schemas()})
        )
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
        calls = {name: 0 for name in _FLOWS}
        for name, value in _DISPATCHED.findall(self._cluster.kubectl("get", "--raw", "/metrics")):
            calls[name] += int(float(value))
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


def _schemas() -> list[dict[str, object]]:
    """FlowSchemas that only tell the operator's requests from others; its priority is what it would be without them."""
    subject = {"kind": "ServiceAccount", "serviceAccount": {"name": "region-operator", "namespace": NAMESPACE}}
    return [
        {
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "FlowSchema",
            "metadata": {"name": f"measure-{name}"},
            "spec": {
                "matchingPrecedence": 100 + place,
                "priorityLevelConfiguration": {"name": "workload-low"},
                "rules": [
                    {
                        "subjects": [subject],
                        "resourceRules": [{**rule, "resources": ["*"], "namespaces": ["*"], "clusterScope": True}],
                    }
                ],
            },
        }
        for place, (name, rule) in enumerate(_FLOWS.items())
    ]


def start_agents(cluster: Cluster, fleet: str) -> "subprocess.Popen[str]":
    """Run ``bench.agents`` in the network of the cluster's node, where Pods reach it; it ends with this process."""
    program = [sys.executable, "-m", "bench.agents", "--kubeconfig", str(cluster.peer_kubeconfig), "--namespace", fleet]
    address = ["--host", cluster.node_address, "--first-port", str(FIRST_PORT)]
    return cluster.spawn("setpriv", "--pdeathsig", "KILL", *program, *address, stdin=subprocess.DEVNULL)
