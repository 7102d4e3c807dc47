"""Status of a SyncPolicy: is it accepted, and is it in force where it is referred to; pure."""

from datetime import datetime

from region_operator.api.conditions import Finding, condition, set_conditions, timestamp
from region_operator.api.policy import InForceStatus, ScansStatus, SyncPolicy, SyncPolicyStatus
from region_operator.api.scan_terms import scan_terms
from region_operator.controller.facts import Invalid, PolicyObjectFacts
from region_operator.controller.schedule.figures import Figures
from region_operator.controller.schedule.objective import least_objective


def policy_status(
    policy: SyncPolicy,
    facts: PolicyObjectFacts,
    *,
    refusal: Invalid | None,
    rules_hash: str,
    now: datetime,
    scans: Figures | None = None,
) -> SyncPolicyStatus:
    """Compute the status; ``refusal`` says why the policy is not acted on, ``scans`` is None until they are known."""
    generation, deleting = policy.metadata.generation, policy.metadata.deletion_timestamp is not None
    accepted = _accepted(refusal)
    ready = _ready(facts, accepted, deleting=deleting)
    findings = [
        ready,
        _reconciling(ready, accepted, deleting=deleting),
        Finding("Stalled", "False", "NotStalled", "nothing stands in the way for good"),
        accepted,
        _scans_on_schedule(policy, scans, accepted=refusal is None),
    ]
    return SyncPolicyStatus(
        observed_generation=generation,
        conditions=set_conditions(
            policy.status.conditions, findings, kind="SyncPolicy", generation=generation, now=now
        ),
        rules_hash=rules_hash,
        in_force=InForceStatus(
            regions=len(facts.regions_in_force),
            of_regions=len(facts.regions),
            peerings=len(facts.peerings_in_force),
            of_peerings=len(facts.peerings),
        ),
        scans=_scans(policy, scans),
    )


def _scans(policy: SyncPolicy, scans: Figures | None) -> ScansStatus | None:
    if not scan_terms(policy.spec.scan).enabled:
        return None
    if scans is None:
        return policy.status.scans
    return ScansStatus(
        running=scans.running,
        overdue=scans.overdue,
        next_time=timestamp(scans.next_at) if scans.next_at is not None else None,
    )


def _scans_on_schedule(policy: SyncPolicy, scans: Figures | None, *, accepted: bool) -> Finding:
    terms = scan_terms(policy.spec.scan)
    if not terms.enabled:
        return Finding("ScansOnSchedule", "True", "ScansDisabled", "spec.scan.mode is Disabled")
    needed = least_objective(terms) if accepted else None
    if needed is not None:
        told = f"spec.scan lets up to {needed.total_seconds():.0f} s pass between two scans"
        remedy = f"raise objectiveSeconds, now {terms.objective_s}, above that, or have scans run more often"
        return Finding("ScansOnSchedule", "False", "ObjectiveUnreachable", f"{told}: {remedy}")
    if scans is None:
        before = condition(policy.status.conditions, "ScansOnSchedule")
        if before is not None and before.reason in ("OnSchedule", "Overdue"):  # an operator that was just started
            return Finding("ScansOnSchedule", before.status, before.reason, before.message)
        return Finding("ScansOnSchedule", "Unknown", "NotScheduled", "the peerings have not been looked at yet")
    if scans.overdue:
        told = f"{scans.overdue} RegionPeerings have had no clean scan within the objective; see FullScanCurrent there"
        return Finding("ScansOnSchedule", "False", "Overdue", told)
    return Finding("ScansOnSchedule", "True", "OnSchedule", "no RegionPeering is past the objective")


def _accepted(refusal: Invalid | None) -> Finding:
    if refusal is None:
        return Finding("Accepted", "True", "Accepted", "every field can be acted on")
    return Finding("Accepted", "False", refusal.reason, f"{refusal.message}; the rules accepted last stay in force")


def _ready(facts: PolicyObjectFacts, accepted: Finding, *, deleting: bool) -> Finding:
    if deleting:
        return Finding("Ready", "False", "Deleting", "being deleted; agents keep their copy of the rules")
    if accepted.status == "False":
        return Finding("Ready", "False", "NotAccepted", accepted.message)
    missing = sorted(set(facts.regions) - set(facts.regions_in_force))
    if missing:
        silent = sorted(set(missing) & set(facts.unknown_regions))
        told = f"not in force yet in {', '.join(missing)}" + (
            f" (no answer from {', '.join(silent)})" if silent else ""
        )
        return Finding("Ready", "False", "NotInForce", told)
    return Finding("Ready", "True", "Ready", f"in force in {len(facts.regions)} Regions")


def _reconciling(ready: Finding, accepted: Finding, *, deleting: bool) -> Finding:
    if deleting:
        return Finding("Reconciling", "True", "Deleting", ready.message)
    if ready.status == "True":
        return Finding("Reconciling", "False", "Idle", "as asked for")
    if accepted.status == "False":
        return Finding("Reconciling", "False", "Waiting", "waiting for an edit")
    return Finding("Reconciling", "True", "Progressing", ready.message)
