import asyncio
import contextlib

import pytest

from region_operator.errors import Unavailable
from region_operator.supervision import Backoff, Done, Failed, Mailboxes, Pace, Workers

pytestmark = pytest.mark.rule("OPERATOR 15")


class Bench:
    """Workers over string keys (``cluster/name``), with whatever handler a test gives."""

    def __init__(self, handler, **options) -> None:
        pace = Pace(gap_s=0, backoff=Backoff(base_s=0), failing_gap_cap_s=0)
        self.mailboxes = Mailboxes(bulkhead=lambda key: key.partition("/")[0], pace=pace)
        self.passes = []
        self.workers = Workers(self.mailboxes, handler, on_pass=self.passes.append, **options)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.workers.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)


async def test_an_added_key_is_worked_on_at_once():
    async def handler(unit):
        return Done()

    async with Bench(handler) as bench:
        await asyncio.sleep(0)
        bench.mailboxes.add("eu/a")
        await bench.until(lambda: bench.passes)
    assert (bench.passes[0].unit.key, bench.passes[0].result) == ("eu/a", Done())


async def test_a_defect_of_one_key_is_its_own_failure_and_is_tried_again(caplog):
    async def handler(unit):
        if unit.key == "eu/bad" and unit.failures < 2:
            raise KeyError("surprise")
        return Done()

    async with Bench(handler) as bench:
        bench.mailboxes.add("eu/bad")
        bench.mailboxes.add("eu/good")
        await bench.until(lambda: len(bench.passes) == 4)
    results = [entry.result for entry in bench.passes if entry.unit.key == "eu/bad"]
    assert results == [Failed("KeyError", "'surprise'"), Failed("KeyError", "'surprise'"), Done()]
    assert "defect in a pass" in caplog.text


async def test_what_does_not_answer_fails_with_its_reason_and_without_a_traceback(caplog):
    async def handler(unit):
        if unit.failures:
            return Done()
        raise Unavailable(reason="ProbeTimeout", message="no answer in time")

    async with Bench(handler) as bench:
        bench.mailboxes.add("eu/a")
        await bench.until(lambda: len(bench.passes) == 2)
    assert bench.passes[0].result == Failed("ProbeTimeout", "no answer in time")
    assert "Traceback" not in caplog.text


async def test_a_pass_beyond_its_deadline_is_cut_off_and_counts_as_failed():
    async def handler(unit):
        if not unit.failures:
            await asyncio.Event().wait()
        return Done()

    async with Bench(handler, deadline_s=0.01) as bench:
        bench.mailboxes.add("eu/a")
        await bench.until(lambda: len(bench.passes) == 2)
    assert next(entry.result for entry in bench.passes).reason == "PassDeadline"


async def test_a_black_hole_holds_its_own_four_workers_and_no_other():
    never = asyncio.Event()

    async def handler(unit):
        if unit.key.startswith("hole/"):
            await never.wait()
        return Done()

    async with Bench(handler) as bench:
        for number in range(50):
            bench.mailboxes.add(f"hole/{number}")
        for number in range(50):
            bench.mailboxes.add(f"eu/{number}")
        await bench.until(lambda: len(bench.passes) == 50)
        assert bench.mailboxes.running() == 4


async def test_draining_starts_nothing_new_and_lets_running_passes_finish():
    finish, ended = asyncio.Event(), []

    async def handler(unit):
        await finish.wait()
        ended.append(unit.key)
        return Done()

    async with Bench(handler) as bench:
        bench.mailboxes.add("eu/a")
        await bench.until(lambda: bench.mailboxes.running() == 1)
        drained = asyncio.create_task(bench.workers.drain(5))
        await asyncio.sleep(0)
        bench.mailboxes.add("eu/b")
        finish.set()
        await drained
        await bench.task
    assert ended == ["eu/a"]


async def test_a_drain_cuts_off_what_does_not_finish():
    async def handler(unit):
        await asyncio.Event().wait()
        return Done()

    async with Bench(handler) as bench:
        bench.mailboxes.add("eu/a")
        await bench.until(lambda: bench.mailboxes.running() == 1)
        await bench.workers.drain(0.01)
        assert bench.mailboxes.running() == 0
    assert bench.passes[0].result == Failed("Cancelled")
