"""Status of a Region: (spec, facts, plan, outcome, now) -> status; pure.

``Ready`` says that all parts are as this generation asks for, proved by the document that the agent acknowledges. What
cannot be looked at is Unknown; an agent that is silent for a short while changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from region_operator.api.conditions import Finding, set_conditions
from region_operator.api.reasons import NOT_OBSERVED
from region_operator.api.region import Region
from region_operator.api.region_status import RegionStatus
from region_operator.controller.facts import RegionFacts
from region_operator.controller.outcome import Outcome
from region_operator.controller.plan.steps import RegionPlan
from region_operator.controller.status import region_conditions as conditions
from region_operator.controller.status import region_fields as fields
from region_operator.controller.status import region_workloads as workloads
from region_operator.controller.status.region_scene import Scene, finding

# Types that Ready consists of, in the order in which a region comes up, and what Ready says when one does not hold.
_PARTS: Final[Mapping[str, str]] = {
    "PlacementReachable": "PlacementNotReachable",
    "Claimed": "NotClaimed",
    "ReferencesResolved": "ReferencesNotResolved",
    "DatabaseReady": "DatabaseNotReady",
    "ManagementServerReady": "ManagementServerNotReady",
    "AgentReady": "AgentNotReady",
    "CertificatesReady": "CertificatesNotReady",
    "Registered": "NotRegistered",
    "HistoryIntact": "HistoryNotIntact",
}
# What goes on only when somebody edits something.
_FOR_AN_EDIT: Final = frozenset(
    {
        "SecretNotFound", "SecretKeyMissing", "PolicyNotFound", "PolicyNotAccepted", "DatabaseKeyMissing",
        "CredentialsMissing", "CertificateUnusable", "CertificateExpired", "InvalidInput", "ClusterChanged",
        "NamespaceNotFound", "NamespaceTerminating", "Forbidden", "GrantsRequired", "StorageShrinkRefused",
        "VersionSkew", "WrongRegion", "ForgedVersion",
    }
)  # fmt: skip
_ORDINARY_TEARDOWN_S: Final = 60.0  # until then children that are being removed are no obstacle


def region_status(
    region: Region, facts: RegionFacts, plan: RegionPlan, outcome: Outcome, *, now: datetime
) -> RegionStatus:
    """Compute the status."""
    scene = Scene(region, facts, plan, outcome)
    generation = region.metadata.generation
    return RegionStatus(
        observed_generation=generation,
        last_handled_reconcile_at=fields.short_token(region.metadata.annotations.items()),
        conditions=set_conditions(
            region.status.conditions, findings(scene), kind="Region", generation=generation, now=now
        ),
        claim=fields.claim(scene),
        placement=fields.placement(scene),
        database=fields.database(scene),
        management_server=fields.management_server(scene),
        agent=fields.agent(scene),
        certificates=fields.certificates(scene),
        peers=fields.peers(scene),
        retained=fields.kept(scene),
    )


def findings(scene: Scene) -> list[Finding]:
    """The verdict on every type of the kind."""
    database = workloads.database_ready(scene)
    parts = [
        conditions.claimed(scene),
        conditions.references_resolved(scene),
        conditions.placement_reachable(scene),
        database,
        workloads.management_server_ready(scene, database),
        workloads.agent_ready(scene, database),
        conditions.certificates_ready(scene),
        conditions.registered(scene),
        conditions.history_intact(scene),
    ]
    stalled = _stalled(scene)
    part = _decisive({item.type: item for item in parts})
    ready = _ready(scene, part, stalled)
    reconciling = _reconciling(scene, part, stalled=stalled, ready=ready)
    return [ready, reconciling, stalled, *parts, _paused(scene), _deletion_blocked(scene)]


def _decisive(parts: Mapping[str, Finding]) -> Finding | None:
    """The part that keeps the region from being ready: a lost cluster, else the first that fails, else is unknown."""
    place = parts["PlacementReachable"]
    if place.status == "Unknown" and place.reason != NOT_OBSERVED:
        return place
    ordered = [parts[type_] for type_ in _PARTS]
    failed = [item for item in ordered if item.status == "False"]
    unknown = [item for item in ordered if item.status == "Unknown"]
    return next(iter((*failed, *unknown)), None)


def _ready(scene: Scene, part: Finding | None, stalled: Finding) -> Finding:
    if scene.facts.deleting:
        return finding("Ready", "False", "Deleting", "the Region is being taken down")
    if stalled.status == "True":
        return finding("Ready", "False", "Stalled", stalled.message)
    if part is not None and part.status == "Unknown":
        return finding("Ready", "Unknown", _unknown_reason(part), f"{part.type}: {part.message}")
    if part is not None:
        return finding("Ready", "False", _PARTS[part.type], f"{part.reason}: {part.message}")
    if not scene.acknowledged:
        message = f"spec.paused is true: generation {scene.region.metadata.generation} is not acted on"
        return finding("Ready", "False", "Paused", message)
    if scene.outcome.changed and not _was_ready(scene):
        return finding("Ready", "False", "Progressing", "something was changed just now and is looked at again")
    return finding("Ready", "True", "Ready", "the region is as asked for")


def _unknown_reason(part: Finding) -> str:
    if part.type == "PlacementReachable" and part.reason != NOT_OBSERVED:
        return "PlacementUnreachable"
    if part.type == "AgentReady" and part.reason not in (NOT_OBSERVED, "PlacementUnreachable"):
        return "AgentUnreachable"
    known = ("PlacementUnreachable", "AgentUnreachable")
    return part.reason if part.reason in known else NOT_OBSERVED


def _was_ready(scene: Scene) -> bool:
    before, generation = scene.region.status, scene.region.metadata.generation
    return before.observed_generation == generation and any(
        item.type == "Ready" and item.status == "True" for item in before.conditions
    )


def _stalled(scene: Scene) -> Finding:
    """What only an edit or another object can help; a Region that is being deleted needs no help."""
    if scene.facts.deleting:
        return finding("Stalled", "False", "NotStalled", "the Region is being taken down")
    for wait in scene.plan.waits:
        if wait.stalled:
            return finding("Stalled", "True", wait.reason, wait.message)
    claimed = conditions.claimed(scene)
    if claimed.reason in ("ClaimedByAnotherHub", "NameCollision"):
        return finding("Stalled", "True", claimed.reason, claimed.message)
    return finding("Stalled", "False", "NotStalled", "nothing stands in the way for good")


def _reconciling(scene: Scene, part: Finding | None, *, stalled: Finding, ready: Finding) -> Finding:
    if scene.facts.deleting:
        return finding("Reconciling", "True", "Deleting", ready.message)
    if stalled.status == "True":
        return finding("Reconciling", "False", "Stalled", stalled.message)
    if scene.region.spec.paused:
        return finding("Reconciling", "False", "Paused", "spec.paused is true")
    again = next((wait.message for wait in scene.plan.waits if wait.reason == "Preparing"), "")
    if ready.status == "True" and again:
        return finding("Reconciling", "True", "Progressing", again)
    if ready.status == "True":
        return finding("Reconciling", "False", "Idle", "as asked for")
    if part is not None and part.status == "False" and part.reason in _FOR_AN_EDIT:
        return finding("Reconciling", "False", "Waiting", part.message)
    return finding("Reconciling", "True", "Progressing", ready.message)


def _paused(scene: Scene) -> Finding:
    if scene.region.spec.paused:
        return finding("Paused", "True", "PausedBySpec", "spec.paused is true: nothing is changed; data keeps flowing")
    return finding("Paused", "False", "NotPaused", "spec.paused is false")


def _deletion_blocked(scene: Scene) -> Finding:
    if not scene.facts.deleting:
        return finding("DeletionBlocked", "False", "NotDeleting", "the Region is not being deleted")
    told = scene.told("DeletionBlocked")
    if told is None:
        return finding("DeletionBlocked", "False", "NotBlocked", "nothing is waited for")
    ordinary = told.reason == "ChildrenRemain" and scene.outcome.failure is None
    if ordinary and scene.facts.deleting_age_s < _ORDINARY_TEARDOWN_S:
        return finding("DeletionBlocked", "False", "NotBlocked", told.message)
    return told
