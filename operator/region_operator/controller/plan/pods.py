"""The parts that all our Pods share: restricted Pod Security, mounts, probes, scheduling. Fresh dicts each call."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from region_operator import naming

CONFIGURATION: Final = "/etc/region-operator"
_USER_ID: Final = 65532  # of our own image; any non-root id works, none is in its files' modes


@dataclass(frozen=True)
class Workload:
    """What a user may say about a program's Pods: image, resources, scheduling, all in the manifest's own words."""

    image: str
    resources: Mapping[str, Any] = field(default_factory=dict)
    scheduling: Mapping[str, Any] = field(default_factory=dict)


def pod_security(user_id: int = _USER_ID) -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": user_id,
        "runAsGroup": user_id,
        "fsGroup": user_id,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def pod(
    containers: Sequence[dict[str, Any]],
    volumes: Sequence[dict[str, Any]],
    *,
    scheduling: Mapping[str, Any],
    spread_over: Mapping[str, str],
    user_id: int = _USER_ID,
    grace_s: int = 30,
) -> dict[str, Any]:
    """A Pod spec without token, links or root; ``spread_over`` are the labels that spread constraints count."""
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(user_id),
        "terminationGracePeriodSeconds": grace_s,
        "containers": [deepcopy(item) for item in containers],
        "volumes": [deepcopy(item) for item in volumes],
    }
    spec.update(_scheduling(scheduling, spread_over))
    return spec


def _scheduling(given: Mapping[str, Any], spread_over: Mapping[str, str]) -> dict[str, Any]:
    known = ("nodeSelector", "tolerations", "priorityClassName")
    result = {key: deepcopy(given[key]) for key in known if given.get(key)}
    if constraints := given.get("topologySpreadConstraints"):
        result["topologySpreadConstraints"] = [
            {**deepcopy(constraint), "labelSelector": {"matchLabels": dict(spread_over)}} for constraint in constraints
        ]
    return result


def container(
    name: str, workload: Workload, *, arguments: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """A container of our own image; probes, ports and mounts are added by the caller."""
    return {
        "name": name,
        "image": workload.image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(arguments),
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": deepcopy(dict(workload.resources)),
        "securityContext": container_security(),
    }


def health_probe(path: str, *, period_s: int = 5, failures: int = 3) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "health"},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def health_probes() -> dict[str, Any]:
    """Probes of our own programs: five minutes to start, then alive within a minute, unready within 10 s."""
    return {
        "startupProbe": health_probe("/healthz", period_s=1, failures=300),
        "livenessProbe": health_probe("/healthz", period_s=10, failures=6),
        "readinessProbe": health_probe("/readyz", period_s=2, failures=5),
    }


def health_port() -> dict[str, Any]:
    return {"name": "health", "containerPort": naming.HEALTH_PORT, "protocol": "TCP"}


def empty_directory(name: str, *, size: str) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def secret_volume(name: str, secret: str, keys: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A Secret as a directory; ``keys`` (key -> file) mounts these keys only."""
    source: dict[str, Any] = {"secretName": secret, "defaultMode": 0o440}
    if keys is not None:
        source["items"] = [{"key": key, "path": path} for key, path in keys.items()]
    return {"name": name, "secret": source}


def user_volume(name: str, secret: str, user: str) -> dict[str, Any]:
    """The two keys of one database user, as files ``username`` and ``password``."""
    return secret_volume(name, secret, {f"{user}-username": "username", f"{user}-password": "password"})


def mount(name: str, path: str, *, read_only: bool = True) -> dict[str, Any]:
    return {"name": name, "mountPath": path, "readOnly": True} if read_only else {"name": name, "mountPath": path}
