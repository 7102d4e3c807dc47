import asyncio

import pytest

from region_operator.supervision import State, Supervisor
from unit.supervision.fake_time import FakeTime

pytestmark = pytest.mark.rule("DESIGN 2")


class Bench:
    def __init__(self, **options) -> None:
        self.time, self.events = FakeTime(), []
        self.supervisor = Supervisor(
            clock=self.time, sleep=self.time.sleep, random=lambda: 0.5, on_transition=self.events.append, **options
        )

    def steps(self, name):
        return [event.after for event in self.events if event.subject == name]


async def let_run(rounds=20):
    for _ in range(rounds):
        await asyncio.sleep(0)


async def for_ever(process):
    process.ready()
    await asyncio.Event().wait()


async def test_a_crashed_process_is_allocated_anew_under_a_throttle():
    bench, tries = Bench(), []

    async def link(process):
        tries.append(process.unit)
        if len(tries) <= 10:
            raise ConnectionError
        await for_ever(process)

    async with bench.supervisor as supervisor:
        supervisor.spawn("link", link)
        await let_run(100)
        assert supervisor.states() == {"link": State.READY}
    assert bench.time.slept == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 150]
    assert len(set(tries)) == 11
    assert bench.steps("link")[:4] == [State.INITIALIZED, State.CRASHED, State.INITIALIZED, State.CRASHED]
    assert bench.steps("link")[-3:] == [State.INITIALIZED, State.READY, State.STOPPED]


async def test_a_process_that_ran_steadily_starts_its_throttle_anew():
    bench, tries = Bench(steady_s=60), []

    async def link(process):
        tries.append(process)
        if len(tries) == 5:
            bench.time.pass_by(61)
        if len(tries) > 6:
            await for_ever(process)
        raise ConnectionError

    async with bench.supervisor as supervisor:
        supervisor.spawn("link", link)
        await let_run(100)
    assert bench.time.slept == [0.5, 1, 2, 4, 0.5, 1]


async def test_the_crash_of_one_process_does_not_touch_another():
    bench = Bench()

    async def broken(process):
        raise ConnectionError

    async with bench.supervisor as supervisor:
        supervisor.spawn("steady", for_ever)
        supervisor.spawn("broken", broken)
        await let_run(50)
        assert supervisor.states()["steady"] is State.READY
    assert bench.steps("steady") == [State.INITIALIZED, State.READY, State.STOPPED]


async def test_a_process_that_returns_has_finished():
    bench, runs = Bench(), []

    async def scan(process):
        runs.append(process)

    async with bench.supervisor as supervisor:
        supervisor.spawn("scan", scan)
        await let_run()
        assert supervisor.states() == {}
        supervisor.spawn("scan", scan)
        await let_run()
    assert len(runs) == 2
    assert bench.steps("scan") == [State.INITIALIZED, State.STOPPED] * 2


async def test_a_supervisor_that_ends_takes_its_children_with_it():
    outer, inner = Bench(), Bench()
    outer.supervisor.spawn("partition", inner.supervisor.run)
    inner.supervisor.spawn("link", for_ever)
    await let_run()
    await outer.supervisor.stop("partition")
    assert inner.steps("link")[-1] is State.STOPPED
    assert inner.supervisor.states() == {}
    assert outer.steps("partition")[-1] is State.STOPPED


async def test_a_stopped_process_has_cleaned_up_when_stop_returns():
    bench, cleaned = Bench(), []

    async def link(process):
        try:
            await for_ever(process)
        finally:
            await asyncio.sleep(0)
            cleaned.append(process.name)

    bench.supervisor.spawn("link", link)
    await let_run()
    await bench.supervisor.stop("link")
    await bench.supervisor.stop("link")
    assert cleaned == ["link"]


async def test_a_name_is_supervised_once():
    bench = Bench()
    async with bench.supervisor as supervisor:
        supervisor.spawn("link", for_ever)
        with pytest.raises(ValueError, match="already"):
            supervisor.spawn("link", for_ever)


async def test_a_rest_can_be_cut_short():
    events, tries, rest = [], [], asyncio.Event()

    async def rest_for_ever(seconds):
        await rest.wait()

    async def link(process):
        tries.append(process)
        if len(tries) == 1:
            raise ConnectionError
        await for_ever(process)

    async with Supervisor(sleep=rest_for_ever, on_transition=events.append) as supervisor:
        supervisor.spawn("link", link)
        await let_run()
        assert supervisor.states() == {"link": State.CRASHED}
        supervisor.restart("link")
        await let_run()
        assert supervisor.states() == {"link": State.READY}
