"""How long to rest on what a plan waits for: longer and longer while nothing changes.

Most of what is waited for wakes us by itself (children are watched, agents tell their news). What does not, Secrets
and databases that a user must mend, is looked at again; a fleet of which half waits must not keep us busy with that.
"""

from collections.abc import Sequence

from region_operator.controller.plan.steps import Wait
from region_operator.supervision.units import Key

REST_S = 5.0  # between the first looks at something that is being made
EDIT_REST_S = 30.0  # between looks at something that a user must mend and that is not watched (Secrets)
LONGEST_S = 60.0

_Reasons = tuple[tuple[str, str], ...]


class Rests:
    """Remembers per key what was waited for, and how long it rested on that last."""

    def __init__(self) -> None:
        self._last: dict[Key, tuple[_Reasons, float]] = {}

    def next_s(self, key: Key, waits: Sequence[Wait]) -> float | None:
        """Seconds to rest now; None = until the next resync."""
        rests = [rest for rest in map(_first_s, waits) if rest is not None]
        if not rests:
            self.forget(key)
            return None
        reasons = tuple((wait.condition, wait.reason) for wait in waits)
        before, last_s = self._last.get(key, ((), 0.0))
        rest_s = min(LONGEST_S, 2 * last_s) if reasons == before else min(rests)
        self._last[key] = (reasons, rest_s)
        return rest_s

    def forget(self, key: Key) -> None:
        self._last.pop(key, None)


def _first_s(wait: Wait) -> float | None:
    """How long to rest on what is waited for; most of it also wakes us. None: until the next resync."""
    if wait.stalled or wait.condition == "Paused":
        return None
    return EDIT_REST_S if wait.condition == "ReferencesResolved" or wait.reason == "InvalidInput" else REST_S
