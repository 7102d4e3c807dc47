"""Everything that observing can tell planning and status, as frozen values; the contract between the three.

A fact has one of four shapes, and no reader may mix them up:

    a value          it is so
    None             it was looked for and is not there
    Invalid(...)     it is there and cannot be used until a user edits something
    Unknown(...)     it could not be looked at (time-out, forbidden, ...); never read as "absent"

Passwords, keys and tokens appear only where a builder must write them (``SecretFacts.values``) and never in a repr.
Ages are seconds by the operator's monotonic clock; times of Kubernetes objects are RFC 3339 strings as read.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from region_operator.api.agent import AgentStatus, Rules

_T = TypeVar("_T")


@dataclass(frozen=True)
class Unknown:
    """It could not be looked at. ``reason`` is a CamelCase constant for a condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class Invalid:
    """It was looked at and cannot be used as it is; ``field`` is named as the user would (``spec.placement...``)."""

    reason: str
    message: str
    field: str = ""


Fact: TypeAlias = _T | Unknown
Usable: TypeAlias = _T | Invalid | Unknown


# --- Kubernetes objects -----------------------------------------------------------------------------------------------


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
    created_at: str = ""


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
    restarts: int = 0
    revision: str = ""  # pod-template-hash or controller-revision-hash


@dataclass(frozen=True)
class WorkloadFacts:
    """A Deployment or StatefulSet."""

    meta: Meta
    observed_generation: int = 0
    replicas: int = 0  # wanted (spec)
    updated_replicas: int = 0  # of the present template
    ready_replicas: int = 0
    available_replicas: int = 0
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
    cluster_ip: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)  # port name -> port
    node_ports: Mapping[str, int] = field(default_factory=dict)
    load_balancer: tuple[str, ...] = ()  # addresses or host names given by the provider


# --- the hub and the fleet --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HubFacts:
    """The cluster that the operator and the three kinds live in."""

    id: str  # uid of its kube-system namespace
    term: int  # of our leadership; grows with every leader
    namespace_terminating: bool = False  # the Region's own namespace
    just_started: bool = False  # other objects of the fleet may not have been looked at yet


@dataclass(frozen=True)
class FleetFacts:
    """What all Regions of one namespace share: its CA, its database key, its operator certificate."""

    ca: Usable[SecretFacts | None]  # values of: ca.crt, next-ca.crt, previous-ca.crt, fleet-uid, digest-key; no *.key
    database_key: Usable[SecretFacts | None]  # the Secret of spec.databaseKeySecretRef, with the value of its key
    operator_client: Usable[SecretFacts | None]  # values of: tls.crt, ca.crt
    key_taken: Fact[bool] = False  # another Region was provisioned with the database key: it is never made anew
    holders: Fact[tuple["TrustHolder", ...]] = ()  # every Region of the fleet, this one too, in order of name

    @property
    def uid(self) -> str:
        """The fleet's uid, "" while its CA is not there or not known."""
        if isinstance(self.ca, SecretFacts):
            return self.ca.values.get("fleet-uid", b"").decode("ascii", "replace")
        return ""


@dataclass(frozen=True)
class TrustHolder:
    """What one Region's agent trusts and shows; a rotation of the CA goes on when all of them have followed (rule 17).

    ``trusted`` as the agent acknowledged it, fingerprints ("sha256:...") of CAs. ``authority`` is the key id of the CA
    that signed the leaf in its Secret. Unknown holds the phase.
    """

    region: str
    trusted: Fact[frozenset[str]]
    authority: Fact[str]


@dataclass(frozen=True)
class IdHolder:
    """Another Region of the fleet with the same ``spec.id`` (rule 19)."""

    namespace: str
    name: str
    uid: str
    holds_claim: Fact[bool]
    deleting: bool = False


@dataclass(frozen=True)
class PolicyFacts:
    """A SyncPolicy as far as a Region needs it; the rules are computed by ``api.policy_rules``.

    Without policyRef these are the built-in rules, under an empty name and uid.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    rules: Rules
    accept_rewind: int = 0  # annotation region-operator.io/accept-rewind


# --- one Region -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NamespaceFacts:
    name: str
    terminating: bool = False
    consent: tuple[str, ...] | None = None  # data.from of ConfigMap region-operator-placement; None = no ConfigMap


@dataclass(frozen=True)
class PlacementFacts:
    """Where a Region's children live.

    ``cluster`` is the uid of kube-system there. Invalid: KubeconfigRefused, KubeconfigMissing. Unknown: out of reach.
    """

    cluster: Usable[str]
    same_cluster: bool = True
    namespace: Fact[NamespaceFacts | None] = None


@dataclass(frozen=True)
class Children:
    """All that bears this Region's labels in its placement, or has the name of a child; one complete look.

    By name. ``others`` are kinds of which nothing but the metadata matters (NetworkPolicy, PodDisruptionBudget, ...),
    also kinds above under a name that is no child's. An object with a child's name and without our labels is here
    too: that is how a collision is seen. ``secrets`` holds only Secrets that ``plan.reads`` asked for.
    """

    stateful_sets: Mapping[str, WorkloadFacts] = field(default_factory=dict)
    deployments: Mapping[str, WorkloadFacts] = field(default_factory=dict)
    jobs: Mapping[str, JobFacts] = field(default_factory=dict)
    services: Mapping[str, ServiceFacts] = field(default_factory=dict)
    volume_claims: Mapping[str, VolumeClaimFacts] = field(default_factory=dict)
    secrets: Mapping[str, SecretFacts] = field(default_factory=dict)
    config_maps: Mapping[str, ConfigMapFacts] = field(default_factory=dict)
    others: tuple[Meta, ...] = ()

    def metas(self) -> tuple[Meta, ...]:
        """Every object, whatever its kind."""
        groups: tuple[Mapping[str, object], ...] = (
            self.stateful_sets,
            self.deployments,
            self.jobs,
            self.services,
            self.volume_claims,
            self.secrets,
            self.config_maps,
        )
        found = [item.meta for group in groups for item in group.values()]  # type: ignore[attr-defined]
        return (*found, *self.others)


@dataclass(frozen=True)
class AgentFacts:
    """What a Region's agent last said, and how long ago."""

    endpoint: str  # https://host:port we speak to; "" = not known yet
    status: Fact[AgentStatus | None]  # None = never asked, e.g. no endpoint yet
    age_s: float = 0.0  # since the last answer arrived
    last: AgentStatus | None = None  # the last answer, also while the agent does not answer
    refusal: Invalid | None = None  # the last document was refused (409, 412, 422)
    document_etag: str = ""  # etag of the document that we last pushed with success; "" = none by this process
    rules_in_force: Rules | None = None  # of that document; kept when the policy is gone (rule 7)


@dataclass(frozen=True)
class PeerFacts:
    """A Region as its peers and its peerings need it."""

    namespace: str
    name: str
    uid: str
    generation: int
    id: int
    deleting: bool
    url: str  # of its agent, as other regions reach it; "" = not known yet
    management_endpoint: str
    agent: AgentFacts
    ready: Fact[bool] = field(default_factory=lambda: Unknown("NotYetObserved", "the region was not looked at yet"))
    stalled: str = ""  # reason for which it is not provisioned, "" = none
    rules_hash: str = ""  # wanted by its policy
    certificate_fingerprint: str = ""
    drains: bool = False  # it is deleted and waits for this peering


@dataclass(frozen=True)
class LinkPolicyFacts:
    """What a peering takes from its SyncPolicy: lag, partition, parking, link (scan: later), by plain numbers."""

    name: str = ""  # "" = built-in defaults
    uid: str = ""
    generation: int = 0
    lag_objective_s: int = 60
    partition_detect_after_s: int = 30
    partition_recover_after_s: int = 30
    evidence_max_age_s: int = 90
    parking_retry_max_s: int = 300
    parking_dead_letter_after_s: int = 86400
    parking_max_rows: int = 100_000
    batch_rows: int = 2000
    batch_kilobytes: int = 1024
    max_kilobytes_per_second: int = 0


@dataclass(frozen=True)
class PeeringFacts:
    """Everything about one RegionPeering beside its own spec; also what each of its Regions is planned with.

    ``sides`` is in the order of ``spec.regions``; a side is None when no such Region exists.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    regions: tuple[str, str]
    sides: tuple[Fact[PeerFacts | None], Fact[PeerFacts | None]]
    mode: Literal["Active", "Plan", "Suspended"] = "Active"
    paused: bool = False
    policy: Usable[LinkPolicyFacts | None] = None  # None = it is named and does not exist
    deleting: bool = False
    deleting_age_s: float = 0.0
    drain_timeout_s: int = 600
    abandon: bool = False  # annotation region-operator.io/abandon
    accept_rewind: int = 0  # annotation region-operator.io/accept-rewind
    reconcile_token: str = ""  # annotation region-operator.io/reconcile-requested-at
    finalizer: bool = False  # ours is set
    duplicates: tuple["DuplicatePeering", ...] = ()

    def other_side(self, region: str) -> Fact[PeerFacts | None]:
        """The side that is not ``region``."""
        return self.sides[1] if self.regions[0] == region else self.sides[0]


@dataclass(frozen=True)
class DuplicatePeering:
    """Another RegionPeering of the same two Regions (rule 19)."""

    namespace: str
    name: str
    uid: str
    known_to_agents: bool
    deleting: bool = False


@dataclass(frozen=True)
class PolicyObjectFacts:
    """Everything about one SyncPolicy beside its own spec: who uses it and who has acknowledged it."""

    regions: tuple[str, ...] = ()  # names of Regions whose policyRef names it
    regions_in_force: tuple[str, ...] = ()  # their agents reported its rulesHash
    peerings: tuple[str, ...] = ()
    peerings_in_force: tuple[str, ...] = ()
    unknown_regions: tuple[str, ...] = ()  # their agents did not answer


@dataclass(frozen=True)
class RegionFacts:
    """Everything about one Region beside its own spec."""

    hub: HubFacts
    fleet: FleetFacts
    placement: PlacementFacts
    children: Fact[Children]
    references: Mapping[str, Usable[SecretFacts | None]] = field(default_factory=dict)  # Secrets that the spec names
    policy: Usable[PolicyFacts | None] = None  # None = the object that policyRef names is not there
    agent: AgentFacts = field(default_factory=lambda: AgentFacts(endpoint="", status=None))
    peerings: Fact[tuple[PeeringFacts, ...]] = ()
    same_id: Fact[tuple[IdHolder, ...]] = ()
    now: str = ""  # RFC 3339 UTC, for certificates only
    deleting: bool = False
    deleting_age_s: float = 0.0
    finalizer: bool = False  # ours is set
    protected_by_admission: bool = False  # the ValidatingAdmissionPolicy for deletionProtection is installed


def digest(key: bytes, value: bytes) -> str:
    """A short keyed digest of a secret value, to see that it changed; says nothing to who lacks ``key``."""
    return hmac.new(key, value, hashlib.sha256).hexdigest()[:16]
