"""Runs asynchronous jobs, this replica's and those that a replica which died has left behind."""

import asyncio
import contextlib
import logging
from functools import partial
from typing import Final

from region_operator.errors import Conflict, Unavailable
from region_operator.management.commands.call import Services
from region_operator.management.commands.jobs import run_job
from region_operator.management.http.measurements import Measurements
from region_operator.management.store import jobs
from region_operator.management.store.connection import Database

log = logging.getLogger(__name__)

_LOOK_AGAIN_S: Final = 3.0
_BATCH: Final = 20
_CLEAN_EVERY: Final = 1000  # looks, so about once an hour


class JobRunner:
    """One task per replica; replicas share the work by locks on the jobs' rows."""

    def __init__(self, database: Database, services: Services, measurements: Measurements) -> None:
        self._database, self._services, self._measurements = database, services, measurements
        self._asked = asyncio.Event()

    def wake(self) -> None:
        """There is a new job."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled; a database that does not answer is asked again later."""
        looks = 0
        while True:
            self._asked.clear()
            done = 0
            try:
                done = await self.run_pending()
                if looks % _CLEAN_EVERY == 0:
                    await self._database.run(jobs.forget_old)
            except (Unavailable, Conflict) as error:
                log.warning("jobs wait for the database: %s", error)
            except Exception:
                log.exception("looking for jobs failed by a defect")
            looks += 1
            if not done:
                await self._wait_to_be_asked()

    async def _wait_to_be_asked(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S):  # wait_for of Python 3.11 forgets a cancellation at that moment
                await self._asked.wait()

    async def run_pending(self) -> int:
        """Do the jobs that can be done now; returns how many were."""
        done = 0
        for job_id in await self._database.run(partial(jobs.runnable, limit=_BATCH)):
            job = await self._database.run(partial(run_job, job_id=job_id, services=self._services))
            if job is not None:
                done += 1
                self._measurements.record_job(failed=job.status == jobs.FAILED)
                log.info("job", extra={"job": job.uuid, "command": job.command, "failed": job.status == jobs.FAILED})
        return done
