"""Labels by which children are found, selected and known as ours; there are no owner references (OPERATOR.md 13).

Selectors, Pod templates and volume claims leave the hub out: they are immutable or restart Pods when they change, and a
region may be taken over by another hub while its database runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from region_operator import naming

Component = Literal["database", "prepare", "management", "agent", "region"]

_APPLICATION: Final[Mapping[Component, str]] = {
    "database": "mariadb",
    "prepare": "region-prepare",
    "management": "management-server",
    "agent": "region-agent",
    "region": "region",
}

# Tools that find their own objects by labels would adopt or prune ours if these were copied.
_DENIED_DOMAINS: Final = (
    "kubernetes.io",
    "k8s.io",
    "argoproj.io",
    "fluxcd.io",
    "helm.sh",
    "velero.io",
    naming.GROUP,
)
_DENIED_KEYS: Final = ("app", "release", "heritage", "chart", "pod-template-hash", "controller-revision-hash")
_COPIED_AT_MOST: Final = 32


@dataclass(frozen=True)
class Site:
    """Whose children these are, and where they live."""

    hub: str
    region_namespace: str
    region: str
    region_id: int
    namespace: str  # of the placement

    @property
    def owner(self) -> str:
        """How the claim names the Region."""
        return f"{self.region_namespace}/{self.region}"


def selector(site: Site, component: Component) -> dict[str, str]:
    """What selects the Pods of one component; never changes for a Region."""
    return {
        "app.kubernetes.io/component": component,
        naming.LABEL_REGION_NAMESPACE: site.region_namespace,
        naming.LABEL_REGION_NAME: site.region,
    }


def pod_labels(site: Site, component: Component) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": _APPLICATION[component],
        "app.kubernetes.io/part-of": naming.PART_OF,
        "app.kubernetes.io/managed-by": naming.PART_OF,
        naming.LABEL_REGION_ID: str(site.region_id),
        **selector(site, component),
    }


def labels(site: Site, component: Component) -> dict[str, str]:
    """Our own labels of a child."""
    return {**pod_labels(site, component), naming.LABEL_HUB: site.hub}


def metadata(site: Site, name: str, component: Component, **more: Any) -> dict[str, Any]:
    """Metadata of a child; ``more``: annotations, and what else metadata holds."""
    return {"name": name, "namespace": site.namespace, "labels": labels(site, component), **more}


def copyable(given: Mapping[str, str]) -> dict[str, str]:
    """The labels of a Region that may be put on its children; tracking labels of other tools are left out."""
    fit = {key: value for key, value in sorted(given.items()) if not _denied(key)}
    return dict(list(fit.items())[:_COPIED_AT_MOST])


def _denied(key: str) -> bool:
    domain, slash, _ = key.rpartition("/")
    if not slash:
        return key in _DENIED_KEYS
    return any(domain == denied or domain.endswith(f".{denied}") for denied in _DENIED_DOMAINS)


def owned(site: Site, given: Mapping[str, str]) -> bool:
    """Whether an object with these labels is a child of this Region, of whatever hub."""
    return (
        given.get("app.kubernetes.io/managed-by") == naming.PART_OF
        and given.get(naming.LABEL_REGION_NAMESPACE) == site.region_namespace
        and given.get(naming.LABEL_REGION_NAME) == site.region
    )
