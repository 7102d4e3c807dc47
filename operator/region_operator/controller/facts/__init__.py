"""Everything that observing can tell planning and status, as frozen values; the contract between the three.

Each fact has one of four shapes (``knowledge``). Passwords, keys and tokens appear only where a builder must write them
(``SecretFacts.values``) and never in a repr. Ages are seconds by the operator's monotonic clock; times of Kubernetes
objects are RFC 3339 strings as read.
"""

from region_operator.controller.facts.agent import AgentFacts
from region_operator.controller.facts.fleet import FleetFacts, HubFacts, IdHolder, TrustHolder
from region_operator.controller.facts.knowledge import Fact, Invalid, Unknown, Usable
from region_operator.controller.facts.objects import (
    CertificateFacts,
    ConfigMapFacts,
    JobFacts,
    Meta,
    ObjectRef,
    PodFacts,
    SecretFacts,
    ServiceFacts,
    VolumeClaimFacts,
    WorkloadFacts,
    digest,
)
from region_operator.controller.facts.peering import DuplicatePeering, PeerFacts, PeeringFacts, ScanFacts
from region_operator.controller.facts.policy import LinkPolicyFacts, PolicyFacts, PolicyObjectFacts
from region_operator.controller.facts.region import Children, NamespaceFacts, PlacementFacts, RegionFacts

__all__ = [
    "AgentFacts",
    "CertificateFacts",
    "Children",
    "ConfigMapFacts",
    "DuplicatePeering",
    "Fact",
    "FleetFacts",
    "HubFacts",
    "IdHolder",
    "Invalid",
    "JobFacts",
    "LinkPolicyFacts",
    "Meta",
    "NamespaceFacts",
    "ObjectRef",
    "PeerFacts",
    "PeeringFacts",
    "PlacementFacts",
    "PodFacts",
    "PolicyFacts",
    "PolicyObjectFacts",
    "RegionFacts",
    "ScanFacts",
    "SecretFacts",
    "ServiceFacts",
    "TrustHolder",
    "Unknown",
    "Usable",
    "VolumeClaimFacts",
    "WorkloadFacts",
    "digest",
]
