"""What a pass over a key, or a try of a process, answers to whoever scheduled it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """The resource is as asked for, or waits for an event; look again at the next resync."""


@dataclass(frozen=True)
class After:
    """It went well and there is more to do: come back in ``seconds`` (an event may come earlier)."""

    seconds: float


@dataclass(frozen=True)
class Failed:
    """The resource could not be brought to the state asked for; try again with back-off.

    Attributes:
        reason: CamelCase constant for logs and metrics.
    """

    reason: str
    message: str = ""


Result = Done | After | Failed
