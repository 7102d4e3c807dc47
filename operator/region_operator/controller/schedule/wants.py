"""One peering: which scan it should run next and from when on, what it waits for, and whether it is overdue; pure.

In this order: what a user asked for, the scan that proves a join, one that was interrupted, the slot whose turn it is.
A scan that found the regions equal, or made them so, since a slot came due serves for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from region_operator.api.scan_terms import ScanTerms
from region_operator.api.scans import ScanReport
from region_operator.controller.schedule.times import latest_slot, next_slot, opens_at

JOIN: Final = "join"
AGAIN_AFTER: Final = timedelta(seconds=20)  # a join whose scan was not clean is looked at again, each time later
AGAIN_WITHIN: Final = timedelta(seconds=300)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_COMPARED: Final = ("Clean", "Repaired")


@dataclass(frozen=True)
class Subject:
    """A peering, as far as its scans are concerned.

    Attributes:
        name: of the object.
        policy: name of its SyncPolicy; "" for the defaults.
        regions: names of its two Regions.
        coordinator: the one of them whose agent runs its scans.
        joined: its join is complete; from then on the slots of its schedule count.
        verifying: both sides have caught up, and the scan that proves the join is wanted; before that nothing is.
        startable: nothing stands in the way of a scan: links are in contact, nothing is paused.
        unwanted: what runs is to be stopped: scans are switched off, or the peering is.
        request: token of annotation scan-requested-at.
        request_handled: the status says that the token was handled.
        proven_at: when the join was complete, from which on the objective counts.
        clean_at: last clean scan that the status knows of; agents keep only the last ones.
    """

    uid: str
    name: str
    policy: str
    regions: tuple[str, str]
    coordinator: str
    terms: ScanTerms
    joined: bool = False
    verifying: bool = False
    startable: bool = False
    unwanted: bool = False
    request: str = ""
    request_handled: bool = False
    proven_at: datetime | None = None
    clean_at: datetime | None = None


@dataclass(frozen=True)
class Turn:
    """A scan that should run, from ``at`` on; ``asked`` for by a user, so that it goes first."""

    id: str
    at: datetime
    asked: bool = False
    windowed: bool = True  # it runs in windows only


@lru_cache(maxsize=8192)
def scan_id(peering: str, what: str) -> str:
    """Name of the scan of a peering for a slot or token: the same whoever computes it, whenever."""
    return str(uuid5(UUID(peering), what))


def next_turn(subject: Subject, reports: Iterable[ScanReport], now: datetime) -> Turn | None:
    """What should run next; None when scans are switched off or the regions have not caught up."""
    known = tuple(reports)
    if not subject.terms.enabled or not (subject.joined or subject.verifying):
        return None
    return _requested(subject, known, now) or _join(subject, known, now) or _turn_of_slot(subject, known, now)


def under_way(reports: Iterable[ScanReport]) -> ScanReport | None:
    """The scan that runs, if one does."""
    return next((report for report in reports if report.state in ("Running", "Throttled")), None)


def interrupted(reports: Iterable[ScanReport]) -> ScanReport | None:
    """The scan to go on with: the last one that did not end, unless the regions were compared since."""
    known = tuple(reports)
    compared_at = max((ended(report) for report in known if report.result in _COMPARED), default=_NEVER)
    waiting = [r for r in known if r.state == "Interrupted" and started(r) >= compared_at]
    return max(waiting, key=started, default=None)


def last_ended(reports: Iterable[ScanReport]) -> ScanReport | None:
    return max((report for report in reports if report.state == "Ended"), key=ended, default=None)


def last_clean(reports: Iterable[ScanReport]) -> ScanReport | None:
    return max((report for report in reports if report.result == "Clean"), key=ended, default=None)


def last_begun_at(reports: Iterable[ScanReport]) -> datetime:
    """When the last scan began; long ago when there was none."""
    return max(map(started, reports), default=_NEVER)


def clean_at(subject: Subject, reports: Iterable[ScanReport]) -> datetime | None:
    """When a scan last ended clean."""
    clean = last_clean(reports)
    return max(filter(None, (subject.clean_at, ended(clean) if clean else None)), default=None)


def overdue_at(subject: Subject, reports: Iterable[ScanReport]) -> datetime | None:
    """When the last clean scan is too old; None without an objective."""
    since = clean_at(subject, reports) or subject.proven_at
    if since is None or not subject.terms.enabled or not subject.terms.objective_s:
        return None
    return since + timedelta(seconds=subject.terms.objective_s)


def is_handled(subject: Subject, reports: Iterable[ScanReport]) -> bool:
    """Whether the agent has the scan that the annotation asks for, or had it before it forgot."""
    wanted = scan_id(subject.uid, subject.request) if subject.request else ""
    return bool(wanted) and (subject.request_handled or any(report.id == wanted for report in reports))


def _requested(subject: Subject, reports: tuple[ScanReport, ...], now: datetime) -> Turn | None:
    if not subject.request or is_handled(subject, reports):
        return None
    return Turn(scan_id(subject.uid, subject.request), now, asked=True, windowed=False)


def _join(subject: Subject, reports: tuple[ScanReport, ...], now: datetime) -> Turn | None:
    """A join is proven by a clean scan; after one that was not, another is named after it."""
    if subject.joined:
        return None
    last, pending = last_ended(reports), interrupted(reports)
    if pending is not None:
        return Turn(pending.id, now, windowed=False)
    if last is None:
        return Turn(scan_id(subject.uid, JOIN), now, windowed=False)
    at = ended(last) + rest_of_join(sum(report.state == "Ended" for report in reports))
    return Turn(scan_id(subject.uid, f"{JOIN} after {last.id}"), at, windowed=False)


def rest_of_join(scans: int) -> timedelta:
    """How long a join waits after that many scans that did not prove it: load of its own first copy is over soon."""
    return min(AGAIN_WITHIN, AGAIN_AFTER * (1 << min(scans - 1, 10)))


def _turn_of_slot(subject: Subject, reports: tuple[ScanReport, ...], now: datetime) -> Turn:
    terms, pending = subject.terms, interrupted(reports)
    if pending is not None:
        asked = bool(subject.request) and pending.id == scan_id(subject.uid, subject.request)
        return Turn(pending.id, now if asked else opens_at(terms, now), asked=asked, windowed=not asked)
    slot = latest_slot(terms, subject.uid, now)
    name = scan_id(subject.uid, slot.name)
    served = any(r.id == name or (r.result in _COMPARED and ended(r) >= slot.due) for r in reports)
    if not served and under_way(reports) is None:
        return Turn(name, slot.start if opens_at(terms, now) == now else opens_at(terms, now))
    coming = next_slot(terms, subject.uid, now)
    return Turn(scan_id(subject.uid, coming.name), opens_at(terms, coming.start))


def started(report: ScanReport) -> datetime:
    return moment(report.started_at) or _NEVER


def ended(report: ScanReport) -> datetime:
    return moment(report.ended_at) or started(report)


def moment(text: str | None) -> datetime | None:
    """A time of the wire; None for none, and for one that cannot be read."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
