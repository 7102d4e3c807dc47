"""The fleet: which of the scans that are due may start now; pure.

Who was scanned longest ago goes first, and what a user asked for before that. Who goes first and must wait for one of
its regions keeps both of them free from those behind it, so that nobody is overtaken for ever. A scan that runs holds
its two regions, a place of its policy and a place of the fleet; one that rests (interrupted, refused) holds nothing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from region_operator.api.scans import ScanReport
from region_operator.controller.schedule.times import open_until
from region_operator.controller.schedule.wants import Subject, Turn, last_begun_at, next_turn, under_way

LONGEST_GRANT: Final = timedelta(hours=24)
"""Without an operator a scan goes on for this long at most; with one its grant is given anew."""


@dataclass(frozen=True)
class Case:
    """A peering and what its coordinator said of its scans; ``known``: it says so now, else it said so last."""

    subject: Subject
    reports: tuple[ScanReport, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class Start:
    """A scan to be granted."""

    subject: Subject
    scan: str
    not_after: datetime


@dataclass(frozen=True)
class Occupied:
    """What runs outside the cases: a scan of a peering of which nothing else is known (yet)."""

    regions: tuple[str, ...]


def starts(
    cases: Iterable[Case],
    *,
    limit: int,
    now: datetime,
    others: Collection[Occupied] = (),
    resting: Collection[str] = (),
) -> tuple[Start, ...]:
    """The scans to grant now.

    Args:
        cases: every peering of the fleet.
        now: the time in UTC.
        limit: scans of the fleet that may run at once.
        others: scans that run beside the cases.
        resting: uids of peerings whose grant was refused a moment ago.
    """
    known = tuple(cases)
    running = [case for case in known if under_way(case.reports)]
    busy = {name for one in others for name in one.regions} | {n for c in running for n in c.subject.regions}
    places = limit - len(running) - len(others)
    of_policy = Counter(case.subject.policy for case in running)
    granted: list[Start] = []
    for case, turn in _in_order(known, now):
        subject = case.subject
        if subject.uid in resting or of_policy[subject.policy] + len(others) >= subject.terms.max_concurrent:
            continue
        if places > 0 and busy.isdisjoint(subject.regions):
            granted.append(Start(subject, turn.id, _not_after(subject, turn, now)))
            of_policy[subject.policy] += 1
            places -= 1
        busy.update(subject.regions)
    return tuple(granted)


def stops(cases: Iterable[Case]) -> tuple[tuple[Subject, str], ...]:
    """The scans that run and are not wanted any more."""
    running = ((case.subject, under_way(case.reports)) for case in cases if case.known and case.subject.unwanted)
    return tuple((subject, report.id) for subject, report in running if report is not None)


def next_look(cases: Sequence[Case], now: datetime) -> datetime | None:
    """When time alone makes a scan due; None when only news does."""
    turns = (next_turn(case.subject, case.reports, now) for case in cases)
    return min((turn.at for turn in turns if turn is not None and turn.at > now), default=None)


def is_due(case: Case, now: datetime) -> Turn | None:
    """The scan that would run now if there were a place for it."""
    if not (case.known and case.subject.startable) or case.subject.unwanted or under_way(case.reports):
        return None
    turn = next_turn(case.subject, case.reports, now)
    return turn if turn is not None and turn.at <= now else None


def _in_order(cases: Iterable[Case], now: datetime) -> list[tuple[Case, Turn]]:
    due = ((case, is_due(case, now)) for case in cases)
    waiting = [(case, turn) for case, turn in due if turn is not None]
    return sorted(waiting, key=lambda item: (not item[1].asked, last_begun_at(item[0].reports), item[0].subject.uid))


def _not_after(subject: Subject, turn: Turn, now: datetime) -> datetime:
    end = open_until(subject.terms, now) if turn.windowed else None
    return min(end, now + LONGEST_GRANT) if end is not None else now + LONGEST_GRANT
