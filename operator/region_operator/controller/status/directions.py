"""One direction of a peering, judged from what the agent that pulls last said; ages only, no wall clock decides.

A direction is bad after ``detectAfter`` without good contact and good again after ``recoverAfter`` of it; in between
it stays what it was (``state: Broken`` in the status before). Evidence older than ``evidenceMaxAge`` is stale: it
proves nothing either way.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from region_operator.api.agent import AgentStatus, LinkStatus
from region_operator.api.conditions import timestamp
from region_operator.api.peering_status import CopyStatus, DirectionStatus
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, PeeringFacts
from region_operator.controller.status.lag import LagMemory, backlog, bucket, calm

Verdict = Literal["good", "bad", "stale", "pending"]
State = Literal["Connecting", "Copying", "CatchingUp", "Streaming", "Broken", "Suspended", "Unknown"]

APPLY_FAILED: Final = "ApplyFailed"
_GOOD: Final = ("Streaming", "CatchingUp", "Copying", "Suspended")
_STATES: Final[dict[Verdict, State]] = {"stale": "Unknown", "bad": "Broken", "pending": "Connecting"}


@dataclass(frozen=True)
class Direction:
    """Source -> target, as far as it is known now.

    Attributes:
        link: what the target's agent said of it; None when it does not know the link (yet).
        age_s: since it said so.
        verdict: ``pending`` while there has been neither contact nor long enough failure since the link was made.
    """

    source: str
    target: str
    link: LinkStatus | None
    age_s: float
    verdict: Verdict
    reason: str
    message: str

    @property
    def fresh(self) -> bool:
        return self.verdict != "stale"

    @property
    def in_contact(self) -> bool:
        """Whether its last contact was good; one that fails, but not yet for long, is no proof of a one-way cut."""
        return self.verdict == "good" and self.link is not None and self.link.bad_age_ms is None

    @property
    def lag_ms(self) -> int | None:
        """Lag by now; None when there is no fresh figure, or contact is lost and the true lag grows unseen."""
        if self.link is None or self.link.lag_ms is None or not self.fresh:
            return None
        return self.link.lag_ms


def link_of(peering: PeeringFacts, agent: AgentStatus | None, peer_id: int) -> LinkStatus | None:
    """What ``agent`` says of its link to ``peer_id`` under this peering."""
    if agent is None:
        return None
    return next((x for x in agent.links if x.peering_uid == peering.uid and x.peer_id == peer_id), None)


def judge(
    peering: PeeringFacts,
    *,
    source: PeerFacts,
    target: PeerFacts,
    limits: LinkPolicyFacts,
    before: DirectionStatus | None,
) -> Direction:
    """Judge the direction ``source`` -> ``target``; it has no side effects."""
    agent = target.agent
    link = link_of(peering, agent.last, source.id)
    if agent.last is None:
        verdict, reason, message = _stale("was never heard")
    elif agent.age_s > limits.evidence_max_age_s:
        verdict, reason, message = _stale("is not heard any more")
    else:
        # An agent that holds our long poll open would have told a change; one that is silent may not know better.
        since_s = agent.age_s if isinstance(agent.status, AgentStatus) else 0.0
        verdict, reason, message = _verdict(link, age_s=since_s, limits=limits, before=before)
    return Direction(source.name, target.name, link, agent.age_s, verdict, reason, message)


def _stale(told: str) -> tuple[Verdict, str, str]:
    return "stale", "EvidenceStale", f"the agent that pulls {told}"


def _verdict(
    link: LinkStatus | None, *, age_s: float, limits: LinkPolicyFacts, before: DirectionStatus | None
) -> tuple[Verdict, str, str]:
    if link is None:
        return "pending", "NotYetConnected", "the agent does not have the link yet"
    if link.reason == APPLY_FAILED:
        return "good", APPLY_FAILED, link.message  # in contact, only that nothing gets in
    if link.reason == "Suspended":
        return "good", "Suspended", ""  # nobody asks, so nothing can be bad
    was_bad = before is not None and before.state == "Broken" and before.reason != APPLY_FAILED
    if link.bad_age_ms is not None:
        long_enough = link.bad_age_ms / 1000 + age_s >= limits.partition_detect_after_s
        if was_bad or long_enough:
            return "bad", "ProbeTimeout" if link.reason in ("Connected", "Suspended") else link.reason, link.message
    elif was_bad and (link.good_age_ms or 0) / 1000 + age_s < limits.partition_recover_after_s:
        reason = before.reason if before and before.reason else "ProbeTimeout"
        return "bad", reason, "in contact again, not yet for long enough"
    if link.contact_age_ms is None:
        return "pending", link.reason if link.bad_age_ms is not None else "NotYetConnected", link.message
    return "good", "Connected", ""


def describe(
    direction: Direction, *, before: DirectionStatus | None, memory: LagMemory, now: datetime
) -> DirectionStatus:
    """The direction as it stands in status: rounded, and unchanged while nothing of note happens."""
    link = direction.link
    state = _state(direction, before)
    same = before is not None and before.state == state
    fresh_lag = bucket(direction.lag_ms)
    lag = calm(fresh_lag, before.lag if before else None, memory.before(direction.source))
    unchanged = before.evidence_time if same and before is not None else None
    return DirectionStatus(
        source=direction.source,
        target=direction.target,
        state=state,
        reason=direction.reason,
        since=before.since if same and before is not None and before.since else timestamp(now),
        lag=lag,
        pending_changes=backlog(link.pending_changes, lag) if link is not None and direction.fresh else "",
        copy_progress=_copy(link, before) if link is not None and state == "Copying" else None,
        evidence_time=unchanged or timestamp(now - timedelta(seconds=direction.age_s)),
    )


def _state(direction: Direction, before: DirectionStatus | None) -> State:
    if direction.verdict in _STATES:
        return _STATES[direction.verdict]
    if direction.reason == APPLY_FAILED:
        return "Broken"
    told = direction.link.state if direction.link is not None else "Unknown"
    if told in ("Broken", "Unknown", "Connecting"):  # contact was lost a moment ago: not for long enough to say so
        return before.state if before is not None and before.state in _GOOD else "Connecting"
    return told


def _copy(link: LinkStatus, before: DirectionStatus | None) -> CopyStatus | None:
    """Progress of a first copy in steps of 5 %."""
    told = link.copy_progress
    if told is None:
        return None
    percent = min(100, told.rows * 100 // max(1, told.total_rows)) // 5 * 5
    shown = before.copy_progress if before else None
    if shown is not None and shown.percent == percent:
        return shown
    return CopyStatus(
        rows=told.rows,
        total_rows=told.total_rows,
        percent=percent,
        rows_per_second=int(told.rows_per_second),
        eta_seconds=told.eta_seconds,
    )
