"""What is kept of Kubernetes objects: that which planning and status decide by, and nothing else of their bodies."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, order=True)
class ObjectRef:
    """What names one object in one cluster."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Meta:
    """What every observed object tells."""

    ref: ObjectRef
    uid: str
    resource_version: str = ""
    generation: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False


@dataclass(frozen=True)
class SecretFacts:
    """A Secret: a keyed digest of every value, and the values of those keys that planning asked for."""

    meta: Meta
    digests: Mapping[str, str] = field(default_factory=dict)  # key -> digest(digest-key of the fleet, value)
    values: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class CertificateFacts:
    """A certificate, read from its PEM by ``plan.x509.describe``."""

    fingerprint: str  # "sha256:<hex>" of the DER
    key_id: str  # subject key identifier, hex
    authority: str  # authority key identifier, hex; of a CA its own
    not_before: str  # RFC 3339
    not_after: str
    dns_names: frozenset[str] = frozenset()
    ip_addresses: frozenset[str] = frozenset()
    uris: frozenset[str] = frozenset()
    pem: str = field(default="", repr=False)


@dataclass(frozen=True)
class ConfigMapFacts:
    meta: Meta
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PodFacts:
    """Why a workload is not ready is told by its Pods."""

    name: str
    ready: bool
    phase: str
    reason: str = ""  # ImagePullBackOff, CrashLoopBackOff, Unschedulable, ...; "" = nothing special
    message: str = ""
    revision: str = ""  # pod-template-hash or controller-revision-hash


@dataclass(frozen=True)
class WorkloadFacts:
    """A Deployment or StatefulSet."""

    meta: Meta
    observed_generation: int = 0
    replicas: int = 0  # wanted (spec)
    updated_replicas: int = 0  # of the present template
    ready_replicas: int = 0
    total_replicas: int = 0  # Pods that exist, old ones included (status.replicas)
    images: Mapping[str, str] = field(default_factory=dict)  # container -> image of the present template
    template_annotations: Mapping[str, str] = field(default_factory=dict)
    template_storage: str = ""  # StatefulSet: size asked for in volumeClaimTemplates
    pods: tuple[PodFacts, ...] = ()

    @property
    def rolled_out(self) -> bool:
        """Every Pod is of the present template and ready, and none of an older template is left."""
        return (
            self.observed_generation >= self.meta.generation
            and self.updated_replicas == self.replicas
            and self.ready_replicas == self.replicas
            and self.total_replicas == self.replicas
        )


@dataclass(frozen=True)
class VolumeClaimFacts:
    meta: Meta
    phase: str = ""  # Pending | Bound | Lost
    requested: str = ""  # quantity
    capacity: str = ""  # quantity, "" until bound
    storage_class: str = ""
    expandable: bool | None = None  # of its StorageClass; None = may not be read
    condition: str = ""  # Resizing, FileSystemResizePending, ModifyVolumeError, ...
    message: str = ""


@dataclass(frozen=True)
class JobFacts:
    meta: Meta
    state: Literal["Running", "Complete", "Failed"]
    message: str = ""
    finished_age_s: float | None = None
    pods: tuple[PodFacts, ...] = ()


@dataclass(frozen=True)
class ServiceFacts:
    meta: Meta
    type: str = "ClusterIP"
    ports: Mapping[str, int] = field(default_factory=dict)  # port name -> port
    node_ports: Mapping[str, int] = field(default_factory=dict)
    load_balancer: tuple[str, ...] = ()  # addresses or host names given by the provider


def digest(key: bytes, value: bytes) -> str:
    """A short keyed digest of a secret value, to see that it changed; says nothing to who lacks ``key``."""
    return hmac.new(key, value, hashlib.sha256).hexdigest()[:16]
