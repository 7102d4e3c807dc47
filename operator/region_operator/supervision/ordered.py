"""Mailboxes that keep the order: commands on one resource run one after the other, as they came."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from region_operator.errors import RegionOperatorError, Unavailable
from region_operator.supervision.transitions import OnTransition, State, Transition, ignore
from region_operator.supervision.units import K

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _Command:
    id: str
    work: Callable[[], Awaitable[Any]]
    answer: "asyncio.Future[Any]"


@dataclass
class _Process:
    waiting: deque[_Command] = field(default_factory=deque)
    state: State | None = None
    task: "asyncio.Task[None] | None" = None


class OrderedMailboxes(Generic[K]):
    """One process per key that has work; it ends when its mailbox is empty.

    A command that raises ``RegionOperatorError`` was answered; the next one runs. Anything else is a crash: the
    commands behind it are answered ``Unavailable``, because they were given believing in a state that never came to be.

    Args:
        concurrency: commands that run at once, over all keys.
        depth: commands that may wait on one key.
    """

    def __init__(
        self,
        *,
        concurrency: int = 16,
        depth: int = 64,
        clock: Callable[[], float] = time.monotonic,
        on_transition: OnTransition = ignore,
        run_id: str = "c",
    ) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._depth, self._clock, self._on_transition, self._run_id = depth, clock, on_transition, run_id
        self._processes: dict[K, _Process] = {}
        self._sequence = itertools.count(1)
        self._closed = False

    async def run(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        """Run ``work`` after everything given for ``key`` before it, and return its result.

        A caller that goes away takes its command along while it waits; a command that runs is finished.
        """
        process = self._processes.setdefault(key, _Process())
        if self._closed or len(process.waiting) >= self._depth:
            reason = "ShuttingDown" if self._closed else "MailboxFull"
            raise Unavailable(reason=reason, message=f"no more commands are taken for {key}")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        process.waiting.append(_Command(f"{self._run_id}-{next(self._sequence)}", work, answer))
        if process.task is None:
            self._move(key, process, State.INITIALIZED, unit=process.waiting[0].id)
            process.task = asyncio.create_task(self._serve(key, process))
        return await answer

    async def close(self) -> None:
        """Take nothing more and finish what was taken."""
        self._closed = True
        tasks = [process.task for process in self._processes.values() if process.task]
        await asyncio.gather(*tasks, return_exceptions=True)

    def depth(self) -> int:
        return sum(len(process.waiting) for process in self._processes.values())

    async def _serve(self, key: K, process: _Process) -> None:
        unit = ""
        try:
            while process.waiting:
                async with self._slots:
                    command = process.waiting.popleft()
                    unit = command.id
                    if not command.answer.cancelled():
                        await self._execute(key, process, command)
        finally:
            self._discard(process, key)
            del self._processes[key]
            self._move(key, process, State.STOPPED, unit=unit)

    async def _execute(self, key: K, process: _Process, command: _Command) -> None:
        if process.state is not State.READY:
            self._move(key, process, State.READY, unit=command.id)
        try:
            result = await command.work()
        except RegionOperatorError as error:
            _answer(command, error)
        except Exception as error:
            self._move(key, process, State.CRASHED, unit=command.id, reason=type(error).__name__)
            self._discard(process, key)
            _answer(command, error)
        except BaseException:
            _answer(command, Unavailable(reason="ShuttingDown", message=f"the command on {key} was cut short"))
            raise
        else:
            if not command.answer.done():
                command.answer.set_result(result)

    def _discard(self, process: _Process, key: K) -> None:
        while process.waiting:
            _answer(
                process.waiting.popleft(),
                Unavailable(reason="MailboxDiscarded", message=f"an earlier command on {key} crashed"),
            )

    def _move(self, key: K, process: _Process, after: State, *, unit: str, reason: str = "") -> None:
        before, process.state = process.state, after
        self._on_transition(Transition(key, before, after, unit, self._clock(), reason))


def _answer(command: _Command, error: Exception) -> None:
    if not command.answer.done():
        command.answer.set_exception(error)
