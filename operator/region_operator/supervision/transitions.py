"""The life of a process, as events that name the unit of work during which they happened."""

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum

log = logging.getLogger(__name__)


class State(StrEnum):
    INITIALIZED = "Initialized"  # observes and synchronises
    READY = "Ready"  # takes units of work
    CRASHED = "Crashed"  # its mailbox is discarded; allocated anew after a rest
    STOPPED = "Stopped"  # its resource is gone, or it was asked to end


@dataclass(frozen=True)
class Transition:
    """One step in the life of the process of ``subject``.

    Attributes:
        unit: id of the unit of work (a pass, a command, an incarnation of a process).
        at: time of the injected clock.
        reason: CamelCase constant, empty when the states say it all.
    """

    subject: Hashable
    before: State | None
    after: State
    unit: str
    at: float
    reason: str = ""


OnTransition = Callable[[Transition], None]


def log_it(transition: Transition) -> None:
    """For who asks later what became of one unit of work; where nobody else listens."""
    log.debug(
        "%s: %s -> %s",
        transition.subject,
        transition.before,
        transition.after,
        extra={"unit": transition.unit, "reason": transition.reason},
    )


def ignore(_: object) -> None:
    """Hook of those who do not listen."""
