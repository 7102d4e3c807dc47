"""Good and bad manifests of the three kinds, for the API server (tests/cluster) and our own reading (tests/unit/api).

The good ones say everything that can be said. One bad manifest per limit is derived from them by walking the schema;
those for rules of the expression language stand in tables (kind_rule_cases). Tests assert that both are complete.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from region_operator.api import crds

Manifest = dict[str, Any]
Step = str | int
HOSTILE = "`; DROP TABLE x;\n--"


class _Removed:
    def __repr__(self) -> str:  # in names of tests, which are the same in every process
        return "removed"


REMOVED = _Removed()


def manifest(kind: str, name: str, spec: Any) -> Manifest:
    return {"apiVersion": "region-operator.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


RESOURCES = {"requests": {"cpu": 1, "memory": "4Gi"}, "limits": {"memory": "4Gi"}}
SCHEDULING = {
    "nodeSelector": {"disk": "fast"},
    "tolerations": [
        {"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 5},
    ],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClassName": "high",
}
EXPOSE = {
    "type": "NodePort",
    "host": "203.0.113.9",
    "port": 8443,
    "nodePort": 31443,
    "loadBalancerClass": "internal",
    "annotations": {"example.net/a": "b"},
}
MANAGED_REGION = {
    "id": 1,
    "paused": False,
    "deletionPolicy": "Delete",
    "deletionProtection": False,
    "policyRef": {"name": "default"},
    "databaseKeySecretRef": {"name": "cloud-database-key", "key": "key"},
    "placement": {"namespace": "eu-west", "kubeconfigSecretRef": {"name": "eu-west-cluster", "key": "kubeconfig"}},
    "database": {
        "managed": {
            "image": "registry.example:5000/mariadb@sha256:abc",
            "storage": {"size": "20Gi", "storageClassName": "fast"},
            "settings": {"innodb_buffer_pool_size": "4G"},
            "resources": RESOURCES,
            "scheduling": SCHEDULING,
            "disruption": "Block",
        }
    },
    "managementServer": {
        "managed": {
            "replicas": 2,
            "image": "manager:1",
            "resources": RESOURCES,
            "scheduling": SCHEDULING,
            "tlsSecretRef": {"name": "web-tls"},
            "expose": EXPOSE,
        },
        "endpoint": "https://eu.cloud.example/client/",
    },
    "agent": {"managed": {"expose": EXPOSE, "image": "agent:1", "resources": RESOURCES, "scheduling": SCHEDULING}},
    "networkPolicies": "None",
}
CA = {"name": "ca", "key": "ca.crt"}
EXTERNAL_REGION = {
    "id": 2,
    "database": {
        "external": {
            "host": "db.example.net",
            "port": 3306,
            "database": "cloud",
            "credentialsSecretRef": {"name": "user"},
            "adminCredentialsSecretRef": {"name": "admin"},
            "tls": {"mode": "VerifyCA", "caSecretRef": CA},
        }
    },
    "managementServer": {
        "external": {
            "url": "https://cloud.example/client/api",
            "credentialsSecretRef": {"name": "api"},
            "caSecretRef": CA,
        }
    },
    "agent": {"external": {"url": "https://10.0.0.9:8443", "tlsSecretRef": {"name": "agent-client"}}},
}
PEERING = {
    "regions": [{"name": "eu-west"}, {"name": "us-east"}],
    "mode": "Suspended",
    "paused": True,
    "policyRef": {"name": "default"},
    "leave": {"drainTimeoutSeconds": 60},
}
MARKS = {
    "threadsRunning": 32,
    "rowLockWaitsPerSecond": 20,
    "historyListLength": 200000,
    "chunkLatencyPercent": 200,
    "apiP95Millis": 500,
}
POLICY = {
    "entities": [
        {
            "name": "account",
            "mode": "Sync",
            "rule": "HighestVersion",
            "deleteRule": "DeleteWins",
            "uniqueClash": "Park",
            "acceptFrom": [1, 2],
            "fields": [{"name": "state", "rule": "MostRestrictive"}],
        }
    ],
    "conflicts": {
        "rule": "RegionPriority",
        "deleteRule": "UpdateWins",
        "uniqueClash": "Park",
        "regionPriority": [1, 2],
        "retentionDays": 30,
    },
    "lag": {"objectiveSeconds": 30},
    "partition": {"detectAfterSeconds": 10, "recoverAfterSeconds": 10, "evidenceMaxAgeSeconds": 60},
    "parking": {"retryMaxSeconds": 60, "deadLetterAfterSeconds": 3600, "maxRows": 1000},
    "link": {"batchRows": 100, "batchKilobytes": 64, "maxKilobytesPerSecond": 100},
    "scan": {
        "mode": "Enabled",
        "intervalSeconds": 3600,
        "timeZone": "Etc/GMT+1",
        "jitterPercent": 10,
        "windows": [{"days": ["Sat", "Sun"], "start": "22:00", "end": "04:00"}],
        "objectiveSeconds": 604800,
        "verify": "Content",
        "drift": "Capture",
        "maxConcurrent": 2,
        "chunk": {"targetMillis": 500, "maxRows": 50000},
        "load": {"skip": MARKS, "pause": MARKS, "abort": MARKS},
    },
}
CRON_POLICY = {"scan": {"cron": "0 1 * * *"}}
GOOD = (
    manifest("Region", "managed", MANAGED_REGION),
    manifest("Region", "external", EXTERNAL_REGION),
    manifest("Region", "smallest", {"id": 3, "database": {"managed": {"storage": {"size": "1Gi"}}}}),
    manifest("RegionPeering", "full", PEERING),
    manifest("RegionPeering", "smallest", {"regions": PEERING["regions"]}),
    manifest("SyncPolicy", "full", POLICY),
    manifest("SyncPolicy", "cron", CRON_POLICY),
    manifest("SyncPolicy", "smallest", {}),
)


@dataclass(frozen=True)
class Bad:
    """A manifest that must be refused with a message that holds `says`; `before` is what an update would replace."""

    title: str
    manifest: Manifest
    says: str
    before: Manifest | None = None
    ours: bool = True  # our own reading refuses it as well

    def __str__(self) -> str:
        return self.title


def changed(good: Manifest, path: tuple[Step, ...], value: Any) -> Manifest:
    """A copy with one place set or removed; objects on the way are made."""
    result = json.loads(json.dumps(good))  # parts that the good one uses twice become two
    parent = result
    for step in path[:-1]:
        parent = parent[step] if isinstance(step, int) else parent.setdefault(step, {})
    if value is REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return result


def dotted(path: tuple[Step, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def spec_schema(kind: str) -> dict[str, Any]:
    found = next(known for known in crds.KINDS if known.name == kind)
    return crds.schema(found)["properties"]["spec"]


def limit_cases() -> list[Bad]:
    """One bad manifest for each limit of each field, whichever good manifest has the field first."""
    cases: dict[str, Bad] = {}
    for good in GOOD:
        kind = good["kind"]
        for path, title, value in _violations(spec_schema(kind), good["spec"], ("spec",)):
            bad = Bad(f"{kind} {title}", changed(good, path, value), dotted(path), ours="duplicate" not in title)
            cases.setdefault(bad.title, bad)
    return list(cases.values())


Violation = tuple[tuple[Step, ...], str, Any]


def _violations(schema: dict[str, Any], value: Any, path: tuple[Step, ...]) -> Iterator[Violation]:
    for title, wrong in _wrong_values(schema, value):
        yield path, f"{dotted(path)} {title}", wrong
    for name in schema.get("required", ()):
        yield (*path, name), f"{dotted((*path, name))} required", REMOVED
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from _violations(inner, value[name], (*path, name))
    if "items" in schema:
        yield from _violations(schema["items"], value[0], (*path, 0))
    if "additionalProperties" in schema:
        name = next(iter(value))
        yield from _violations(schema["additionalProperties"], value[name], (*path, name))


def _wrong_values(schema: dict[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
    if "type" in schema:
        yield "type", "text" if schema["type"] in ("array", "object", "integer", "boolean") else ["list"]
    if "enum" in schema:
        yield "enum", "Nonsense"
    if "maxLength" in schema:
        yield "maxLength", "a" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield "minLength", ""
    if "pattern" in schema:
        assert not re.search(schema["pattern"], HOSTILE)
        yield "pattern", HOSTILE
    if "minimum" in schema:
        yield "minimum", schema["minimum"] - 1
    if "maximum" in schema:
        yield "maximum", schema["maximum"] + 1
    if "maxItems" in schema:
        yield "maxItems", [_numbered(value[0], number) for number in range(1, schema["maxItems"] + 2)]
    if schema.get("minItems"):
        yield "minItems", value[: schema["minItems"] - 1]
    if schema.get("x-kubernetes-list-type") in ("set", "map"):
        yield "duplicate", [value[0], value[0]]
    if "maxProperties" in schema:
        yield "maxProperties", {f"name{number}": "1" for number in range(schema["maxProperties"] + 1)}


def _numbered(item: Any, number: int) -> Any:
    if isinstance(item, dict):
        return item | {"name": f"x{number}"} if "name" in item else item
    return number if isinstance(item, int) else item


def spec_paths(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every field of a spec, with [] for the members of lists."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from spec_paths(inner.get("items", inner), f"{path}.{name}")


def given_paths(value: Any, path: str = "") -> Iterator[str]:
    """Every field that a manifest says."""
    if isinstance(value, list) and value:
        yield from given_paths(value[0], path)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from given_paths(inner, f"{path}.{name}")


def rule_messages(schema: Any) -> Iterator[str]:
    """The message of every rule of the expression language, wherever it stands."""
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
        for inner in schema.values():
            yield from rule_messages(inner)
