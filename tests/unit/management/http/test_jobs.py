"""The loop that does asynchronous jobs, on a database that has none; what jobs do is shown on a real one."""

import asyncio
from typing import Any, cast

import pytest

from region_operator.management.commands.call import Services
from region_operator.management.http.jobs import JobRunner
from region_operator.management.http.measurements import Measurements
from region_operator.management.store.connection import Database


class NoJobs:
    """A database in which there is nothing to do; says when it was asked."""

    def __init__(self) -> None:
        self.looks = asyncio.Event()

    async def run(self, _work: object) -> list[Any]:
        self.looks.set()
        return []


@pytest.mark.parametrize("steps", range(6))
async def test_a_runner_that_is_stopped_as_a_job_arrives_stops(steps: int) -> None:
    """Whatever the loop had come to do with the news; a cancellation that is forgotten here makes the stop hang."""
    database = NoJobs()
    runner = JobRunner(cast(Database, database), cast(Services, None), cast(Measurements, None))
    task = asyncio.create_task(runner.run())
    await database.looks.wait()
    for _ in range(10):  # until it waits
        await asyncio.sleep(0)
    runner.wake()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10)
    task.cancel()  # a runner that went on is not left behind
    assert done
