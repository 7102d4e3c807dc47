import itertools

import pytest

from region_operator.supervision import After, Backoff, Done, Failed, Key, Lane, Mailboxes, Pace, State, Transition
from unit.supervision.fake_time import FakeTime

pytestmark = pytest.mark.rule("OPERATOR 15")

EU = Key("Region", "eu", "west")
US = Key("Region", "us", "east")


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def events() -> list[Transition]:
    return []


@pytest.fixture
def mailboxes(time: FakeTime, events: list[Transition]) -> Mailboxes[Key]:
    return Mailboxes(bulkhead=lambda key: key.namespace, clock=time, random=lambda: 0.5, on_transition=events.append)


def passes_until(mailboxes: Mailboxes[Key], time: FakeTime, seconds: float, result=None) -> list[float]:
    """Work everything off as it comes due; when each pass started."""
    start, end, times = time.now, time.now + seconds, []
    while time.now <= end:
        while unit := mailboxes.take():
            times.append(time.now - start)
            mailboxes.done(unit, result or Failed("Broken"))
        due = mailboxes.next_due()
        if due is None or due > end:
            break
        time.now = max(time.now, due)
    return times


def test_pending_work_of_a_key_coalesces(mailboxes):
    for _ in range(5):
        mailboxes.add(EU)
    assert mailboxes.take().key == EU
    assert mailboxes.take() is None


def test_a_key_is_never_worked_on_twice_at_once_but_once_more_when_it_changed_meanwhile(mailboxes, time):
    mailboxes.add(EU)
    unit = mailboxes.take()
    mailboxes.add(EU)
    mailboxes.add(EU)
    time.pass_by(5)
    assert mailboxes.take() is None
    mailboxes.done(unit, Done())
    time.pass_by(0.2)
    again = mailboxes.take()
    assert again.key == EU
    mailboxes.done(again, Done())
    time.pass_by(100)
    assert mailboxes.take() is None


def test_passes_of_a_key_are_at_least_200_ms_apart(mailboxes, time):
    mailboxes.add(EU)
    mailboxes.done(mailboxes.take(), Done())
    mailboxes.add(EU)
    assert mailboxes.take() is None
    time.pass_by(0.19)
    assert mailboxes.take() is None
    time.pass_by(0.02)
    assert mailboxes.take().key == EU


def test_add_after_keeps_the_earliest(mailboxes, time):
    mailboxes.add_after(EU, 10)
    mailboxes.add_after(EU, 50)
    mailboxes.add_after(EU, 20)
    assert mailboxes.next_due() == time.now + 10


def test_a_failing_key_rests_longer_and_longer_up_to_five_minutes(mailboxes, time):
    mailboxes.add(EU)
    times = passes_until(mailboxes, time, 1500)
    rests = [later - earlier for earlier, later in itertools.pairwise(times)]
    # full jitter with a random number of 0.5: half of 1, 2, 4 ... 300; never under the gap of a failing key
    assert rests[:9] == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 64, 128], rel=0.7)
    assert rests[9:] == pytest.approx([150] * len(rests[9:]))
    assert len(rests) > 10


def test_rests_are_spread_by_full_jitter():
    backoff = Backoff(base_s=1, cap_s=300)
    assert backoff.rest_s(5, lambda: 0.0) == 0
    assert backoff.rest_s(5, lambda: 0.999) == pytest.approx(16, rel=0.01)
    assert backoff.ceiling_s(10_000) == 300


def test_success_forgets_the_failures(mailboxes, time):
    mailboxes.add(EU)
    passes_until(mailboxes, time, 200)
    mailboxes.add(EU)
    time.pass_by(10)
    unit = mailboxes.take()
    assert unit.failures > 3
    mailboxes.done(unit, Done())
    mailboxes.add(EU)
    time.pass_by(1)
    unit = mailboxes.take()
    assert unit.failures == 0
    mailboxes.done(unit, Failed("Broken"))
    assert mailboxes.next_due() - time.now == pytest.approx(0.5)


def test_an_event_runs_a_resting_key_once_and_does_not_reset_its_failures(mailboxes, time):
    mailboxes.add(EU)
    passes_until(mailboxes, time, 120)
    rest_before = mailboxes.next_due() - time.now
    time.pass_by(11)
    assert mailboxes.take() is None
    mailboxes.add(EU)
    unit = mailboxes.take()
    assert unit.failures >= 6
    mailboxes.done(unit, Failed("Broken"))
    assert mailboxes.next_due() - time.now > rest_before / 2


def test_a_storm_of_events_does_not_spin_a_failing_key(mailboxes, time):
    mailboxes.add(EU)
    passes = 0
    for _ in range(6000):  # ten minutes of ten events a second
        mailboxes.add(EU)
        if unit := mailboxes.take():
            passes += 1
            mailboxes.done(unit, Failed("Broken"))
        time.pass_by(0.1)
    assert passes < 80


def test_a_key_comes_back_for_resync_between_240_and_360_seconds(time):
    for number, expected in ((0.0, 240), (0.5, 300), (1.0, 360)):
        mailboxes = Mailboxes(clock=time, random=lambda number=number: number)
        mailboxes.add(EU)
        mailboxes.done(mailboxes.take(), Done())
        assert mailboxes.next_due() - time.now == pytest.approx(expected)


def test_after_comes_back_when_asked_but_never_later_than_the_resync(mailboxes, time):
    mailboxes.add(EU)
    mailboxes.done(mailboxes.take(), After(7))
    assert mailboxes.next_due() == time.now + 7
    time.pass_by(7)
    mailboxes.done(mailboxes.take(), After(1e9))
    assert mailboxes.next_due() == time.now + 300


def test_keys_found_at_the_start_are_spread_over_a_minute(time):
    numbers = iter([0.1, 0.9])
    mailboxes = Mailboxes(clock=time, random=lambda: next(numbers))
    mailboxes.seed(EU)
    mailboxes.seed(US)
    time.pass_by(6)
    assert mailboxes.take().key == EU
    assert mailboxes.take() is None
    time.pass_by(48)
    assert mailboxes.take().key == US


def test_a_change_goes_before_the_resyncs_that_wait(mailboxes, time):
    for number in range(3):
        mailboxes.add(Key("Region", "eu", f"r{number}"), lane=Lane.RESYNC)
    time.pass_by(1)
    mailboxes.add(US)
    assert mailboxes.take().key == US


def test_a_resync_is_not_starved_by_a_stream_of_changes(time):
    mailboxes = Mailboxes(pace=Pace(workers=1), clock=time)
    mailboxes.add(EU, lane=Lane.RESYNC)
    for number in range(100):
        mailboxes.add(Key("Region", "eu", f"change-{number}"))
        unit = mailboxes.take()
        time.pass_by(1)
        mailboxes.done(unit, Done())
        if unit.key == EU:
            break
    assert 25 <= number <= 35


def test_a_resync_that_becomes_a_change_moves_up(mailboxes):
    first, second = Key("Region", "eu", "first"), Key("Region", "eu", "second")
    mailboxes.add(first, lane=Lane.RESYNC)
    mailboxes.add(second, lane=Lane.RESYNC)
    mailboxes.add(second)
    assert [mailboxes.take().key, mailboxes.take().key] == [second, first]
    assert mailboxes.take() is None


def test_a_cluster_takes_at_most_four_workers_and_delays_no_other(mailboxes):
    for number in range(20):
        mailboxes.add(Key("Region", "slow", f"r{number}"))
    mailboxes.add(US)
    taken = [mailboxes.take() for _ in range(5)]
    assert [unit.key.namespace for unit in taken] == ["slow"] * 4 + ["us"]
    assert mailboxes.take() is None
    mailboxes.done(taken[0], Done())
    assert mailboxes.take().key.namespace == "slow"


def test_sixteen_passes_run_at_once(mailboxes):
    for number in range(40):
        mailboxes.add(Key("Region", f"cluster-{number % 10}", f"r{number}"))
    assert sum(mailboxes.take() is not None for _ in range(40)) == 16


def test_a_key_whose_cluster_was_swapped_does_not_wait_behind_the_old_one(time):
    cluster = {}
    mailboxes = Mailboxes(bulkhead=lambda key: cluster.get(key, "black-hole"), clock=time)
    for number in range(6):
        mailboxes.add(Key("Region", "eu", f"r{number}"))
    while mailboxes.take():
        pass
    waiting = Key("Region", "eu", "r5")
    cluster[waiting] = "reachable"
    mailboxes.add(waiting)
    assert mailboxes.take().key == waiting


def test_liveness_counts_keys_that_no_worker_takes_but_not_those_behind_their_own_cluster(mailboxes, time):
    for number in range(6):
        mailboxes.add(Key("Region", "slow", f"r{number}"))
    while mailboxes.take():
        pass
    time.pass_by(500)
    assert mailboxes.oldest_ready_s() == 0
    mailboxes.add(US)
    time.pass_by(121)
    assert mailboxes.oldest_ready_s() == 121
    assert mailboxes.depth() == {"slow": 2, "us": 1}


def test_a_forgotten_key_is_gone_and_a_key_forgotten_in_its_pass_is_gone_after_it(mailboxes, time):
    mailboxes.add(EU)
    mailboxes.forget(EU)
    assert mailboxes.take() is None
    mailboxes.add(US)
    unit = mailboxes.take()
    mailboxes.forget(US)
    mailboxes.done(unit, Done())
    assert len(mailboxes) == 0
    assert mailboxes.next_due() is None


def test_a_key_that_is_made_anew_while_it_is_being_forgotten_stays(mailboxes, time):
    mailboxes.add(EU)
    unit = mailboxes.take()
    mailboxes.forget(EU)
    mailboxes.add(EU)
    mailboxes.done(unit, Done())
    time.pass_by(1)
    assert mailboxes.take().key == EU


def test_a_unit_is_given_back_once(mailboxes):
    mailboxes.add(EU)
    unit = mailboxes.take()
    mailboxes.done(unit, Done())
    with pytest.raises(ValueError, match="not running"):
        mailboxes.done(unit, Done())


@pytest.mark.rule("DESIGN 2")
def test_every_transition_names_the_unit_of_work(mailboxes, time, events):
    mailboxes.add(EU)
    first = mailboxes.take()
    mailboxes.done(first, Failed("Broken"))
    time.pass_by(10)
    second = mailboxes.take()
    mailboxes.done(second, Done())
    mailboxes.forget(EU)
    assert [(event.before, event.after, event.unit, event.reason) for event in events] == [
        (None, State.INITIALIZED, "", ""),
        (State.INITIALIZED, State.CRASHED, first.id, "Broken"),
        (State.CRASHED, State.INITIALIZED, second.id, ""),
        (State.INITIALIZED, State.READY, second.id, ""),
        (State.READY, State.STOPPED, "", ""),
    ]
    assert first.id != second.id
