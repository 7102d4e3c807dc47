"""Which condition types each kind has, and which reasons a type knows.

All types of a kind are always present, in the order of the tables, and a reason of a type belongs to one status.
Positive polarity, so True is good, except for NEGATIVE.
"""

from collections.abc import Mapping
from typing import Final, Literal

Status = Literal["True", "False", "Unknown"]
Kind = Literal["Region", "RegionPeering", "SyncPolicy"]
Reasons = Mapping[Status, tuple[str, ...]]

NEGATIVE: Final = frozenset({"Partitioned", "DeletionBlocked", "Paused", "Reconciling", "Stalled"})
NOT_OBSERVED: Final = "NotObserved"
"""Reason of a condition that nothing is known about yet; every type has it with status Unknown."""
_NO_ANSWER: Final = ("ProbeTimeout", "ConnectionRefused", "TLSFailed", "AuthFailed")

_RECONCILING: Final[Reasons] = {
    "True": ("Progressing", "Deleting"),
    "False": ("Idle", "Waiting", "Paused", "Stalled"),
    "Unknown": (NOT_OBSERVED,),
}
_PAUSED: Final[Reasons] = {"True": ("PausedBySpec",), "False": ("NotPaused",), "Unknown": (NOT_OBSERVED,)}

REGION: Final[Mapping[str, Reasons]] = {
    "Ready": {
        "True": ("Ready",),
        "False": (
            "Progressing",
            "NotClaimed",
            "ReferencesNotResolved",
            "PlacementNotReachable",
            "DatabaseNotReady",
            "ManagementServerNotReady",
            "AgentNotReady",
            "CertificatesNotReady",
            "NotRegistered",
            "HistoryNotIntact",
            "InvalidInput",
            "Paused",
            "Stalled",
            "Deleting",
        ),
        "Unknown": (NOT_OBSERVED, "PlacementUnreachable", "AgentUnreachable"),
    },
    "Reconciling": _RECONCILING,
    "Stalled": {
        "True": (
            "RegionIdClash",
            "PlacementNotPermitted",
            "KubeconfigRefused",
            "ClaimedByAnotherHub",
            "HubRewound",
            "NameCollision",
            "RetainedDataOfAnotherRegion",
        ),
        "False": ("NotStalled",),
        "Unknown": (NOT_OBSERVED,),
    },
    "Claimed": {
        "True": ("Claimed",),
        "False": ("NotYetClaimed", "ClaimedByAnotherHub", "RegionIdClash", "NameCollision", "StaleEpoch", "Released"),
        "Unknown": (NOT_OBSERVED, "PlacementUnreachable"),
    },
    "ReferencesResolved": {
        "True": ("Resolved",),
        "False": (
            "SecretNotFound",
            "SecretKeyMissing",
            "PolicyNotFound",
            "PolicyNotAccepted",
            "DatabaseKeyMissing",
            "CredentialsMissing",
            "CertificateUnusable",
            "CertificateExpired",
            "InvalidInput",
        ),
        "Unknown": (NOT_OBSERVED, "PlacementUnreachable"),
    },
    "PlacementReachable": {
        "True": ("Reachable",),
        "False": (
            "KubeconfigRefused",
            "ClusterChanged",
            "PlacementNotPermitted",
            "NamespaceNotFound",
            "NamespaceTerminating",
            "Forbidden",
        ),
        "Unknown": (NOT_OBSERVED, *_NO_ANSWER, "Unreachable"),
    },
    "DatabaseReady": {
        "True": ("Ready", "ExternalReady"),
        "False": (
            "Provisioning",
            "NotReady",
            "Preparing",
            "PrepareFailed",
            "GrantsRequired",
            "CredentialsRejected",
            "ConnectionFailed",
            "StorageShrinkRefused",
            "StorageResizing",
            "RetainedDataOfAnotherRegion",
            "InvalidInput",
            "Deleting",
        ),
        "Unknown": (NOT_OBSERVED, "PlacementUnreachable", "AgentUnreachable"),
    },
    "ManagementServerReady": {
        "True": ("Ready", "ExternalReady"),
        "False": (
            "Provisioning",
            "NotReady",
            "WaitingForDatabase",
            "CredentialsRejected",
            "ConnectionFailed",
            "InvalidInput",
            "Deleting",
        ),
        "Unknown": (NOT_OBSERVED, "PlacementUnreachable", "AgentUnreachable"),
    },
    "AgentReady": {
        "True": ("Ready", "ExternalReady"),
        "False": (
            "Provisioning",
            "NotReady",
            "WaitingForDatabase",
            "WaitingForAddress",
            "VersionSkew",
            "ConfigurationPending",
            "ConfigurationRefused",
            "WrongRegion",
            "InvalidInput",
            "Deleting",
        ),
        "Unknown": (NOT_OBSERVED, "PlacementUnreachable", *_NO_ANSWER, "AgentError"),
    },
    "CertificatesReady": {
        "True": ("Valid", "Rotating"),
        "False": ("Expiring", "Expired", "NotIssued", "InvalidInput"),
        "Unknown": (NOT_OBSERVED, "PlacementUnreachable", "AgentUnreachable"),
    },
    "Registered": {
        "True": ("Registered",),
        "False": ("NotRegistered", "RegistrationRefused"),
        "Unknown": (NOT_OBSERVED, "AgentUnreachable", "ManagementServerUnreachable"),
    },
    "HistoryIntact": {
        "True": ("Continuous", "Restored"),
        "False": ("ForgedVersion",),
        "Unknown": (NOT_OBSERVED, "AgentUnreachable"),
    },
    "Paused": _PAUSED,
    "DeletionBlocked": {
        "True": (
            "PeeringsExist",
            "PeeringsLeaving",
            "Paused",
            "CredentialsMissing",
            "PlacementUnreachable",
            "ClaimedByAnotherHub",
            "HubRewound",
            "ChildrenRemain",
        ),
        "False": ("NotDeleting", "NotBlocked"),
        "Unknown": (NOT_OBSERVED,),
    },
}

REGION_PEERING: Final[Mapping[str, Reasons]] = {
    "Ready": {
        "True": ("Ready", "Planned"),
        "False": (
            "Progressing",
            "Planning",
            "ReferencesNotResolved",
            "NotWired",
            "Joining",
            "InvalidInput",
            "Paused",
            "Stalled",
            "Deleting",
        ),
        "Unknown": (NOT_OBSERVED, "RegionUnknown", "AgentUnreachable"),
    },
    "Reconciling": _RECONCILING,
    "Stalled": {
        "True": ("RegionIdClash", "DuplicatePeering", "KeyMismatch", "HubRewound"),
        "False": ("NotStalled",),
        "Unknown": (NOT_OBSERVED,),
    },
    "ReferencesResolved": {
        "True": ("Resolved",),
        "False": ("RegionNotFound", "RegionDeleting", "PolicyNotFound", "PolicyNotAccepted", "InvalidInput"),
        "Unknown": (NOT_OBSERVED,),
    },
    "Wired": {
        "True": ("Wired",),
        "False": (
            "RegionNotReady",
            "DuplicatePeering",
            "KeyMismatch",
            "RegionIdClash",
            "ConfigurationPending",
            "ConfigurationRefused",
            "PeeringWasLeft",
            "NotRegistered",
            "Planned",
            "Leaving",
        ),
        "Unknown": (NOT_OBSERVED, "AgentUnreachable"),
    },
    "JoinCompleted": {
        "True": ("Completed",),
        "False": ("NotStarted", "Wiring", "Copying", "CatchingUp", "Verifying", "Leaving"),
        "Unknown": (NOT_OBSERVED, "AgentUnreachable"),
    },
    "Partitioned": {
        "True": (*_NO_ANSWER, "AsymmetricPartition", "PeerRefused", "NotYetConnected"),
        "False": ("Connected", "Suspended"),
        "Unknown": (NOT_OBSERVED, "EvidenceStale"),
    },
    "InSync": {
        "True": ("WithinObjective",),
        "False": ("LagExceeded", "CatchingUp", "Copying", "Throttled", "Partitioned", "Suspended", "ApplyFailed"),
        "Unknown": (NOT_OBSERVED, "EvidenceStale"),
    },
    "ConflictFree": {
        "True": ("NoOpenConflicts",),
        "False": ("ConflictsOpen", "ChangesParked"),
        "Unknown": (NOT_OBSERVED, "EvidenceStale"),
    },
    "PolicyAgreed": {
        "True": ("Agreed",),
        "False": ("PolicyMismatch",),
        "Unknown": (NOT_OBSERVED, "EvidenceStale"),
    },
    "SchemaCompatible": {
        "True": ("Compatible",),
        "False": ("SchemaSkew",),
        "Unknown": (NOT_OBSERVED, "EvidenceStale"),
    },
    "FullScanCurrent": {
        "True": ("Clean", "DriftRepaired"),
        "False": ("Overdue", "SkippedHighLoad"),
        "Unknown": (NOT_OBSERVED, "NeverRun", "ScansDisabled", "ScansNotOffered", "EvidenceStale"),
    },
    "Paused": _PAUSED,
    "DeletionBlocked": {
        "True": (
            "Draining",
            "Unwiring",
            "WaitingForPeer",
            "Paused",
            "AgentUnreachable",
            "ClaimedByAnotherHub",
            "HubRewound",
        ),
        "False": ("NotDeleting", "NotBlocked"),
        "Unknown": (NOT_OBSERVED,),
    },
}

SYNC_POLICY: Final[Mapping[str, Reasons]] = {
    "Ready": {
        "True": ("Ready",),
        "False": ("NotAccepted", "NotInForce", "InvalidInput", "Stalled", "Deleting"),
        "Unknown": (NOT_OBSERVED,),
    },
    "Reconciling": _RECONCILING,
    "Stalled": {"True": (), "False": ("NotStalled",), "Unknown": (NOT_OBSERVED,)},
    "Accepted": {
        "True": ("Accepted",),
        "False": (
            "UnknownEntity",
            "UnknownField",
            "RuleNotApplicable",
            "InvalidCron",
            "InvalidTimeZone",
            "InvalidInput",
        ),
        "Unknown": (NOT_OBSERVED,),
    },
    "ScansOnSchedule": {
        "True": ("OnSchedule", "ScansDisabled"),
        "False": ("Overdue", "ObjectiveUnreachable"),
        "Unknown": (NOT_OBSERVED, "NotScheduled"),
    },
}

REASONS: Final[Mapping[Kind, Mapping[str, Reasons]]] = {
    "Region": REGION,
    "RegionPeering": REGION_PEERING,
    "SyncPolicy": SYNC_POLICY,
}
