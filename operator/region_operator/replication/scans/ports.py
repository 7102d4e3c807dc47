"""What running a scan asks of comparing, and of the two regions. Pure."""

from dataclasses import dataclass, field
from typing import Final, Protocol

from region_operator.replication.load import Gauges
from region_operator.replication.scans.record import Position

REGION_BUSY: Final = "RegionBusy"
"""Reason of a refusal while another scan holds a region."""


@dataclass(frozen=True, slots=True)
class EntityPart:
    """What a chunk saw of one entity, after its repairs; pairs are (here, at the peer).

    Attributes:
        hashes: free of order: those of all parts add up, modulo 2**64, to that of the entity.
    """

    name: str
    rows: tuple[int, int]
    hashes: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    """One chunk, compared and repaired.

    Attributes:
        next: where the next one begins; None at the end.
        differing: rows that differed although nothing of them was in flight; ``repaired``: those that do no more.
        percent: of the whole way, as far as the comparer can tell.
        waited_s: part of the chunk's time in which it only waited for links to catch up.
        message: why rows still differ.
    """

    next: Position | None
    rows_compared: int = 0
    differing: int = 0
    repaired: int = 0
    parts: tuple[EntityPart, ...] = ()
    percent: int = 0
    waited_s: float = 0.0
    message: str = ""


class Chunks(Protocol):
    """Compares and repairs one chunk at a time; keeps nothing between calls, so any chunk may be repeated.

    Raises Unavailable or Refused while one of the regions cannot take part.
    """

    async def chunk(self, position: Position | None, max_rows: int) -> ChunkOutcome: ...


@dataclass(frozen=True, slots=True)
class Held:
    """A region that may be scanned: the number of the lease, another one for each new holder, and its load."""

    number: int
    gauges: Gauges = field(default_factory=dict)


class Scanned(Protocol):
    """One of the two regions; raises Unavailable, or Refused (``RegionBusy``) while another scan holds it."""

    async def hold(self, scan_id: str) -> Held:
        """Take or renew the right to scan it, for a minute."""

    async def release(self, scan_id: str) -> None: ...
