"""Stops asking who does not answer: after some timeouts in a row only a probe goes through now and then."""

import time
from collections.abc import Callable
from typing import Final

TIMEOUTS: Final = 3
PROBE_EVERY_S: Final = 30.0


class Breaker:
    """Guards calls to one outside system.

    The caller asks ``allows()`` before a call, then reports ``answered()`` (any answer, also a refusal) or
    ``timed_out()``.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._timeouts = 0
        self._next_probe = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether calls are being refused."""
        return self._timeouts >= TIMEOUTS

    def allows(self) -> bool:
        """Whether a call may go out now; while open, one in each interval (that one is the probe)."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._next_probe = now + PROBE_EVERY_S
        return True

    def answered(self) -> None:
        self._timeouts = 0

    def timed_out(self) -> None:
        was_open = self.is_open
        self._timeouts += 1
        if self.is_open and not was_open:
            self._next_probe = self._clock() + PROBE_EVERY_S
