"""Whatever order events, passes and time come in."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from region_operator.supervision import After, Done, Failed, Key, Lane, Mailboxes, Pace
from unit.supervision.fake_time import FakeTime

KEYS = [Key("Region", cluster, name) for cluster in ("eu", "us") for name in ("a", "b", "c")]
PACE = Pace(workers=3, per_bulkhead=2)

keys = st.sampled_from(KEYS)
lanes = st.sampled_from(Lane)
results = st.one_of(st.just(Done()), st.floats(0, 400).map(After), st.sampled_from(["A", "B"]).map(Failed))


class Reconciles(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.time = FakeTime()
        self.mailboxes = Mailboxes(bulkhead=lambda key: key.namespace, pace=PACE, clock=self.time, random=self.number)
        self.jitter = 0.5
        self.running = {}
        self.wanted = {}  # since when somebody wants each key to be looked at, and no pass has started since
        self.ended = {}
        self.failures = dict.fromkeys(KEYS, 0)

    def number(self) -> float:
        return self.jitter

    @rule(jitter=st.floats(0, 1, exclude_max=True))
    def roll(self, jitter):
        self.jitter = jitter

    @rule(key=keys, lane=lanes)
    def add(self, key, lane):
        self.mailboxes.add(key, lane=lane)
        self.wanted.setdefault(key, self.time.now)

    @rule(key=keys, seconds=st.floats(0, 500), lane=lanes)
    def add_after(self, key, seconds, lane):
        self.mailboxes.add_after(key, seconds, lane=lane)

    @rule(key=keys)
    def forget(self, key):
        self.mailboxes.forget(key)
        self.wanted.pop(key, None)
        if key not in self.running:
            self.ended.pop(key, None)
            self.failures[key] = 0

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 10.0, 100.0, 400.0]))
    def pass_time(self, seconds):
        self.time.pass_by(seconds)

    @rule()
    def take(self):
        unit = self.mailboxes.take()
        if unit is None:
            self.nobody_was_left_out()
            return
        assert unit.key not in self.running, "two workers on a key"
        assert self.time.now >= self.ended.get(unit.key, 0) + PACE.gap_s - 1e-6, "too soon after the last pass"
        assert unit.failures == self.failures[unit.key]
        self.running[unit.key] = unit
        self.wanted.pop(unit.key, None)

    def nobody_was_left_out(self):
        """Nothing may start, so whoever is wanted waits for a reason that will pass."""
        busy = {cluster: sum(key.namespace == cluster for key in self.running) for cluster in ("eu", "us")}
        for key in self.wanted:
            gap_s = min(PACE.gap_s * 2 ** self.failures[key], PACE.failing_gap_cap_s)
            resting = self.time.now < self.ended.get(key, 0) + gap_s
            full = len(self.running) >= PACE.workers or busy[key.namespace] >= PACE.per_bulkhead
            assert key in self.running or full or resting, f"{key} was left out"

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, PACE.workers - 1), result=results)
    def done(self, number, result):
        key = sorted(self.running)[number % len(self.running)]
        self.mailboxes.done(self.running.pop(key), result)
        if key in self.mailboxes:
            self.ended[key] = self.time.now
            self.failures[key] = self.failures[key] + 1 if isinstance(result, Failed) else 0
            assert key in self.wanted or self.comes_back_in_time(), "nobody will look at it again"
        else:
            self.ended.pop(key, None)
            self.failures[key] = 0

    def comes_back_in_time(self):
        due = self.mailboxes.next_due()
        return due is not None and due <= self.time.now + PACE.resync_s * (1 + PACE.resync_jitter)

    @invariant()
    def limits_hold(self):
        assert self.mailboxes.running() == len(self.running) <= PACE.workers
        for cluster in ("eu", "us"):
            assert sum(key.namespace == cluster for key in self.running) <= PACE.per_bulkhead

    @invariant()
    def no_wish_is_lost(self):
        assert all(key in self.mailboxes for key in self.wanted)


Reconciles.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestReconciles = pytest.mark.rule("OPERATOR 15")(Reconciles.TestCase)
