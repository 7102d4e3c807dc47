"""Runs the passes that the mailboxes allow: the only part of a reconcile loop that knows an event loop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic

from region_operator.errors import RegionOperatorError
from region_operator.supervision.mailboxes import Mailboxes
from region_operator.supervision.results import Failed, Result
from region_operator.supervision.transitions import ignore
from region_operator.supervision.units import K, Unit

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pass(Generic[K]):
    """What happened, for metrics."""

    unit: Unit[K]
    result: Result
    seconds: float


class Workers(Generic[K]):
    """Calls ``handler`` for each unit that may start, until told to stop.

    Args:
        deadline_s: a pass that takes longer is cancelled and counts as failed.
    """

    def __init__(
        self,
        mailboxes: Mailboxes[K],
        handler: Callable[[Unit[K]], Awaitable[Result]],
        *,
        deadline_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        on_pass: Callable[[Pass[K]], None] = ignore,
    ) -> None:
        self._mailboxes, self._handler, self._deadline_s = mailboxes, handler, deadline_s
        self._clock, self._on_pass = clock, on_pass
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        mailboxes.notify = self._wake.set

    async def run(self) -> None:
        """Start passes as they come due; returns after ``drain``. When cancelled, the passes are cancelled too."""
        try:
            while not self._stopping:
                self._wake.clear()
                while (unit := self._mailboxes.take()) is not None:
                    task = asyncio.create_task(self._pass(unit), name=f"{unit.key} {unit.id}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                await self._until_something_is_due()
        except asyncio.CancelledError:
            await self.drain(0)
            raise

    async def drain(self, timeout_s: float = 20.0) -> None:
        """Start nothing more, let the running passes finish for at most ``timeout_s``, then cancel them."""
        self._stopping = True
        self._wake.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _until_something_is_due(self) -> None:
        due = self._mailboxes.next_due()
        wait_s = None if due is None else max(0.0, due - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):  # not wait_for: in Python 3.11 it can swallow a cancellation
                await self._wake.wait()

    async def _pass(self, unit: Unit[K]) -> None:
        started = self._clock()
        result: Result = Failed("Cancelled")
        try:
            result = await self._outcome(unit)
        finally:
            self._mailboxes.done(unit, result)
            self._on_pass(Pass(unit, result, self._clock() - started))

    async def _outcome(self, unit: Unit[K]) -> Result:
        """The handler's result; whatever it raises is a failure of this key alone."""
        deadline = asyncio.timeout(self._deadline_s)
        try:
            async with deadline:
                return await self._handler(unit)
        except RegionOperatorError as error:
            log.warning("pass failed: %s", error, extra={"key": str(unit.key), "unit": unit.id})
            return Failed(getattr(error, "reason", type(error).__name__), str(error))
        except Exception as error:
            if deadline.expired():
                log.warning("pass exceeded its deadline", extra={"key": str(unit.key), "unit": unit.id})
                return Failed("PassDeadline", f"not finished within {self._deadline_s:g} s")
            log.exception("defect in a pass", extra={"key": str(unit.key), "unit": unit.id})
            return Failed(type(error).__name__, str(error))
