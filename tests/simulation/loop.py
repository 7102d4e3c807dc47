"""An event loop without time: it jumps to the next thing that happens, and chance decides how long each thing takes.

asyncio runs what is ready in a fixed order, so a run is decided by how long messages and database calls take, and all
of that is drawn from one seed. Nothing here waits, opens a socket or starts a thread.
"""

import asyncio
import contextvars
import random
from collections.abc import Callable
from typing import Any

LONGEST_CALL_S = 0.03
SLOW_CALL_S = 2.0
SLOW_CALLS = 0.02


class Stuck(Exception):
    """Nothing is ready and nothing is planned: somebody waits for what never comes."""


class Killed(Exception):
    """A process ends in the middle of a database call; raised by whoever plays the crash."""


class Life:
    """One run of a program: after its end none of its calls is carried out any more.

    Attributes:
        on_end: stops the tasks of the program.
    """

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        self.is_over = False
        self.on_end = on_end

    def end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.on_end()


LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)
"""Whose task is running; tasks inherit it from who made them."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Virtual time; work for threads is done by the loop itself, after a while.

    Attributes:
        steps: how many calls of threads were carried out so far.
        on_step: called before each, with its number.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._now_s = 0.0
        self._clock_resolution = 1e-6
        self._selector = self
        self._chance = chance
        self.steps = 0
        self.on_step: Callable[[int], None] = lambda _number: None

    def time(self) -> float:
        return self._now_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *arguments: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Carry the call out at a later moment, and tell of it at a still later one, as threads do."""
        told: asyncio.Future[Any] = self.create_future()
        life = LIFE.get()

        def carry_out() -> None:
            self.steps += 1
            self.on_step(self.steps)
            if life is not None and life.is_over:
                return
            try:
                result, error = func(*arguments), None
            except Killed:
                if life is not None:
                    life.end()
                return
            except Exception as raised:
                result, error = None, raised
            self.call_later(self._chance.random() * LONGEST_CALL_S, tell, result, error)

        def tell(result: Any, error: Exception | None) -> None:
            if told.done():
                return
            if error is None:
                told.set_result(result)
            else:
                told.set_exception(error)

        is_slow = self._chance.random() < SLOW_CALLS
        self.call_later(self._chance.random() * (SLOW_CALL_S if is_slow else LONGEST_CALL_S), carry_out)
        return told

    # What asyncio asks of a selector and of a loop over one

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self._now_s += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...
