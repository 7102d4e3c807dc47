"""Numbers that change all the time, made calm enough for a status (OPERATOR.md 12); exact ones are metrics.

Lag is bucketed; a bucket rises at once and falls only when two evaluations in a row saw it lower. Counts keep two
significant digits from 100 on. So a status rests while data flows.
"""

from dataclasses import dataclass
from typing import Final

from region_operator.api.agent import LinkStatus
from region_operator.api.peering_status import LagBucket

_BUCKETS: Final[tuple[tuple[int, LagBucket], ...]] = (
    (1_000, "<1s"),
    (5_000, "1s"),
    (10_000, "5s"),
    (30_000, "10s"),
    (60_000, "30s"),
    (300_000, "1m"),
    (900_000, "5m"),
    (3_600_000, "15m"),
    (21_600_000, "1h"),
    (86_400_000, "6h"),
    (172_800_000, "1d"),
)
_ORDER: Final[tuple[LagBucket, ...]] = (*(name for _, name in _BUCKETS), ">1d")


def bucket(lag_ms: int | None) -> LagBucket:
    """Name the bucket by its lower end: 7 s is ``5s``, nothing known is ``?``."""
    if lag_ms is None:
        return "?"
    return next((name for end_ms, name in _BUCKETS if lag_ms < end_ms), ">1d")


def calm(new: LagBucket, shown: LagBucket | None, before: LagBucket | None) -> LagBucket:
    """What to show: ``new`` if it is not lower than ``shown`` or if the evaluation ``before`` saw no higher one."""
    if shown is None or "?" in (new, shown) or _ORDER.index(new) >= _ORDER.index(shown):
        return new
    if before is None or before == "?":
        return shown
    return max(new, before, key=_ORDER.index) if _ORDER.index(before) < _ORDER.index(shown) else shown


def worse(one: LagBucket, other: LagBucket) -> LagBucket:
    """The bucket of the worse direction; unknown is worse than any."""
    return "?" if "?" in (one, other) else max(one, other, key=_ORDER.index)


def two_digits(count: int) -> int:
    """Keep two significant digits from 100 on: 1 234 becomes 1 200."""
    if count < 100:
        return count
    unit: int = 10 ** (len(str(count)) - 2)
    return count // unit * unit


def brief(count: int | None) -> str:
    """Two significant digits with k, M or G: 123 456 is ``120k``; "" when unknown."""
    if count is None:
        return ""
    rounded = two_digits(count)
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if rounded >= size:
            return f"{rounded / size:.2g}{letter}" if rounded < 10 * size else f"{rounded // size}{letter}"
    return str(rounded)


def backlog(pending_changes: int | None, lag: LagBucket) -> str:
    """What waits; changes that are applied within a second come and go and are no backlog."""
    return brief(0 if pending_changes and lag == _ORDER[0] else pending_changes)


def shown(link: LinkStatus) -> tuple[object, ...]:
    """Figures of a link, as roughly as a status shows them."""
    counts = (link.open_conflicts, link.unique_clashes, link.parked, link.dead_lettered)
    lag = bucket(link.lag_ms)
    return lag, backlog(link.pending_changes, lag), *map(two_digits, counts), link.copy_progress


@dataclass(frozen=True)
class LagMemory:
    """What the evaluations before this one saw, per source region; lost at a restart without harm."""

    buckets: tuple[tuple[str, LagBucket], ...] = ()
    over_objective: int = 0  # evaluations in a row

    def before(self, source: str) -> LagBucket | None:
        return dict(self.buckets).get(source)


def exceeded(lag_ms: int | None, *, objective_s: int, memory: LagMemory, was: bool) -> tuple[bool, int]:
    """Whether the objective counts as missed, and for how many evaluations in a row it was.

    Over it for two evaluations: missed; missed until lag is at most half of it.
    """
    if lag_ms is None:
        return was, memory.over_objective
    over = memory.over_objective + 1 if lag_ms > objective_s * 1000 else 0
    if was:
        return lag_ms > objective_s * 500, over
    return over >= 2, over
