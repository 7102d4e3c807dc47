"""Status of a RegionPeering: (spec, facts, status before, now) -> status; one function per condition; pure.

``Ready`` says that this generation is wired and that the join of this object was completed. Partition, lag, conflicts
and scans are conditions of their own and do not move it, else a commit would hang for as long as a cable is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from region_operator.api.conditions import Condition, Finding, set_conditions, timestamp
from region_operator.api.peering_status import ConflictsStatus, JoinStatus, RegionPeeringStatus
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, PeeringFacts, Unknown
from region_operator.controller.plan.peering import leaving
from region_operator.controller.status.directions import Direction, describe, judge
from region_operator.controller.status.lag import LagMemory, bucket, exceeded, two_digits, worse
from region_operator.controller.status.wiring import Wiring, wiring


@dataclass(frozen=True)
class Scene:
    """All that the conditions of one peering are judged from."""

    peering: PeeringFacts
    before: RegionPeeringStatus
    directions: tuple[Direction, ...]
    wiring: Wiring
    join: JoinStatus
    limits: LinkPolicyFacts
    not_yet_supported: Sequence[str] = ()
    lag_exceeded: bool = False

    @property
    def sides(self) -> tuple[PeerFacts, ...]:
        return tuple(side for side in self.peering.sides if isinstance(side, PeerFacts))

    def verdicts(self) -> set[str]:
        return {direction.verdict for direction in self.directions}


def peering_status(
    peering: PeeringFacts,
    *,
    before: RegionPeeringStatus,
    memory: LagMemory,
    now: datetime,
    not_yet_supported: Sequence[str] = (),
    reconcile_token: str = "",
) -> tuple[RegionPeeringStatus, LagMemory]:
    """Compute the status, and what the next evaluation must remember of this one."""
    limits = peering.policy if isinstance(peering.policy, LinkPolicyFacts) else LinkPolicyFacts()
    old = {direction.source: direction for direction in before.directions}
    directions = _directions(peering, limits=limits, before=before)
    shown = tuple(describe(d, before=old.get(d.source), memory=memory, now=now) for d in directions)
    wired = wiring(peering, evidence_max_age_s=limits.evidence_max_age_s)
    join = _join(peering, wired, directions, before=before.join, now=now)
    late, over = exceeded(
        _worst_lag_ms(directions), objective_s=limits.lag_objective_s, memory=memory, was=_was_exceeded(before)
    )
    scene = Scene(peering, before, directions, wired, join, limits, tuple(not_yet_supported), late)
    findings = _findings(scene)
    status = RegionPeeringStatus(
        observed_generation=peering.generation,
        last_handled_reconcile_at=reconcile_token,
        conditions=set_conditions(
            before.conditions, findings, kind="RegionPeering", generation=peering.generation, now=now
        ),
        mode=peering.mode,
        join=join,
        lag=worse(shown[0].lag, shown[1].lag) if len(shown) == 2 else "?",
        directions=shown,
        conflicts=_conflicts(scene),
    )
    seen = tuple((direction.source, bucket(direction.lag_ms)) for direction in directions)
    return status, LagMemory(seen, over)


def _directions(
    peering: PeeringFacts, *, limits: LinkPolicyFacts, before: RegionPeeringStatus
) -> tuple[Direction, ...]:
    """Both directions, as soon as both sides are known."""
    first, second = peering.sides
    if not isinstance(first, PeerFacts) or not isinstance(second, PeerFacts):
        return ()
    old = {direction.source: direction for direction in before.directions}
    return tuple(
        judge(peering, source=source, target=target, limits=limits, before=old.get(source.name))
        for source, target in ((first, second), (second, first))
    )


def _findings(scene: Scene) -> list[Finding]:
    stalled = _stalled(scene)
    ready = _ready(scene, stalled)
    return [
        ready,
        _reconciling(scene, ready, stalled),
        stalled,
        _references_resolved(scene),
        Finding("Wired", scene.wiring.status, scene.wiring.reason, scene.wiring.message),
        _join_completed(scene),
        _partitioned(scene),
        _in_sync(scene),
        _conflict_free(scene),
        _policy_agreed(scene),
        _schema_compatible(scene),
        Finding("FullScanCurrent", "Unknown", "NeverRun", "no full scan has compared the two regions yet"),
        _paused(scene),
        _deletion_blocked(scene),
    ]


def _ready(scene: Scene, stalled: Finding) -> Finding:
    wired = scene.wiring
    if scene.peering.deleting:
        return Finding("Ready", "False", "Deleting", "the peering is being undone")
    if stalled.status == "True":
        return Finding("Ready", "False", "Stalled", stalled.message)
    references = _references_resolved(scene)
    if references.status != "True":
        unknown = references.status == "Unknown"
        reason = "RegionUnknown" if unknown else "ReferencesNotResolved"
        return Finding("Ready", references.status, reason, references.message)
    if wired.status == "Unknown":
        return Finding("Ready", "Unknown", "AgentUnreachable", wired.message)
    if wired.status == "False":
        return Finding("Ready", "False", "NotWired", wired.message)
    if not scene.join.completed_at:
        return Finding("Ready", "False", "Joining", f"the join is at stage {scene.join.stage}")
    return Finding("Ready", "True", "Ready", "wired both ways and joined")


def _reconciling(scene: Scene, ready: Finding, stalled: Finding) -> Finding:
    if scene.peering.deleting:
        return Finding("Reconciling", "True", "Deleting", "waiting for both agents to leave")
    if stalled.status == "True":
        return Finding("Reconciling", "False", "Stalled", stalled.message)
    if scene.peering.paused:
        return Finding("Reconciling", "False", "Paused", "spec.paused is true")
    if ready.status == "True":
        return Finding("Reconciling", "False", "Idle", "as asked for")
    return Finding("Reconciling", "True", "Progressing", ready.message)


def _stalled(scene: Scene) -> Finding:
    if scene.not_yet_supported and not scene.peering.deleting:
        told = ", ".join(scene.not_yet_supported)
        return Finding("Stalled", "True", "NotYetSupported", f"{told}: this version cannot do that yet; remove it")
    if scene.wiring.stalled and not scene.peering.deleting:
        return Finding("Stalled", "True", scene.wiring.reason, scene.wiring.message)
    return Finding("Stalled", "False", "NotStalled", "nothing stands in the way for good")


def _references_resolved(scene: Scene) -> Finding:
    peering = scene.peering
    for name, side in zip(peering.regions, peering.sides, strict=True):
        if side is None:
            message = f"spec.regions: Region {name} does not exist in namespace {peering.namespace}; create it"
            return Finding("ReferencesResolved", "False", "RegionNotFound", message)
        if isinstance(side, PeerFacts) and side.deleting and not peering.deleting:
            message = f"spec.regions: Region {name} is being deleted; delete this RegionPeering too"
            return Finding("ReferencesResolved", "False", "RegionDeleting", message)
    if peering.policy is None:
        message = "spec.policyRef names a SyncPolicy that does not exist; the last limits stay in force"
        return Finding("ReferencesResolved", "False", "PolicyNotFound", message)
    if not isinstance(peering.policy, LinkPolicyFacts):
        return Finding("ReferencesResolved", "False", "PolicyNotAccepted", peering.policy.message)
    unknown = next((side for side in peering.sides if isinstance(side, Unknown)), None)
    if unknown is not None:
        return Finding("ReferencesResolved", "Unknown", "NotObserved", unknown.message)
    return Finding("ReferencesResolved", "True", "Resolved", "both Regions and the policy exist")


def _join_completed(scene: Scene) -> Finding:
    join = scene.join
    if scene.peering.deleting:
        return Finding("JoinCompleted", "False", "Leaving", "the peering is being undone")
    if join.completed_at:
        return Finding("JoinCompleted", "True", "Completed", f"joined at {join.completed_at}")
    reason = {"Accepted": "NotStarted", "Wired": "Wiring"}.get(join.stage, join.stage)
    return Finding("JoinCompleted", "False", reason, f"the join is at stage {join.stage}")


def _join(
    peering: PeeringFacts,
    wired: Wiring,
    directions: tuple[Direction, ...],
    *,
    before: JoinStatus | None,
    now: datetime,
) -> JoinStatus:
    """How far it is; a join is completed once, by this object, when both directions have caught up."""
    known = before if before is not None and before.for_uid == peering.uid else None
    started = known.started_at if known is not None else timestamp(now)
    completed = known.completed_at if known is not None else None
    if peering.deleting:
        return JoinStatus(stage="Draining", started_at=started, completed_at=completed, for_uid=peering.uid)
    states = {direction.link.state for direction in directions if direction.link is not None}
    caught_up = len(directions) == 2 and all(d.link is not None and d.fresh for d in directions)
    if completed is None and wired.status == "True" and caught_up and states == {"Streaming"}:
        completed = timestamp(now)
    if completed:
        return JoinStatus(stage="InSync", started_at=started, completed_at=completed, for_uid=peering.uid)
    wired_stage = "Wired" if wired.status == "True" else "Accepted"
    stage = next((name for name in ("Copying", "CatchingUp") if name in states), wired_stage)
    return JoinStatus.model_validate({"stage": stage, "startedAt": started, "forUID": peering.uid})


def _partitioned(scene: Scene) -> Finding:
    if scene.peering.mode == "Suspended":
        return Finding("Partitioned", "False", "Suspended", "spec.mode is Suspended: no data is asked for")
    bad = [direction for direction in scene.directions if direction.verdict == "bad"]
    if bad:
        others_good = any(direction.verdict == "good" for direction in scene.directions)
        told = "; ".join(f"{d.source} -> {d.target}: {d.reason} {d.message}".strip() for d in bad)
        reason = "AsymmetricPartition" if len(bad) == 1 and others_good else bad[0].reason
        return Finding("Partitioned", "True", reason, told)
    if "stale" in scene.verdicts():
        return Finding("Partitioned", "Unknown", "EvidenceStale", _stale(scene))
    if scene.verdicts() == {"good"}:
        return Finding("Partitioned", "False", "Connected", "both directions are in contact")
    return Finding("Partitioned", "Unknown", "NotObserved", "the directions have not been in contact yet")


def _stale(scene: Scene) -> str:
    stale = [direction for direction in scene.directions if direction.verdict == "stale"]
    return "; ".join(f"{direction.source} -> {direction.target}: {direction.message}" for direction in stale)


def _in_sync(scene: Scene) -> Finding:
    if scene.peering.mode == "Suspended":
        return Finding("InSync", "False", "Suspended", "spec.mode is Suspended")
    partitioned = _partitioned(scene)
    if partitioned.status == "True":
        return Finding("InSync", "False", "Partitioned", partitioned.message)
    if "stale" in scene.verdicts():
        return Finding("InSync", "Unknown", "EvidenceStale", _stale(scene))
    failing = [d.link.message for d in scene.directions if d.link is not None and d.link.reason == "ApplyFailed"]
    if failing:
        return Finding("InSync", "False", "ApplyFailed", "; ".join(failing))
    objective = f"{scene.limits.lag_objective_s} s (SyncPolicy spec.lag.objectiveSeconds)"
    if scene.lag_exceeded:
        return Finding("InSync", "False", "LagExceeded", f"lag has exceeded the objective of {objective}")
    if scene.join.completed_at and scene.directions:
        return Finding("InSync", "True", "WithinObjective", f"lag is within the objective of {objective}")
    if scene.join.stage in ("Copying", "CatchingUp"):
        return Finding("InSync", "False", scene.join.stage, f"the join is at stage {scene.join.stage}")
    return Finding("InSync", "Unknown", "NotObserved", "the regions have not caught up with each other yet")


def _worst_lag_ms(directions: Sequence[Direction]) -> int | None:
    known = [direction.lag_ms for direction in directions if direction.lag_ms is not None]
    return max(known) if len(known) == len(directions) and known else None


def _was_exceeded(before: RegionPeeringStatus) -> bool:
    return any(c.type == "InSync" and c.reason == "LagExceeded" for c in before.conditions)


def _conflicts(scene: Scene) -> ConflictsStatus | None:
    """Both regions record the same conflict, so open ones are the greater count; held-back rows are each side's own."""
    links = [direction.link for direction in scene.directions if direction.link is not None and direction.fresh]
    if not links:
        return scene.before.conflicts
    return ConflictsStatus(
        open=two_digits(max(link.open_conflicts for link in links)),
        unique_clashes=two_digits(max(link.unique_clashes for link in links)),
        parked=two_digits(sum(link.parked for link in links)),
        dead_lettered=two_digits(sum(link.dead_lettered for link in links)),
    )


def _conflict_free(scene: Scene) -> Finding:
    if not scene.directions or "stale" in scene.verdicts():
        reason = "EvidenceStale" if scene.directions else "NotObserved"
        return Finding("ConflictFree", "Unknown", reason, _stale(scene) or "nothing is known yet")
    counts = _conflicts(scene)
    if counts is None:
        return Finding("ConflictFree", "Unknown", "NotObserved", "nothing is known yet")
    if counts.open or counts.unique_clashes:
        told = f"{counts.open} open conflicts, {counts.unique_clashes} unique clashes"
        return Finding("ConflictFree", "False", "ConflictsOpen", told)
    if counts.parked or counts.dead_lettered:
        told = f"{counts.parked} rows wait for another row, {counts.dead_lettered} are not tried any more"
        return Finding("ConflictFree", "False", "ChangesParked", told)
    return Finding("ConflictFree", "True", "NoOpenConflicts", "no conflict is open, no row is held back")


def _policy_agreed(scene: Scene) -> Finding:
    hashes = [side.agent.last.rules_hash if side.agent.last else "" for side in scene.sides]
    if len(hashes) < 2 or not all(hashes):
        return Finding("PolicyAgreed", "Unknown", "NotObserved", "not both agents have told their rules yet")
    if hashes[0] != hashes[1]:
        message = "the two Regions settle conflicts by different rules; data flows on, point both to one SyncPolicy"
        return Finding("PolicyAgreed", "False", "PolicyMismatch", message)
    return Finding("PolicyAgreed", "True", "Agreed", "both Regions settle conflicts by the same rules")


def _schema_compatible(scene: Scene) -> Finding:
    versions = {side.agent.last.schema_version for side in scene.sides if side.agent.last}
    if len([side for side in scene.sides if side.agent.last]) < 2:
        return Finding("SchemaCompatible", "Unknown", "NotObserved", "not both agents have told their schema yet")
    if len(versions) > 1:
        told = f"schema region_sync differs: {sorted(versions)}; upgrade the older agent"
        return Finding("SchemaCompatible", "False", "SchemaSkew", told)
    return Finding("SchemaCompatible", "True", "Compatible", "both sides have the same schema")


def _paused(scene: Scene) -> Finding:
    if scene.peering.paused:
        return Finding("Paused", "True", "PausedBySpec", "spec.paused is true; data keeps flowing")
    return Finding("Paused", "False", "NotPaused", "spec.paused is false")


def _deletion_blocked(scene: Scene) -> Finding:
    if not scene.peering.deleting:
        return Finding("DeletionBlocked", "False", "NotDeleting", "the peering is not being deleted")
    told = leaving(scene.peering)
    return Finding("DeletionBlocked", "False" if told.done else "True", told.reason, told.message)


def conditions_changed(before: Sequence[Condition], after: Sequence[Condition]) -> bool:
    """Whether some condition says something else; messages alone do not count, they carry figures."""
    return [(c.type, c.status, c.reason) for c in before] != [(c.type, c.status, c.reason) for c in after]
