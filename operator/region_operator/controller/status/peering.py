"""Status of a RegionPeering: (spec, facts, status before, now) -> status; one function per condition; pure.

``Ready`` says that this generation is wired and that the join of this object was completed. Partition, lag, conflicts
and scans are conditions of their own and do not move it, else a commit would hang for as long as a cable is cut.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from region_operator.api.conditions import Finding, set_conditions, timestamp
from region_operator.api.peering_status import JoinStatus, RegionPeeringStatus
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, PeeringFacts
from region_operator.controller.plan.peering import leaving
from region_operator.controller.plan.rewind import peering_rewound
from region_operator.controller.status import dry_run
from region_operator.controller.status import peering_conditions as conditions
from region_operator.controller.status.directions import Direction, describe, judge
from region_operator.controller.status.lag import LagMemory, bucket, exceeded, worse
from region_operator.controller.status.limits import short
from region_operator.controller.status.peering_scene import Scene
from region_operator.controller.status.scans import is_proof_missing, judge_scans, scan_subject
from region_operator.controller.status.wiring import Wiring, wiring

_JOINING: Final = ("Accepted", "Wired", "Copying", "CatchingUp", "Verifying")


def peering_status(
    peering: PeeringFacts,
    *,
    before: RegionPeeringStatus,
    memory: LagMemory,
    now: datetime,
    reconcile_token: str = "",
) -> tuple[RegionPeeringStatus, LagMemory]:
    """Compute the status, and what the next evaluation must remember of this one."""
    limits = peering.policy if isinstance(peering.policy, LinkPolicyFacts) else LinkPolicyFacts()
    old = {direction.source: direction for direction in before.directions}
    directions = _directions(peering, limits=limits, before=before)
    shown = tuple(describe(d, before=old.get(d.source), memory=memory, now=now) for d in directions)
    wired = wiring(peering, evidence_max_age_s=limits.evidence_max_age_s)
    join = _join(peering, wired, directions, before=before, now=now)
    late, over = exceeded(
        _worst_lag_ms(directions), objective_s=limits.lag_objective_s, memory=memory, was=_was_exceeded(before)
    )
    subject = scan_subject(peering, join=join, scan=before.scan, in_contact=False)
    scans = judge_scans(peering, subject, before=before, now=now)
    scene = Scene(peering, before, directions, wired, join, limits, scans.scan, late)
    findings = _findings(scene, scans.current)
    status = RegionPeeringStatus(
        observed_generation=peering.generation,
        last_handled_reconcile_at=short(reconcile_token),
        conditions=set_conditions(
            before.conditions, findings, kind="RegionPeering", generation=peering.generation, now=now
        ),
        mode=peering.mode,
        join=join,
        lag=worse(shown[0].lag, shown[1].lag) if len(shown) == 2 else "?",
        directions=shown,
        conflicts=conditions.conflict_counts(scene),
        schema_skew=conditions.schema_skew(scene),
        verification=scans.verification,
        scan=scans.scan,
        plan=dry_run.plan_status(peering, before=before.plan),
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


def _findings(scene: Scene, full_scan_current: Finding) -> list[Finding]:
    stalled = _stalled(scene)
    ready = _ready(scene, stalled)
    return [
        ready,
        _reconciling(scene, ready, stalled),
        stalled,
        conditions.references_resolved(scene),
        Finding("Wired", scene.wiring.status, scene.wiring.reason, scene.wiring.message),
        conditions.join_completed(scene),
        conditions.partitioned(scene),
        conditions.in_sync(scene),
        conditions.conflict_free(scene),
        conditions.policy_agreed(scene),
        conditions.schema_compatible(scene),
        full_scan_current,
        _paused(scene),
        _deletion_blocked(scene),
    ]


def _ready(scene: Scene, stalled: Finding) -> Finding:
    wired = scene.wiring
    if scene.peering.deleting:
        return Finding("Ready", "False", "Deleting", "the peering is being undone")
    if stalled.status == "True":
        return Finding("Ready", "False", "Stalled", stalled.message)
    references = conditions.references_resolved(scene)
    if references.status != "True":
        unknown = references.status == "Unknown"
        reason = "RegionUnknown" if unknown else "ReferencesNotResolved"
        return Finding("Ready", references.status, reason, references.message)
    if wired.status == "Unknown":
        return Finding("Ready", "Unknown", "AgentUnreachable", wired.message)
    if wired.reason == "Planned":
        return dry_run.ready(scene.peering)
    if wired.status == "False":
        return Finding("Ready", "False", "Paused" if _not_sent(scene) else "NotWired", wired.message)
    if not scene.join.completed_at:
        return Finding("Ready", "False", "Joining", conditions.joining(scene))
    return Finding("Ready", "True", "Ready", "wired both ways and joined")


def _not_sent(scene: Scene) -> bool:
    """Whether nothing but spec.paused keeps this generation from the agents."""
    return scene.peering.paused and scene.wiring.reason == "ConfigurationPending"


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
    told = _rewound(scene.peering)
    if told and not scene.peering.deleting:
        return Finding("Stalled", "True", "HubRewound", told)
    if scene.wiring.stalled and not scene.peering.deleting:
        return Finding("Stalled", "True", scene.wiring.reason, scene.wiring.message)
    return Finding("Stalled", "False", "NotStalled", "nothing stands in the way for good")


def _rewound(peering: PeeringFacts) -> str:
    """Whether the hub is older than what the agents have had of this peering or of one of its Regions."""
    sides = [side for side in peering.sides if isinstance(side, PeerFacts)]
    behind = next((side.name for side in sides if side.stalled == "HubRewound"), "")
    region = f"Region {behind} is stalled: the hub was restored from a backup; see there" if behind else ""
    return peering_rewound(peering) or region


def _join(
    peering: PeeringFacts,
    wired: Wiring,
    directions: tuple[Direction, ...],
    *,
    before: RegionPeeringStatus,
    now: datetime,
) -> JoinStatus:
    """How far it is; a join is completed once, by this object, when both directions have caught up.

    Where scans run, one must have found the regions equal before.
    """
    known = before.join if before.join is not None and before.join.for_uid == peering.uid else None
    if peering.mode == "Plan" and not peering.deleting:
        return JoinStatus(stage="Accepted", for_uid=peering.uid)
    started = (known.started_at if known is not None else None) or timestamp(now)
    completed = known.completed_at if known is not None else None
    if peering.deleting:
        stage = "Unwiring" if leaving(peering).reason in ("Unwiring", "NotBlocked") else "Draining"
        return JoinStatus.model_validate(
            {"stage": stage, "startedAt": started, "completedAt": completed, "forUID": peering.uid}
        )
    states = {direction.link.state for direction in directions if direction.link is not None}
    caught_up = len(directions) == 2 and all(d.link is not None and d.fresh for d in directions)
    even = wired.status == "True" and caught_up and states == {"Streaming"}
    unproven = even and is_proof_missing(peering, before=before)
    if completed is None and even and not unproven:
        completed = timestamp(now)
    if completed:
        return JoinStatus(stage="InSync", started_at=started, completed_at=completed, for_uid=peering.uid)
    stage = next((name for name in ("Copying", "CatchingUp") if name in states), "Verifying" if unproven else "")
    stage = stage or _reached(known, "Wired" if wired.status == "True" else "Accepted")
    return JoinStatus.model_validate({"stage": stage, "startedAt": started, "forUID": peering.uid})


def _reached(known: JoinStatus | None, at_rest: str) -> str:
    """The stage while the links tell nothing of it: an agent that starts anew, or a cut, undoes nothing."""
    before = known.stage if known is not None and known.stage in _JOINING else _JOINING[0]
    return max(before, at_rest, key=_JOINING.index)


def _worst_lag_ms(directions: Sequence[Direction]) -> int | None:
    known = [direction.lag_ms for direction in directions if direction.lag_ms is not None]
    return max(known) if len(known) == len(directions) and known else None


def _was_exceeded(before: RegionPeeringStatus) -> bool:
    return any(c.type == "InSync" and c.reason in ("LagExceeded", "Throttled") for c in before.conditions)


def _paused(scene: Scene) -> Finding:
    if scene.peering.paused:
        return Finding("Paused", "True", "PausedBySpec", "spec.paused is true; data keeps flowing")
    return Finding("Paused", "False", "NotPaused", "spec.paused is false")


def _deletion_blocked(scene: Scene) -> Finding:
    if not scene.peering.deleting:
        return Finding("DeletionBlocked", "False", "NotDeleting", "the peering is not being deleted")
    told = leaving(scene.peering)
    return Finding("DeletionBlocked", "False" if told.done else "True", told.reason, told.message)
