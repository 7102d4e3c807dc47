"""What one ServiceAccount asked of an API server, by its own count: others' requests look the same in most metrics.

A FlowSchema for each kind of request tells them apart; their priority is what it would be without.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

WRITES = ("create", "update", "patch", "delete", "deletecollection")
_DISPATCHED = re.compile(
    r'^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="counted-(.+?)"[^}]*\} (\S+)', re.MULTILINE
)
_SCHEMAS = "flowschemas.flowcontrol.apiserver.k8s.io"


def rule(group: str, *resources: str, verbs: Iterable[str] = WRITES) -> dict[str, Any]:
    """Requests about these resources of an API group; ``*`` are all of them."""
    return {
        "verbs": list(verbs),
        "apiGroups": [group],
        "resources": list(resources),
        "namespaces": ["*"],
        "clusterScope": True,
    }


class Flows:
    """Counts the requests of a ServiceAccount; the first of the ``rules`` that fits counts a request."""

    def __init__(
        self, kubectl: Callable[..., str], *, account: str, namespace: str, rules: Mapping[str, dict[str, Any]]
    ) -> None:
        self._kubectl, self._rules = kubectl, rules
        self._subject = {"kind": "ServiceAccount", "serviceAccount": {"name": account, "namespace": namespace}}

    def install(self) -> None:
        """The API server takes notice within some seconds: wait until a request that is always made was counted."""
        items = [self._schema(place, name) for place, name in enumerate(self._rules)]
        self._kubectl("apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": items}))

    def remove(self) -> None:
        self._kubectl("delete", _SCHEMAS, *(f"counted-{name}" for name in self._rules), "--ignore-not-found")

    def read(self) -> "Counter[str]":
        """How often, since they were installed first."""
        counted: Counter[str] = Counter()
        for name, value in _DISPATCHED.findall(self._kubectl("get", "--raw", "/metrics")):
            counted[name] += int(float(value))
        return counted

    def _schema(self, place: int, name: str) -> dict[str, Any]:
        return {
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "FlowSchema",
            "metadata": {"name": f"counted-{name}"},
            "spec": {
                "matchingPrecedence": 100 + place,
                "priorityLevelConfiguration": {"name": "workload-low"},
                "rules": [{"subjects": [self._subject], "resourceRules": [self._rules[name]]}],
            },
        }
