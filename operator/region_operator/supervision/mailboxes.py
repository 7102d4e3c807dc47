"""Which key may be worked on now: the scheduling of reconciles, without a loop, a thread or a sleep.

Pending work of a key coalesces, no key is worked on twice at once, a failing key rests longer and longer, and a
bulkhead (the keys of one cluster) can never take all workers. Everything is called from one thread; other threads use
``loop.call_soon_threadsafe(mailboxes.add, key)``. ``Workers`` drives it.
"""

import heapq
import itertools
import random as _random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from region_operator.supervision.backoff import Random
from region_operator.supervision.results import After, Done, Failed, Result
from region_operator.supervision.transitions import OnTransition, State, Transition, log_it
from region_operator.supervision.units import K, Lane, Pace, Unit


@dataclass(frozen=True, eq=False)
class _Pending:
    id: str
    due: float
    lane: Lane
    bulkhead: str


@dataclass
class _Box(Generic[K]):
    state: State
    pending: _Pending | None = None  # while the key is worked on: that it is dirty
    running: Unit[K] | None = None
    failures: int = 0
    rest_until: float = field(default=float("-inf"))
    forgotten: bool = False


def _one_bulkhead(_: object) -> str:
    return ""


class Mailboxes(Generic[K]):
    """One mailbox per key.

    Args:
        bulkhead: names the failure domain of a key (its cluster); asked anew whenever the key is offered.
    """

    def __init__(
        self,
        *,
        bulkhead: Callable[[K], str] = _one_bulkhead,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Random = _random.random,
        on_transition: OnTransition = log_it,
    ) -> None:
        self.pace = pace or Pace()
        self.notify: Callable[[], None] = lambda: None
        self._bulkhead, self._clock, self._random, self._on_transition = bulkhead, clock, random, on_transition
        self._boxes: dict[K, _Box[K]] = {}
        self._delayed: list[tuple[float, int, K, _Pending]] = []  # heaps keep outdated entries; see _is_current
        self._ready: dict[str, list[tuple[float, int, K, _Pending]]] = {}
        self._busy: Counter[str] = Counter()
        self._sequence = itertools.count(1)

    # --- offering work -------------------------------------------------------------------------------------------

    def add(self, key: K, *, lane: Lane = Lane.CHANGE) -> None:
        """Work on ``key`` as soon as may be; a key that is being worked on is worked on once more afterwards."""
        self._offer(key, self._clock(), lane)

    def add_after(self, key: K, seconds: float, *, lane: Lane = Lane.RESYNC) -> None:
        """Work on ``key`` in ``seconds``, or earlier if it is to be earlier anyway."""
        self._offer(key, self._clock() + max(0.0, seconds), lane)

    def seed(self, key: K) -> None:
        """Offer a key found at the start of the program, spread over time."""
        self.add_after(key, self._random() * self.pace.start_spread_s, lane=Lane.RESYNC)

    def forget(self, key: K) -> None:
        """The resource is gone: drop its mailbox (after the pass that runs now, unless the key is added again)."""
        box = self._boxes.get(key)
        if box is None:
            return
        box.pending = None
        if box.running is None:
            self._drop(key, box, unit="")
        else:
            box.forgotten = True

    # --- working -------------------------------------------------------------------------------------------------

    def take(self) -> Unit[K] | None:
        """Hand out the unit of work that should start now, if any may start."""
        now = self._clock()
        self._promote(now)
        if self._busy.total() >= self.pace.workers:
            return None
        heads = [(heap[0], name) for name, heap in self._ready.items() if self._has_slot(name)]
        if not heads:
            return None
        (_, _, key, pending), name = min(heads, key=lambda head: head[0][:2])
        heapq.heappop(self._ready[name])
        self._trim(name)
        box = self._boxes[key]
        unit = Unit(key, pending.id, pending.lane, name, box.failures, now)
        box.pending, box.running = None, unit
        self._busy[name] += 1
        if box.state is State.CRASHED:
            self._move(key, box, State.INITIALIZED, unit=unit.id)
        return unit

    def done(self, unit: Unit[K], result: Result) -> None:
        """Give a unit back with what came out of it."""
        box = self._boxes.get(unit.key)
        if box is None or box.running is not unit:
            raise ValueError(f"unit {unit.id} of {unit.key} is not running")
        now = self._clock()
        box.running = None
        self._busy[unit.bulkhead] -= 1
        if box.forgotten:
            self._drop(unit.key, box, unit=unit.id)
        else:
            self._settle(unit, box, result, now)
        self.notify()

    # --- looking at it -------------------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """Clock time at which a waiting key becomes ready; None when only an event or a ``done`` can change things."""
        while self._delayed and not self._is_current(self._delayed[0]):
            heapq.heappop(self._delayed)
        return self._delayed[0][0] if self._delayed else None

    def oldest_ready_s(self) -> float:
        """Age of the oldest key that a worker should have taken; the program is not alive when this grows.

        Keys that wait for a slot of their own bulkhead do not count: a slow cluster is no reason to restart.
        """
        now = self._clock()
        self._promote(now)
        waiting = (entry for name, heap in self._ready.items() if self._has_slot(name) for entry in heap)
        return max((now - entry[3].due for entry in waiting if self._is_current(entry)), default=0.0)

    def depth(self) -> Counter[str]:
        """Ready keys per bulkhead."""
        self._promote(self._clock())
        counts = {name: sum(map(self._is_current, heap)) for name, heap in self._ready.items()}
        return Counter(counts)

    def running(self) -> int:
        return self._busy.total()

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, key: object) -> bool:
        return key in self._boxes

    # --- inside --------------------------------------------------------------------------------------------------

    def _settle(self, unit: Unit[K], box: _Box[K], result: Result, now: float) -> None:
        match result:
            case Failed(reason):
                box.failures += 1
                rest_s, lane = self.pace.backoff.rest_s(box.failures, self._random), unit.lane
                self._move(unit.key, box, State.CRASHED, unit=unit.id, reason=reason)
            case After(seconds):
                box.failures = 0
                rest_s, lane = min(max(0.0, seconds), self._resync_s()), unit.lane
                self._move(unit.key, box, State.READY, unit=unit.id)
            case Done():
                box.failures = 0
                rest_s, lane = self._resync_s(), Lane.RESYNC
                self._move(unit.key, box, State.READY, unit=unit.id)
        box.rest_until = now + self._gap_s(box.failures)
        dirty, box.pending = box.pending, None
        self._offer(unit.key, now + rest_s, lane)
        if dirty is not None:
            self._offer(unit.key, dirty.due, dirty.lane)

    def _offer(self, key: K, due: float, lane: Lane) -> None:
        box = self._boxes.get(key)
        if box is None:
            box = self._boxes[key] = _Box(State.INITIALIZED)
            self._report(key, None, State.INITIALIZED)
        box.forgotten = False
        due, bulkhead, old = max(due, box.rest_until), self._bulkhead(key), box.pending
        if old is not None:
            due, lane = min(due, old.due), min(lane, old.lane)
            if (due, lane, bulkhead) == (old.due, old.lane, old.bulkhead):
                return
        identity = old.id if old else f"u-{next(self._sequence)}"
        box.pending = _Pending(identity, due, lane, bulkhead)
        if box.running is None:
            heapq.heappush(self._delayed, (due, next(self._sequence), key, box.pending))
            self.notify()

    def _promote(self, now: float) -> None:
        """Move what has come due into the queue of its bulkhead, and drop outdated heads."""
        while self._delayed and self._delayed[0][0] <= now:
            entry = heapq.heappop(self._delayed)
            if self._is_current(entry):
                due, sequence, key, pending = entry
                rank = due + pending.lane * self.pace.head_start_s
                heapq.heappush(self._ready.setdefault(pending.bulkhead, []), (rank, sequence, key, pending))
        for name in list(self._ready):
            self._trim(name)

    def _trim(self, name: str) -> None:
        heap = self._ready[name]
        while heap and not self._is_current(heap[0]):
            heapq.heappop(heap)
        if not heap:
            del self._ready[name]

    def _is_current(self, entry: tuple[float, int, K, _Pending]) -> bool:
        box = self._boxes.get(entry[2])
        return box is not None and box.running is None and box.pending is entry[3]

    def _has_slot(self, bulkhead: str) -> bool:
        return self._busy[bulkhead] < self.pace.per_bulkhead

    def _gap_s(self, failures: int) -> float:
        return min(self.pace.gap_s * 2.0 ** min(failures, 63), max(self.pace.gap_s, self.pace.failing_gap_cap_s))

    def _resync_s(self) -> float:
        return self.pace.resync_s * (1 + self.pace.resync_jitter * (2 * self._random() - 1))

    def _drop(self, key: K, box: _Box[K], unit: str) -> None:
        del self._boxes[key]
        self._report(key, box.state, State.STOPPED, unit=unit)

    def _move(self, key: K, box: _Box[K], state: State, *, unit: str, reason: str = "") -> None:
        if box.state is not state:
            before, box.state = box.state, state
            self._report(key, before, state, unit=unit, reason=reason)

    def _report(self, key: K, before: State | None, after: State, *, unit: str = "", reason: str = "") -> None:
        self._on_transition(Transition(key, before, after, unit, self._clock(), reason))
