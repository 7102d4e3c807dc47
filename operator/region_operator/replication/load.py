"""Is a region too busy for a scan? Gauges against the marks of a grant. Pure.

A gauge that was not read, or that has no mark, says nothing.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from region_operator.api.scans import LoadGrant

THREADS_RUNNING: Final = "threadsRunning"
ROW_LOCK_WAITS: Final = "rowLockWaitsPerSecond"
HISTORY_LENGTH: Final = "historyListLength"
CHUNK_LATENCY: Final = "chunkLatencyPercent"
API_P95: Final = "apiP95Millis"
WRITES: Final = "writesPerSecond"
"""Has no mark: it tells how much of the time a scan leaves to others, not whether it may run."""

_OVER_TIME: Final = frozenset({ROW_LOCK_WAITS, API_P95})

Gauges: TypeAlias = Mapping[str, int]
"""Of one region, by the names of ``api.scan_policy.GAUGES``, and ``WRITES``."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What a database server tells of its load; ``row_lock_waits`` and ``writes`` count since its start.

    ``writes`` are statements of others than the agent.
    """

    threads_running: int
    row_lock_waits: int
    history_list_length: int
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Excess:
    """A gauge of a region over its mark."""

    region: int
    gauge: str
    value: int
    limit: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a scan has to do now, and for which gauge's sake; that farthest over its mark."""

    verdict: Literal["Go", "Skip", "Pause", "Abort"]
    excess: Excess | None = None


def judge(loads: Mapping[int, Gauges], marks: LoadGrant, *, begun: bool) -> Judgement:
    """``loads`` by region; a scan that has not begun is skipped rather than paused or aborted."""
    if not begun:
        over = excess(loads, marks.skip)
        return Judgement("Skip", over) if over else Judgement("Go")
    if over := excess(loads, marks.abort):
        return Judgement("Abort", over)
    if over := excess(loads, marks.pause):
        return Judgement("Pause", over)
    return Judgement("Go")


def excess(loads: Mapping[int, Gauges], marks: Gauges) -> Excess | None:
    """The gauge that is farthest over its mark, of the first region where that is so; None if none is over."""
    over = [
        Excess(region, gauge, gauges[gauge], limit)
        for region, gauges in sorted(loads.items())
        for gauge, limit in sorted(marks.items())
        if gauge in gauges and gauges[gauge] > limit
    ]
    return max(over, key=lambda one: one.value / max(1, one.limit), default=None)


def knows_all(loads: Mapping[int, Gauges], marks: Gauges) -> bool:
    """Whether every region tells the gauges that need a second look, where these have marks."""
    return all(gauge in gauges for gauges in loads.values() for gauge in _OVER_TIME & marks.keys())


def percentile(values: Collection[float], percent: float) -> float | None:
    """By nearest rank; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def gauges(before: Counters | None, now: Counters, *, passed_s: float) -> dict[str, int]:
    """What two readings, ``passed_s`` apart, say of a database; a rate only if there were two of one server's run."""
    read = {THREADS_RUNNING: now.threads_running, HISTORY_LENGTH: now.history_list_length}
    if before is not None and passed_s > 0 and now.row_lock_waits >= before.row_lock_waits:
        read[ROW_LOCK_WAITS] = math.ceil((now.row_lock_waits - before.row_lock_waits) / passed_s)
        read[WRITES] = math.ceil(max(0, now.writes - before.writes) / passed_s)
    return read
