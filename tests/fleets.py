"""One fleet in a real cluster, as its owner sees it: apply, edit, wait for what is told, count what is there."""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from clouds import Kubectl
from devcluster.toolchain import Unavailable
from region_operator import naming

CHILD_KINDS = "deployments,statefulsets,jobs,pods,services,configmaps,secrets,pvc,networkpolicies,poddisruptionbudgets"

T = TypeVar("T")


def until(what: str, look: Callable[[], T | None], *, within_s: float = 240.0) -> T:
    """The first true value of ``look``; what is not there yet is looked for again."""
    end = time.monotonic() + within_s
    while True:
        try:
            last: Any = look()
        except Unavailable as problem:
            last, said = None, str(problem)
        else:
            said = repr(last)
        if last:
            return last
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {within_s:g} s; last: {said}")
        time.sleep(0.2)


def region(name: str = "eu-west", region_id: int = 1, *, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    """A small managed Region."""
    wanted = {
        "id": region_id,
        "database": {"managed": {"storage": {"size": size}}},
        "managementServer": {"managed": {"replicas": 1}},
        **spec,
    }
    return {"apiVersion": naming.API_VERSION, "kind": "Region", "metadata": {"name": name}, "spec": wanted}


def peering(*regions: str, **spec: Any) -> dict[str, Any]:
    wanted = {"regions": [{"name": name} for name in regions], **spec}
    name = "-".join(regions)
    return {"apiVersion": naming.API_VERSION, "kind": "RegionPeering", "metadata": {"name": name}, "spec": wanted}


class Fleet:
    """The Regions and peerings of one namespace."""

    def __init__(self, cluster: Any, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.kubectl = Kubectl(str(cluster.kubeconfig), namespace)

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """kubectl in the fleet's namespace."""
        return self.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def apply(self, *manifests: dict[str, Any]) -> None:
        self("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))

    def patch(self, kind: str, name: str, body: Any, *, how: str = "merge") -> None:
        self("patch", kind, name, f"--type={how}", "--patch", json.dumps(body))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.kubectl.get(kind, name)
        return found

    def exists(self, kind: str, name: str) -> bool:
        return bool(self("get", kind, name, "--ignore-not-found", "-o", "name"))

    def told(self, name: str, type_: str = "Ready", *, kind: str = "region") -> tuple[str, str]:
        """Status and reason of a condition, of the present generation; empty before that."""
        body = self.get(kind, name)
        for item in (body.get("status") or {}).get("conditions") or ():
            if item["type"] == type_ and item.get("observedGeneration") == body["metadata"]["generation"]:
                return item["status"], item["reason"]
        return "", ""

    def message(self, name: str, type_: str, *, kind: str = "region") -> str:
        return str(self.kubectl.conditions(kind, name)[type_]["message"])

    def until_told(self, name: str, type_: str, *verdict: str, within_s: float = 240.0, kind: str = "region") -> None:
        """Wait for a condition's status and, if given, its reason."""

        def look() -> Any:
            found = self.told(name, type_, kind=kind)
            return found if found[: len(verdict)] == verdict else None

        def last() -> str:
            return f"{kind} {name}: {type_} is {' '.join(verdict)}, was {self.kubectl.conditions(kind, name)}"

        end = time.monotonic() + within_s
        while not look():
            if time.monotonic() > end:
                pytest.fail(last())
            time.sleep(0.2)

    def until_ready(self, *names: str, within_s: float = 240.0) -> None:
        for name in names:
            self.until_told(name, "Ready", "True", within_s=within_s)

    def request_reconcile(self, *names: str, token: str) -> None:
        self("annotate", "region", *names, f"{naming.ANNOTATION_RECONCILE}={token}", "--overwrite")

    def until_handled(self, name: str, token: str) -> None:
        """Wait for the pass that ``request_reconcile`` asked for."""
        until(
            f"request {token} is answered",
            lambda: self.get("region", name)["status"].get("lastHandledReconcileAt") == token,
        )

    def children(self, name: str, *, namespace: str = "", cluster: Any = None) -> set[str]:
        """Kind/name of everything that bears a Region's labels, wherever it is placed."""
        labels = f"{naming.LABEL_REGION_NAMESPACE}={self.namespace},{naming.LABEL_REGION_NAME}={name}"
        command = ("get", CHILD_KINDS, "-n", namespace or self.namespace, "-l", labels, "-o", "json")
        found = json.loads((cluster or self.cluster).kubectl(*command))["items"]
        return {f"{item['kind']}/{item['metadata']['name']}" for item in found}

    def delete_regions(self, *names: str) -> None:
        """All at once, and wait for each."""
        self("delete", "region", *names, "--ignore-not-found", "--timeout=240s")
