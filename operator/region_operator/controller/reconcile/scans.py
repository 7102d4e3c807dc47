"""One pass over the full scans of a fleet: ask who runs what, stop what is not wanted, start what is due and has room.

All of a fleet is looked at at once, because its limits and "never two scans on one region" are about all of it. What
is due is decided by ``controller.schedule`` from what agents say; this only asks, grants and aborts (OPERATOR.md 18).
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from region_operator.api.agent import AgentStatus
from region_operator.api.conditions import timestamp
from region_operator.api.scans import FEATURE, ChunkGrant, LoadGrant, ScanGrant, ScanReport
from region_operator.controller.agent_client import AgentEndpoint
from region_operator.controller.facts import AgentFacts
from region_operator.controller.fleet import PEERING, POLICY, REGION, Fleet
from region_operator.controller.observe.scans import ScanObserver, Subjects
from region_operator.controller.plan.claim import epoch_of_term
from region_operator.controller.schedule.figures import Figures, figures, figures_by_policy, is_overdue
from region_operator.controller.schedule.starts import Case, Occupied, Start, is_due, next_look, starts, stops
from region_operator.controller.schedule.wants import Subject, overdue_at, under_way
from region_operator.controller.status.scans import PERCENT_STEP
from region_operator.errors import Conflict, Refused, Unavailable
from region_operator.supervision.backoff import Backoff
from region_operator.supervision.results import After, Done, Result
from region_operator.supervision.units import Key

log = logging.getLogger(__name__)

FULL_SCANS: Final = "FullScans"
"""Kind of the one key of a fleet."""

FIRST_PASSES_S: Final = 120.0  # peerings that nobody could look at by then do not hold up the others
ASK_AGAIN_S: Final = 30.0  # an agent that answers, but not this question
REFUSED: Final = Backoff(base_s=30.0, cap_s=600.0)


class Agents(Protocol):
    """Those who run the scans."""

    async def put_scan(self, endpoint: AgentEndpoint, scan: str, grant: ScanGrant) -> ScanReport: ...

    async def delete_scan(self, endpoint: AgentEndpoint, scan: str) -> ScanReport: ...


class Heard(Protocol):
    """What agents say of themselves."""

    def endpoint(self, key: Key) -> AgentEndpoint | None: ...

    def facts(self, key: Key) -> AgentFacts: ...


class OnPass(Protocol):
    """Counts, for metrics."""

    def __call__(self, namespace: str, counted: Figures, *, granted: int, refused: Sequence[str]) -> None: ...


@dataclass(frozen=True)
class Command:
    """Who grants: the hub, its leader's term, and how many scans of a fleet may run at once."""

    hub: str
    term: int
    limit: int
    poll_s: float


@dataclass
class _Fleet:
    """What is remembered of one fleet."""

    first_look_s: float
    complete: bool = False  # a pass was made over each peering, or that was waited for
    refusals: dict[str, tuple[int, float]] = field(default_factory=dict)  # by uid: in a row, and until when it rests
    shown: Mapping[str, object] = field(default_factory=dict)
    by_policy: Mapping[str, Figures] = field(default_factory=dict)


class FullScansReconciler:
    """Passes over the full scans of fleets."""

    def __init__(  # noqa: PLR0913 - one place composes it
        self,
        command: Command,
        *,
        fleet: Fleet,
        subjects: Subjects,
        observer: ScanObserver,
        agents: Agents,
        heard: Heard,
        enqueue: Callable[[Key], None],
        now: Callable[[], datetime],
        on_pass: OnPass,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._command, self._fleet, self._subjects, self._observer = command, fleet, subjects, observer
        self._agents, self._heard, self._enqueue, self._now = agents, heard, enqueue, now
        self._on_pass, self._clock, self._chance = on_pass, clock, chance
        self._fleets: dict[str, _Fleet] = {}

    def figures_of(self, namespace: str, policy: str) -> Figures | None:
        """How the scans under a policy stood at the last pass; None until all peerings have been looked at."""
        known = self._fleets.get(namespace)
        return known.by_policy.get(policy, Figures()) if known is not None and known.complete else None

    async def reconcile(self, key: Key) -> Result:
        """Look at one fleet; returns when to look again."""
        namespace = key.namespace
        remembered = self._fleets.setdefault(namespace, _Fleet(self._clock()))
        subjects = self._subjects.of(namespace)
        self._observer.keep_only(namespace, {_coordinator(namespace, subject) for subject in subjects})
        await self._observer.ask(self._to_ask(namespace, subjects))
        await self._abort(namespace, stops(self._cases(namespace, subjects)))
        remembered.complete = remembered.complete or self._may_start(namespace, remembered)
        granted, refused = await self._grant(namespace, remembered, subjects)
        now, cases = self._now(), self._cases(namespace, subjects)
        self._tell(namespace, remembered, cases, now)
        self._on_pass(namespace, figures(cases, now), granted=granted, refused=refused)
        return self._rest(namespace, remembered, cases, now)

    # --- asking ------------------------------------------------------------------------------------------------------

    def _to_ask(self, namespace: str, subjects: Sequence[Subject]) -> set[Key]:
        """Coordinators that may have something new to say: nobody begins a scan but we."""
        now = self._now()
        return {
            region
            for case in self._cases(namespace, subjects)
            if self._offers(region := _coordinator(namespace, case.subject))
            and (not self._observer.answering(region) or under_way(case.reports) or is_due(case, now) is not None)
        }

    def _offers(self, region: Key) -> bool:
        """Whether the agent answers, runs scans, and is ours."""
        status = self._heard.facts(region).status
        if not isinstance(status, AgentStatus) or status.claim is None:
            return False
        return status.claim.hub == self._command.hub and FEATURE in status.features

    def _cases(self, namespace: str, subjects: Sequence[Subject]) -> list[Case]:
        found = []
        for subject in subjects:
            region = _coordinator(namespace, subject)
            known = self._observer.answering(region) and self._offers(region)
            found.append(Case(subject, self._observer.facts(region, subject.uid).reports, known))
        return found

    def _others(self, namespace: str, subjects: Sequence[Subject]) -> tuple[Occupied, ...]:
        """Scans that agents run for peerings that we do not know (yet, or any more)."""
        uids = {subject.uid for subject in subjects}
        regions = {_coordinator(namespace, subject) for subject in subjects}
        return tuple(
            Occupied((region.name,)) for region in sorted(regions) if under_way(self._observer.others(region, uids))
        )

    # --- granting ----------------------------------------------------------------------------------------------------

    async def _abort(self, namespace: str, unwanted: Sequence[tuple[Subject, str]]) -> None:
        for subject, scan in unwanted:
            region = _coordinator(namespace, subject)
            if (endpoint := self._heard.endpoint(region)) is None:
                continue
            try:
                self._observer.heard(region, await self._agents.delete_scan(endpoint, scan))
            except (Unavailable, Refused, Conflict) as error:
                log.warning("full scan %s of %s was not aborted: %s", scan, subject.name, error)

    async def _grant(
        self, namespace: str, remembered: _Fleet, subjects: Sequence[Subject]
    ) -> tuple[int, Sequence[str]]:
        """Grant what may start; returns how many were taken, and the reasons of those that were not."""
        if not self._may_start(namespace, remembered):
            return 0, ()
        resting = {uid for uid, (_, until_s) in remembered.refusals.items() if until_s > self._clock()}
        wanted = starts(
            self._cases(namespace, subjects),
            limit=self._command.limit,
            now=self._now(),
            others=self._others(namespace, subjects),
            resting=resting,
        )
        reasons = await asyncio.gather(*(self._put(namespace, start) for start in wanted))
        for start, reason in zip(wanted, reasons, strict=True):
            self._remember(remembered, start.subject.uid, refused=bool(reason))
        return reasons.count(""), [reason for reason in reasons if reason]

    def _may_start(self, namespace: str, remembered: _Fleet) -> bool:
        """Whether all that runs is known: a pass was made over each peering, or that has been waited for."""
        peerings = [entry.key.name for entry in self._fleet.of_kind(PEERING, namespace)]
        waited_s = self._clock() - remembered.first_look_s
        return self._subjects.are_complete(namespace, peerings) or waited_s >= FIRST_PASSES_S

    async def _put(self, namespace: str, start: Start) -> str:
        """Grant one scan; returns "" or why it was not taken."""
        region = _coordinator(namespace, start.subject)
        endpoint, status = self._heard.endpoint(region), self._heard.facts(region).last
        peer = self._peer_id(namespace, start.subject)
        if endpoint is None or status is None or status.claim is None or not peer:
            return "NotObserved"
        grant = _grant_of(start, peer=peer, epoch=epoch_of_term(status.claim.epoch, self._command.term))
        try:
            self._observer.heard(region, await self._agents.put_scan(endpoint, start.scan, grant))
        except (Unavailable, Refused, Conflict) as error:
            log.info("full scan %s of %s was not taken: %s", start.scan, start.subject.name, error)
            return getattr(error, "reason", "Conflict")
        log.info("full scan %s of %s granted until %s", start.scan, start.subject.name, grant.not_after)
        return ""

    def _peer_id(self, namespace: str, subject: Subject) -> int:
        name = next(name for name in subject.regions if name != subject.coordinator)
        entry = self._fleet.get(Key(REGION, namespace, name))
        return entry.region_id if entry is not None else 0

    def _remember(self, remembered: _Fleet, uid: str, *, refused: bool) -> None:
        if not refused:
            remembered.refusals.pop(uid, None)
            return
        count = remembered.refusals.get(uid, (0, 0.0))[0] + 1
        rest_s = max(self._command.poll_s, REFUSED.rest_s(count, self._chance))
        remembered.refusals[uid] = (count, self._clock() + rest_s)

    # --- what comes of it --------------------------------------------------------------------------------------------

    def _tell(self, namespace: str, remembered: _Fleet, cases: Sequence[Case], now: datetime) -> None:
        """Ask for passes over the peerings and policies of which something else is to be said."""
        shown = {case.subject.name: _shown(case, now) for case in cases}
        for name in shown:
            if shown[name] != remembered.shown.get(name):
                self._enqueue(Key(PEERING, namespace, name))
        by_policy = figures_by_policy(cases, now) if remembered.complete else {}
        for policy in by_policy.keys() | remembered.by_policy.keys():
            if policy and _of_policy(by_policy.get(policy)) != _of_policy(remembered.by_policy.get(policy)):
                self._enqueue(Key(POLICY, namespace, policy))
        remembered.shown, remembered.by_policy = shown, by_policy
        uids = {case.subject.uid for case in cases}
        remembered.refusals = {uid: told for uid, told in remembered.refusals.items() if uid in uids}

    def _rest(self, namespace: str, remembered: _Fleet, cases: Sequence[Case], now: datetime) -> Result:
        """Until something runs on, comes due, or rests no more; the rest is news that wakes us."""
        waits = [until_s - self._clock() for _, until_s in remembered.refusals.values()]
        if any(under_way(case.reports) for case in cases) or not self._may_start(namespace, remembered):
            waits.append(self._command.poll_s)
        if any(not case.known and self._offers(_coordinator(namespace, case.subject)) for case in cases):
            waits.append(ASK_AGAIN_S)
        coming = [at for case in cases if (at := overdue_at(case.subject, case.reports)) is not None and at > now]
        waits += [(at - now).total_seconds() for at in (*coming, next_look(cases, now)) if at is not None]
        return After(max(1.0, min(waits))) if waits else Done()


def _coordinator(namespace: str, subject: Subject) -> Key:
    return Key(REGION, namespace, subject.coordinator)


def _grant_of(start: Start, *, peer: int, epoch: int) -> ScanGrant:
    terms = start.subject.terms
    marks = {
        level: told.wire() for level in ("skip", "pause", "abort") if (told := getattr(terms.load, level)) is not None
    }
    return ScanGrant(
        peering_uid=start.subject.uid,
        peer=peer,
        verify=terms.verify,
        drift=terms.drift,
        chunk=ChunkGrant(target_millis=terms.target_millis, max_rows=terms.max_rows),
        load=LoadGrant(**marks),
        not_after=timestamp(start.not_after),
        epoch=epoch,
    )


def _shown(case: Case, now: datetime) -> object:
    """What the peering's status says of it, as roughly as it is shown there."""
    held_by = [(r.throttled_by.region, r.throttled_by.gauge) for r in case.reports if r.throttled_by is not None]
    reports = [(r.id, r.state, r.percent // PERCENT_STEP, r.entity) for r in case.reports]
    return case.known, reports, held_by, is_overdue(case, now)


def _of_policy(told: Figures | None) -> object:
    return (told.running, told.overdue, told.next_at) if told is not None else None
