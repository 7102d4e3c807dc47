"""How many scans run, wait and are overdue, of a policy or of a fleet; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from region_operator.controller.schedule.starts import Case, is_due
from region_operator.controller.schedule.wants import next_turn, overdue_at, under_way


@dataclass(frozen=True)
class Figures:
    """Counts of scans at one time.

    Attributes:
        waiting: scans that are due and have no place yet.
        overdue: peerings whose last clean scan is older than the objective.
        next_at: when the next scan comes due; None when none does by time alone.
    """

    running: int = 0
    waiting: int = 0
    overdue: int = 0
    next_at: datetime | None = None


def is_overdue(case: Case, now: datetime) -> bool:
    at = overdue_at(case.subject, case.reports)
    return at is not None and now >= at


def figures(cases: Iterable[Case], now: datetime) -> Figures:
    """Count the cases."""
    known = tuple(cases)
    turns = [next_turn(case.subject, case.reports, now) for case in known]
    return Figures(
        running=sum(under_way(case.reports) is not None for case in known),
        waiting=sum(is_due(case, now) is not None for case in known),
        overdue=sum(is_overdue(case, now) for case in known),
        next_at=min((turn.at for turn in turns if turn is not None and turn.at > now), default=None),
    )


def figures_by_policy(cases: Iterable[Case], now: datetime) -> Mapping[str, Figures]:
    """The same for each policy; "" is none, with the defaults."""
    of: dict[str, list[Case]] = {}
    for case in cases:
        of.setdefault(case.subject.policy, []).append(case)
    return {policy: figures(group, now) for policy, group in of.items()}
