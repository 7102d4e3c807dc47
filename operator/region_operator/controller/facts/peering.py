"""A RegionPeering and its two sides; each of the two Regions is planned with the same facts."""

from dataclasses import dataclass, field
from typing import Literal

from region_operator.api.scans import ScanReport
from region_operator.controller.facts.agent import AgentFacts
from region_operator.controller.facts.knowledge import Fact, Unknown, Usable
from region_operator.controller.facts.policy import LinkPolicyFacts


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
class DuplicatePeering:
    """Another RegionPeering of the same two Regions (rule 19)."""

    namespace: str
    name: str
    uid: str
    known_to_agents: bool
    deleting: bool = False


@dataclass(frozen=True)
class ScanFacts:
    """What the coordinator last said of the full scans of a peering; ``heard``: it said so to this process."""

    reports: tuple[ScanReport, ...] = ()
    heard: bool = False


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
    duplicates: tuple[DuplicatePeering, ...] = ()
    scan_request: str = ""  # annotation region-operator.io/scan-requested-at
    scans: ScanFacts = field(default_factory=ScanFacts)

    def other_side(self, region: str) -> Fact[PeerFacts | None]:
        """The side that is not ``region``."""
        return self.sides[1] if self.regions[0] == region else self.sides[0]
