"""What is said of the full scans of a peering: status.scan, status.verification, FullScanCurrent; pure.

Whether regions are compared often enough is judged from the last clean scan that is known: of the agent, which keeps
the last ones, or of the status, which keeps one. Progress is shown in steps, so that a running scan is no news.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from region_operator.api.agent import AgentStatus
from region_operator.api.conditions import Finding, timestamp
from region_operator.api.peering_status import (
    JoinStatus,
    LastScan,
    RegionPeeringStatus,
    ScanStatus,
    ThrottledBy,
    VerificationStatus,
    VerifiedEntity,
)
from region_operator.api.scans import FEATURE, ScanReport, ThrottledByGauge
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, PeeringFacts
from region_operator.controller.schedule import wants
from region_operator.controller.schedule.wants import Subject
from region_operator.controller.status.limits import LONG, MOST_ENTITIES, is_entity, short

PERCENT_STEP: Final = 10


@dataclass(frozen=True)
class ScanVerdict:
    """All that is said of the scans of a peering."""

    scan: ScanStatus | None
    verification: VerificationStatus | None
    current: Finding


def scan_subject(
    peering: PeeringFacts, *, join: JoinStatus | None, scan: ScanStatus | None, in_contact: bool
) -> Subject | None:
    """The peering as the schedule sees it; None while its Regions or its policy are not known."""
    coordinator = coordinator_of(peering)
    if coordinator is None or not isinstance(peering.policy, LinkPolicyFacts):
        return None
    active = peering.mode == "Active" and not peering.deleting
    handled = scan is not None and scan.last_handled_request == short(peering.scan_request)
    return Subject(
        uid=peering.uid,
        name=peering.name,
        policy=peering.policy.name,
        regions=peering.regions,
        coordinator=coordinator.name,
        terms=peering.policy.scan,
        joined=join is not None and bool(join.completed_at),
        verifying=join is not None and join.stage == "Verifying",
        startable=active and in_contact and not peering.paused and offers_scans(peering),
        unwanted=not active or not peering.policy.scan.enabled,
        request=peering.scan_request,
        request_handled=handled,
        proven_at=wants.moment(join.completed_at) if join is not None else None,
        clean_at=wants.moment(scan.last_clean_time) if scan is not None else None,
    )


def coordinator_of(peering: PeeringFacts) -> PeerFacts | None:
    """The side whose agent runs the scans: that of the lower region id."""
    sides = [side for side in peering.sides if isinstance(side, PeerFacts)]
    return min(sides, key=lambda side: side.id) if len(sides) == len(peering.sides) else None


def offers_scans(peering: PeeringFacts) -> bool:
    """Whether both agents can compare their regions."""
    told = [side.agent.last for side in peering.sides if isinstance(side, PeerFacts)]
    return len(told) == len(peering.sides) and all(one is not None and FEATURE in one.features for one in told)


def is_proof_missing(peering: PeeringFacts, *, before: RegionPeeringStatus) -> bool:
    """Whether a join that has caught up must still be proven by a scan."""
    if not isinstance(peering.policy, LinkPolicyFacts):
        return before.join is not None and before.join.stage == "Verifying"
    if not peering.policy.scan.enabled or not offers_scans(peering):
        return False
    return wants.last_clean(peering.scans.reports) is None and before.verification is None


def judge_scans(
    peering: PeeringFacts, subject: Subject | None, *, before: RegionPeeringStatus, now: datetime
) -> ScanVerdict:
    """Say how the scans of a peering stand."""
    if subject is None:
        unknown = Finding("FullScanCurrent", "Unknown", "NotObserved", "the Regions or the policy are not known")
        return ScanVerdict(before.scan, before.verification, unknown)
    last = _last(peering.scans.reports, before.scan)
    current = _current(peering, subject, last, now=now)
    scan = _scan(peering, subject, last, before=before.scan, now=now) if peering.scans.heard else before.scan
    return ScanVerdict(scan, _verification(peering, before.verification), current)


def proof_awaited(scan: ScanStatus | None) -> str:
    """What a join waits for that both directions have brought up to date: its scan, and why that takes time."""
    if scan is None or scan.last is None or scan.state != "Idle":
        return "a full scan has to find the two regions equal"
    why = f": {scan.last.message}" if scan.last.message else ""
    again = f"; another one is due at {scan.next_time}" if scan.next_time else ""
    return f"the full scan that ended at {scan.last.ended_at} did not prove it, {scan.last.result}{why}{again}"


def _scan(
    peering: PeeringFacts, subject: Subject, last: LastScan | None, *, before: ScanStatus | None, now: datetime
) -> ScanStatus | None:
    reports = peering.scans.reports
    if not subject.terms.enabled and before is None and last is None:
        return None
    turn = wants.next_turn(subject, reports, now)
    clean = wants.clean_at(subject, reports)
    handled = wants.is_handled(subject, reports)
    shown = wants.under_way(reports) or wants.interrupted(reports)
    status = ScanStatus(
        last_clean_time=timestamp(clean) if clean else None,
        last=last,
        next_time=timestamp(turn.at) if turn is not None and turn.at > now else None,
        last_handled_request=short(subject.request) if handled else before.last_handled_request if before else "",
    )
    if shown is None or shown.state == "Ended":
        return status
    progress = {
        "state": shown.state,
        "id": short(shown.id),
        "entity": shown.entity[:63],
        "percent": min(100, max(0, shown.percent)) // PERCENT_STEP * PERCENT_STEP,
        "throttled_by": _throttled_by(peering, shown.throttled_by, before),
    }
    return status.model_copy(update=progress)


def _throttled_by(
    peering: PeeringFacts, told: ThrottledByGauge | None, before: ScanStatus | None
) -> ThrottledBy | None:
    """The gauge and the figure that was over its mark first; that it moves is no news."""
    names = {side.id: side.name for side in peering.sides if isinstance(side, PeerFacts)}
    if told is None or told.region not in names:
        return None
    shown = before.throttled_by if before is not None else None
    if shown is not None and (shown.region, shown.gauge) == (names[told.region], told.gauge):
        return shown
    return ThrottledBy(region=names[told.region], gauge=short(told.gauge), value=told.value, limit=told.limit)


def _last(reports: Iterable[ScanReport], before: ScanStatus | None) -> LastScan | None:
    """The last scan that ended; the agent may have forgotten the one that the status knows."""
    known = before.last if before is not None else None
    report = wants.last_ended(reports)
    known_at = wants.moment(known.ended_at) if known is not None else None
    if report is None or report.result is None or (known_at is not None and known_at > wants.ended(report)):
        return known
    return LastScan(
        id=short(report.id),
        ended_at=timestamp(wants.ended(report)),
        result=report.result,
        rows_compared=report.rows_compared,
        differing=report.differing,
        repaired=report.repaired,
        message=report.message[:LONG],
    )


def _verification(peering: PeeringFacts, before: VerificationStatus | None) -> VerificationStatus | None:
    """The proof by the last clean scan, with rows in the order of spec.regions."""
    report = wants.last_clean(peering.scans.reports)
    shown_at = wants.moment(before.completed_at) if before is not None else None
    if report is None or (shown_at is not None and shown_at >= wants.ended(report)):
        return before
    coordinator = coordinator_of(peering)
    in_order = coordinator is not None and coordinator.name == peering.regions[0]
    entities = [one for one in report.entities if is_entity(one.name)]
    return VerificationStatus(
        scan_id=short(report.id),
        completed_at=timestamp(wants.ended(report)),
        verify=report.verify,
        entities=tuple(
            VerifiedEntity(
                name=one.name,
                rows=one.rows if in_order else (one.rows[1], one.rows[0]),
                hash=short(one.hash),
                equal=one.equal,
            )
            for one in entities[:MOST_ENTITIES]
        ),
    )


# --- FullScanCurrent --------------------------------------------------------------------------------------------------


def _current(peering: PeeringFacts, subject: Subject, last: LastScan | None, *, now: datetime) -> Finding:
    terms, reports = subject.terms, peering.scans.reports
    if not terms.enabled:
        return _unknown("ScansDisabled", "spec.scan.mode of the policy is Disabled")
    lacking = _without_scans(peering)
    if lacking:
        return _unknown("ScansNotOffered", f"the agent of {', '.join(lacking)} does not offer full scans; upgrade it")
    overdue, clean = wants.overdue_at(subject, reports), wants.clean_at(subject, reports)
    if overdue is not None and now >= overdue:
        return _overdue(peering, last, clean=clean, objective_s=terms.objective_s)
    if clean is None:
        told = f"; the last one ended {last.result} at {last.ended_at}: {last.message}" if last is not None else ""
        return _unknown("NeverRun", f"no full scan has found the two regions equal yet{told}")
    repaired_at = wants.moment(last.ended_at) if last is not None and last.result == "Repaired" else None
    if last is not None and repaired_at is not None and repaired_at >= clean:
        told = f"the scan that ended at {last.ended_at} repaired {last.repaired} of {last.differing} differing rows"
        return Finding("FullScanCurrent", "True", "DriftRepaired", told)
    return Finding("FullScanCurrent", "True", "Clean", f"found equal at {timestamp(clean)}")


def _overdue(peering: PeeringFacts, last: LastScan | None, *, clean: datetime | None, objective_s: int) -> Finding:
    """Past the objective, which only an agent that is heard can refute."""
    since = f"no full scan has found the regions equal since {timestamp(clean)}" if clean else "no full scan was clean"
    told = f"{since}; the objective is {objective_s} s (SyncPolicy spec.scan.objectiveSeconds)"
    silent = _silent(peering)
    if silent:
        return _unknown("EvidenceStale", f"the agent of {silent}, which runs the scans, is not heard; {told}")
    if last is not None and last.result == "SkippedHighLoad":
        return Finding("FullScanCurrent", "False", "SkippedHighLoad", f"{told}; {last.message}")
    return Finding("FullScanCurrent", "False", "Overdue", told)


def _without_scans(peering: PeeringFacts) -> list[str]:
    """Regions whose agents say what they can do, and full scans are not among it."""
    sides = [side for side in peering.sides if isinstance(side, PeerFacts)]
    return [side.name for side in sides if side.agent.last is not None and FEATURE not in side.agent.last.features]


def _silent(peering: PeeringFacts) -> str:
    """The coordinator's name when its evidence is too old."""
    side, limits = coordinator_of(peering), peering.policy
    if side is None or not isinstance(limits, LinkPolicyFacts):
        return ""
    stale = not isinstance(side.agent.status, AgentStatus) and (
        side.agent.last is None or side.agent.age_s > limits.evidence_max_age_s
    )
    return side.name if stale else ""


def _unknown(reason: str, message: str) -> Finding:
    return Finding("FullScanCurrent", "Unknown", reason, message)
