"""Long-running processes (links, watches, scans) that are allocated anew under a throttle when they crash."""

import asyncio
import contextlib
import itertools
import logging
import random as _random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from region_operator.errors import RegionOperatorError
from region_operator.supervision.backoff import Backoff, Random
from region_operator.supervision.transitions import OnTransition, State, Transition, log_it

log = logging.getLogger(__name__)


@dataclass
class Process:
    """What a running process may say about itself; given to its factory, one per incarnation.

    Attributes:
        unit: id of this incarnation, part of every transition.
    """

    name: str
    unit: str
    _on_ready: Callable[["Process"], None]
    state: State = State.INITIALIZED

    def ready(self) -> None:
        """Say that synchronising is over and units of work are being taken."""
        if self.state is State.INITIALIZED:
            self._on_ready(self)


Factory = Callable[[Process], Coroutine[Any, Any, None]]


@dataclass
class _Child:
    factory: Factory
    task: "asyncio.Task[None] | None" = None
    process: Process | None = None
    failures: int = 0
    again: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Keeps named processes running; a crash of one delays no other, and when the supervisor ends so do all.

    A supervisor can itself be a process of another: ``spawn(name, lambda process: supervisor.run(process))``.
    A process that returns has finished; one that raises has crashed.

    Args:
        steady_s: failures are forgotten by a process that then ran for so long.
    """

    def __init__(
        self,
        *,
        backoff: Backoff | None = None,
        steady_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Random = _random.random,
        on_transition: OnTransition = log_it,
    ) -> None:
        self._backoff, self._steady_s = backoff or Backoff(), steady_s
        self._clock, self._sleep, self._random, self._on_transition = clock, sleep, random, on_transition
        self._children: dict[str, _Child] = {}
        self._sequence = itertools.count(1)

    def spawn(self, name: str, factory: Factory) -> None:
        """Start the process ``name`` now; an equal name must have been stopped before."""
        if name in self._children:
            raise ValueError(f"process {name} is already supervised")
        child = self._children[name] = _Child(factory)
        child.task = asyncio.create_task(self._keep(name, child), name=name)

    async def stop(self, name: str) -> None:
        """End the process and wait for it; unknown names are fine."""
        child = self._children.pop(name, None)
        if child is None or child.task is None:
            return
        child.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await child.task

    def restart(self, name: str) -> None:
        """Cut a rest short: something changed that may help."""
        if name in self._children:
            self._children[name].again.set()

    def states(self) -> dict[str, State]:
        return {
            name: child.process.state if child.process else State.INITIALIZED for name, child in self._children.items()
        }

    async def run(self, process: Process | None = None) -> None:
        """Supervise until cancelled, then take the children along."""
        try:
            if process is not None:
                process.ready()
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def close(self) -> None:
        await asyncio.gather(*(self.stop(name) for name in list(self._children)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _keep(self, name: str, child: _Child) -> None:
        try:
            while not await self._incarnation(name, child):
                await self._rest(child)
        finally:
            if child.process:
                self._move(child.process, State.STOPPED)
            if self._children.get(name) is child:
                del self._children[name]

    async def _incarnation(self, name: str, child: _Child) -> bool:
        """Run the process once; true when it finished of its own accord."""
        process = child.process = Process(name, f"{name}-{next(self._sequence)}", self._on_ready)
        self._on_transition(Transition(name, None, State.INITIALIZED, process.unit, self._clock()))
        started = self._clock()
        child.again.clear()
        try:
            await child.factory(process)
        except Exception as error:
            if self._clock() - started >= self._steady_s:
                child.failures = 0
            child.failures += 1
            expected = isinstance(error, RegionOperatorError)
            # What was to be expected is worth a warning once; a peer that stays away would fill the log.
            level = logging.WARNING if child.failures == 1 or not expected else logging.DEBUG
            log.log(level, "process %s crashed: %s", name, error, exc_info=not expected, extra={"unit": process.unit})
            self._move(process, State.CRASHED, getattr(error, "reason", type(error).__name__))
            return False
        return True

    async def _rest(self, child: _Child) -> None:
        """Wait out the throttle, or until ``restart``."""
        rest = asyncio.ensure_future(self._sleep(self._backoff.rest_s(child.failures, self._random)))
        again = asyncio.ensure_future(child.again.wait())
        try:
            await asyncio.wait({rest, again}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()
            again.cancel()

    def _on_ready(self, process: Process) -> None:
        self._move(process, State.READY)

    def _move(self, process: Process, after: State, reason: str = "") -> None:
        before, process.state = process.state, after
        self._on_transition(Transition(process.name, before, after, process.unit, self._clock(), reason))
