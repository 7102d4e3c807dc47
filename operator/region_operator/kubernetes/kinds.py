"""The kinds of objects the operator reads and writes, and where the API serves them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from region_operator import naming
from region_operator.errors import InvalidInput

Manifest = dict[str, Any]
"""An object as the API speaks it."""


@dataclass(frozen=True)
class Kind:
    """One kind of one version, as discovery would describe it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Path of a collection, an object or a subresource.

        Names are not escaped here: the API's own naming rules leave nothing to escape, and ``..`` is refused.
        """
        parts = ["/api" if "/" not in self.api_version else "/apis", self.api_version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        if any(part in {"", ".", ".."} or "/" in part for part in parts[2:]):
            raise InvalidInput(field="metadata.name", problem=f"{name!r} is not a name", remedy="use a DNS label")
        return "/".join(parts)


REGION: Final = Kind(naming.API_VERSION, "Region", "regions")
REGION_PEERING: Final = Kind(naming.API_VERSION, "RegionPeering", "regionpeerings")
SYNC_POLICY: Final = Kind(naming.API_VERSION, "SyncPolicy", "syncpolicies")
OWN_KINDS: Final = (REGION, REGION_PEERING, SYNC_POLICY)

CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
NAMESPACE: Final = Kind("v1", "Namespace", "namespaces", namespaced=False)
PERSISTENT_VOLUME_CLAIM: Final = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD: Final = Kind("v1", "Pod", "pods")
SECRET: Final = Kind("v1", "Secret", "secrets")
SERVICE: Final = Kind("v1", "Service", "services")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
STATEFUL_SET: Final = Kind("apps/v1", "StatefulSet", "statefulsets")
JOB: Final = Kind("batch/v1", "Job", "jobs")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENT: Final = Kind("events.k8s.io/v1", "Event", "events")
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGET: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
STORAGE_CLASS: Final = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
CUSTOM_RESOURCE_DEFINITION: Final = Kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)

KINDS: Final[Mapping[tuple[str, str], Kind]] = {
    (kind.api_version, kind.kind): kind for kind in list(globals().values()) if isinstance(kind, Kind)
}

BY_NAME: Final[Mapping[str, Kind]] = {kind.kind: kind for kind in KINDS.values()}
"""Names of kinds are unambiguous among those we know."""


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of an object.

    Raises:
        InvalidInput: the operator does not know this kind.
    """
    identity = (str(manifest.get("apiVersion")), str(manifest.get("kind")))
    if identity not in KINDS:
        raise InvalidInput(field="kind", problem=f"{'/'.join(identity)} is not known", remedy="add it to kinds.py")
    return KINDS[identity]
