"""Can a schedule hold its own objective? Interval or cron and windows against the largest age of a clean scan; pure.

Judged by the clock on the wall of a year that stands for all, so that neither the date nor daylight saving changes the
answer. Jitter and the time that a scan takes are left out: they come on top.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from region_operator.api.scan_terms import ScanTerms
from region_operator.controller.schedule.times import due_after, due_before, opens_at

_FROM: Final = datetime(2024, 1, 1, tzinfo=UTC)  # a leap year, and a Monday
_UNTIL: Final = _FROM + timedelta(days=400)
_STEPS: Final = 5000  # so a schedule by the minute against an objective by the hour is judged by some weeks of it


def least_objective(terms: ScanTerms) -> timedelta | None:
    """The least objective that the schedule can hold, where that is more than its own; None when it can hold that."""
    if not terms.enabled or not terms.objective_s:
        return None
    schedule = ScanTerms(interval_s=terms.interval_s, cron=terms.cron, windows=terms.windows)
    return _longest_gap(replace(schedule, objective_s=terms.objective_s))


@lru_cache(maxsize=256)
def _longest_gap(terms: ScanTerms) -> timedelta | None:
    longest = None
    while gap := _first_gap(terms):
        longest, terms = gap, replace(terms, objective_s=int(gap.total_seconds()))
    return longest


def _first_gap(terms: ScanTerms) -> timedelta | None:
    """The first time between two starts that is longer than the objective."""
    objective, at = timedelta(seconds=terms.objective_s), _start(terms, due_after(terms, _FROM))
    for _ in range(_STEPS):
        if at > _UNTIL:
            return None
        following = _start(terms, due_before(terms, at + objective))
        if not at < following <= at + objective:  # the last that is due in time waits for a window, or none is
            following = _start(terms, due_after(terms, due_before(terms, at)))
            if following - at > objective:
                return following - at
        at = following
    return None


def _start(terms: ScanTerms, due: datetime) -> datetime:
    return opens_at(terms, due)
