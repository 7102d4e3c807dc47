"""What is worked on, in which order and at which pace: the values that mailboxes and workers exchange."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

from region_operator.supervision.backoff import Backoff


@dataclass(frozen=True, order=True)
class Key:
    """A resource of the Kubernetes API, as a mailbox is addressed."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


K = TypeVar("K", bound=Hashable)


class Lane(IntEnum):
    """Who goes first among those that are ready."""

    CHANGE = 0  # spec change, deletion, new
    RESYNC = 1


@dataclass(frozen=True)
class Pace:
    """Rule 15 in numbers."""

    backoff: Backoff = field(default_factory=Backoff)  # 1 s * 2^n, at most 300 s
    gap_s: float = 0.2  # between two passes of a key
    failing_gap_cap_s: float = 10.0  # the gap doubles with each failure, so a storm of events cannot spin a failing key
    resync_s: float = 300.0
    resync_jitter: float = 0.2
    start_spread_s: float = 60.0
    workers: int = 16
    per_bulkhead: int = 4
    head_start_s: float = 30.0  # a resync that waited so long ranks like a fresh change: no lane starves


@dataclass(frozen=True)
class Unit(Generic[K]):
    """One pass over a key, handed out by ``take`` and given back by ``done``.

    Attributes:
        id: names this unit of work in logs and transition events.
        failures: how many passes of the key failed in a row before this one.
    """

    key: K
    id: str
    lane: Lane
    bulkhead: str
    failures: int
    started: float
