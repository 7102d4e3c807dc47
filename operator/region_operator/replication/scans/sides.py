"""The two regions of a scan, as they are compared. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.model.lag import Cursor, History, resume
from region_operator.replication.scans import contents
from region_operator.replication.scans.digests import Digest, RowDigest

Range: TypeAlias = tuple[str, str]
"""Keys after the one up to the other; "" is the end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Attributes: head: number of the last change here, with all that is committed; applied: of the other region's."""

    head: int
    history: History
    applied: Cursor

    def has_all_of(self, other: "Standing", *, upto: int) -> bool:
        """Whether it has applied the other's changes up to there; that it had what a restore took proves nothing."""
        is_lost = resume(self.applied, history=other.history, head=other.head).lost
        return not is_lost and self.applied.lsn >= upto


class Side(contents.Region, Protocol):
    """One of the two regions; raises Unavailable or Refused while it cannot take part."""

    async def digest(self, entity: str, *, after: str, upto: str, limit: int, contents: bool = False) -> Digest | None:
        """Of at most ``limit`` rows after a key up to another, "" the end; None if the entity is not exchanged.

        ``contents``: also look whether the business rows of the range are as they were versioned.
        """

    async def parts(self, entity: str, *, after: str, upto: str, rows: int) -> list[Digest]:
        """The same range as ranges of so many rows, one after the other."""

    async def digests(self, entity: str, *, after: str, ends: Sequence[str]) -> list[Digest]:
        """Of ranges, one after the other, that end with these keys."""

    async def hashes(self, entity: str, ranges: Sequence[Range], *, limit: int) -> dict[str, int]:
        """Of rows one by one, at most ``limit`` of each range."""

    async def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]: ...

    async def standing(self) -> Standing: ...

    async def take(self, rows: FetchedRows) -> Sequence[RowKey]:
        """Join rows of the other region; returns those that are needed for it and not there."""


class Here(Side, Protocol):
    """The region whose agent compares."""

    async def exchanged(self) -> list[str]:
        """The entities, parents first."""

    async def count(self, entities: Collection[str]) -> int:
        """How many rows are known; for the progress."""
