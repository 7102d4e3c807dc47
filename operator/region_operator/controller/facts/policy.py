"""A SyncPolicy, as a Region, a peering and its own status each need it (OPERATOR 7)."""

from dataclasses import dataclass, field

from region_operator.api.agent import Rules
from region_operator.api.scan_terms import ScanTerms


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


@dataclass(frozen=True)
class LinkPolicyFacts:
    """What a peering takes from its SyncPolicy: lag, partition, parking, link by plain numbers, and scan."""

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
    scan: ScanTerms = field(default_factory=ScanTerms)


@dataclass(frozen=True)
class PolicyObjectFacts:
    """Everything about one SyncPolicy beside its own spec: who uses it and who has acknowledged it."""

    regions: tuple[str, ...] = ()  # names of Regions whose policyRef names it
    regions_in_force: tuple[str, ...] = ()  # their agents reported its rulesHash
    peerings: tuple[str, ...] = ()
    peerings_in_force: tuple[str, ...] = ()
    unknown_regions: tuple[str, ...] = ()  # their agents did not answer
