"""How long to rest after a failure: exponential with a cap and full jitter, so that many never return in step."""

from collections.abc import Callable
from dataclasses import dataclass

Random = Callable[[], float]
"""Uniform in [0, 1), as ``random.random``."""


@dataclass(frozen=True)
class Backoff:
    base_s: float = 1.0
    cap_s: float = 300.0

    def ceiling_s(self, failures: int) -> float:
        """Longest rest after that many failures in a row (1 = the first)."""
        exponent = min(max(failures - 1, 0), 63)  # beyond it floats only overflow
        return min(self.cap_s, self.base_s * 2.0**exponent)

    def rest_s(self, failures: int, random: Random) -> float:
        return random() * self.ceiling_s(failures)
