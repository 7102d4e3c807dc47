"""A Region: where its children live, what they are, and all else that its plan and status rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from region_operator.controller.facts.agent import AgentFacts
from region_operator.controller.facts.fleet import FleetFacts, HubFacts, IdHolder
from region_operator.controller.facts.knowledge import Fact, Usable
from region_operator.controller.facts.objects import (
    ConfigMapFacts,
    JobFacts,
    Meta,
    SecretFacts,
    ServiceFacts,
    VolumeClaimFacts,
    WorkloadFacts,
)
from region_operator.controller.facts.peering import PeeringFacts
from region_operator.controller.facts.policy import PolicyFacts


@dataclass(frozen=True)
class NamespaceFacts:
    name: str
    terminating: bool = False
    consent: tuple[str, ...] | None = None  # data.from of ConfigMap region-operator-placement; None = no ConfigMap


@dataclass(frozen=True)
class PlacementFacts:
    """Where a Region's children live.

    ``cluster`` is the uid of kube-system there. Invalid: KubeconfigRefused, SecretNotFound, SecretKeyMissing. Unknown:
    out of reach.
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
