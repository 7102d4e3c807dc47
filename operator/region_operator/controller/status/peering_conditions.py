"""Conditions of a RegionPeering about what it refers to and about the data: one function per condition; pure."""

from region_operator.api.conditions import Finding
from region_operator.api.peering_status import ConflictsStatus, SchemaSkew
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, Unknown
from region_operator.controller.status.lag import two_digits
from region_operator.controller.status.limits import LONG, MOST_ENTITIES, is_entity, short
from region_operator.controller.status.peering_scene import Scene
from region_operator.controller.status.scans import proof_awaited


def references_resolved(scene: Scene) -> Finding:
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
    if isinstance(peering.policy, Unknown):
        return Finding("ReferencesResolved", "Unknown", "NotObserved", f"spec.policyRef: {peering.policy.message}")
    if not isinstance(peering.policy, LinkPolicyFacts):
        return Finding("ReferencesResolved", "False", "PolicyNotAccepted", peering.policy.message)
    unknown = next((side for side in peering.sides if isinstance(side, Unknown)), None)
    if unknown is not None:
        return Finding("ReferencesResolved", "Unknown", "NotObserved", unknown.message)
    return Finding("ReferencesResolved", "True", "Resolved", "both Regions and the policy exist")


def join_completed(scene: Scene) -> Finding:
    join = scene.join
    if scene.peering.deleting:
        return Finding("JoinCompleted", "False", "Leaving", "the peering is being undone")
    if join.completed_at:
        return Finding("JoinCompleted", "True", "Completed", f"joined at {join.completed_at}")
    reason = {"Accepted": "NotStarted", "Wired": "Wiring"}.get(join.stage, join.stage)
    return Finding("JoinCompleted", "False", reason, joining(scene))


def joining(scene: Scene) -> str:
    """At which stage a join is, and what the last one waits for."""
    awaited = f": {proof_awaited(scene.scan)}" if scene.join.stage == "Verifying" else ""
    return f"the join is at stage {scene.join.stage}{awaited}"


def partitioned(scene: Scene) -> Finding:
    if scene.peering.mode != "Active":
        return Finding("Partitioned", "False", "Suspended", f"spec.mode is {scene.peering.mode}: no data is asked for")
    bad = [direction for direction in scene.directions if direction.verdict == "bad"]
    if bad:
        others_good = any(direction.in_contact for direction in scene.directions)
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


def in_sync(scene: Scene) -> Finding:
    if scene.peering.mode != "Active":
        return Finding("InSync", "False", "Suspended", f"spec.mode is {scene.peering.mode}")
    apart = partitioned(scene)
    if apart.status == "True":
        return Finding("InSync", "False", "Partitioned", apart.message)
    if "stale" in scene.verdicts():
        return Finding("InSync", "Unknown", "EvidenceStale", _stale(scene))
    failing = [d.link.message for d in scene.directions if d.link is not None and d.link.reason == "ApplyFailed"]
    if failing:
        return Finding("InSync", "False", "ApplyFailed", "; ".join(failing))
    objective = f"{scene.limits.lag_objective_s} s (SyncPolicy spec.lag.objectiveSeconds)"
    if scene.lag_exceeded:
        return _late(scene, f"lag has exceeded the objective of {objective}")
    if (scene.join.completed_at or scene.join.stage == "Verifying") and scene.directions:
        return Finding("InSync", "True", "WithinObjective", f"lag is within the objective of {objective}")
    if scene.join.stage in ("Copying", "CatchingUp"):
        return Finding("InSync", "False", scene.join.stage, f"the join is at stage {scene.join.stage}")
    return Finding("InSync", "Unknown", "NotObserved", "the regions have not caught up with each other yet")


def _late(scene: Scene, told: str) -> Finding:
    held = [f"{d.source} -> {d.target}" for d in scene.directions if d.link is not None and d.link.throttled]
    if not held:
        return Finding("InSync", "False", "LagExceeded", told)
    limit = f"{scene.limits.max_kilobytes_per_second} kB a second (SyncPolicy spec.link.maxKilobytesPerSecond)"
    return Finding("InSync", "False", "Throttled", f"{told}; {', '.join(held)} may take {limit}")


def conflict_counts(scene: Scene) -> ConflictsStatus | None:
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


def conflict_free(scene: Scene) -> Finding:
    if not scene.directions or "stale" in scene.verdicts():
        reason = "EvidenceStale" if scene.directions else "NotObserved"
        return Finding("ConflictFree", "Unknown", reason, _stale(scene) or "nothing is known yet")
    counts = conflict_counts(scene)
    if counts is None:
        return Finding("ConflictFree", "Unknown", "NotObserved", "nothing is known yet")
    if counts.open or counts.unique_clashes:
        told = f"{counts.open} open conflicts, {counts.unique_clashes} unique clashes"
        return Finding("ConflictFree", "False", "ConflictsOpen", told)
    # A row that waits for its parent is usual under load; it is told when it was waiting before, too.
    waited = scene.before.conflicts is not None and scene.before.conflicts.parked > 0
    if (counts.parked and waited) or counts.dead_lettered:
        told = f"{counts.parked} rows wait for another row, {counts.dead_lettered} are not tried any more"
        return Finding("ConflictFree", "False", "ChangesParked", told)
    return Finding("ConflictFree", "True", "NoOpenConflicts", "no conflict is open, no row is held back for long")


def policy_agreed(scene: Scene) -> Finding:
    hashes = [side.agent.last.rules_hash if side.agent.last else "" for side in scene.sides]
    if len(hashes) < 2 or not all(hashes):
        return Finding("PolicyAgreed", "Unknown", "NotObserved", "not both agents have told their rules yet")
    if "stale" in scene.verdicts():
        return Finding("PolicyAgreed", "Unknown", "EvidenceStale", _stale(scene))
    if hashes[0] != hashes[1]:
        message = "the two Regions settle conflicts by different rules; data flows on, point both to one SyncPolicy"
        return Finding("PolicyAgreed", "False", "PolicyMismatch", message)
    return Finding("PolicyAgreed", "True", "Agreed", "both Regions settle conflicts by the same rules")


def schema_compatible(scene: Scene) -> Finding:
    versions = {side.agent.last.schema_version for side in scene.sides if side.agent.last}
    if len([side for side in scene.sides if side.agent.last]) < 2:
        return Finding("SchemaCompatible", "Unknown", "NotObserved", "not both agents have told their schema yet")
    if "stale" in scene.verdicts():
        return Finding("SchemaCompatible", "Unknown", "EvidenceStale", _stale(scene))
    if len(versions) > 1:
        told = f"schema region_sync differs: {sorted(versions)}; upgrade the older agent"
        return Finding("SchemaCompatible", "False", "SchemaSkew", told)
    if skewed := schema_skew(scene):
        told = f"not exchanged, or not whole: {', '.join(one.entity for one in skewed)}; status.schema says why"
        return Finding("SchemaCompatible", "False", "SchemaSkew", told)
    return Finding("SchemaCompatible", "True", "Compatible", "both sides have the same schema")


def schema_skew(scene: Scene) -> tuple[SchemaSkew, ...]:
    """What is the matter with entities on either side; one item for each, with what both sides say of it."""
    told: dict[str, list[tuple[str, str]]] = {}
    for side in scene.sides:
        for one in side.agent.last.entities if side.agent.last else ():
            if is_entity(one.entity):
                told.setdefault(one.entity, []).append((short(one.reason), f"{side.name}: {one.message}"))
    return tuple(
        SchemaSkew(entity=entity, reason=said[0][0], message="; ".join(message for _, message in said)[:LONG])
        for entity, said in sorted(told.items())[:MOST_ENTITIES]
    )
