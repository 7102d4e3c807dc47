"""The one door to a region's database for link and agent: capture, feed, apply, and what they leave for people.

Blocking; called from worker threads, any number of them. Everything that writes goes through one lane.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from region_operator import naming
from region_operator.replication.feed import (
    ApplyOutcome,
    ConflictRecord,
    Counts,
    FeedPage,
    FeedRequest,
    FetchedRows,
    FoldOutcome,
    Lag,
    ParkedRow,
    RowKey,
    StoredConfiguration,
    StoreStatus,
)
from region_operator.replication.model.lag import Cursor, History
from region_operator.replication.model.rules import EntityRuleSet


@dataclass(frozen=True)
class Address:
    """Where a region's database is and as whom to speak to it."""

    host: str
    user: str
    password: str = field(repr=False)
    port: int = naming.DATABASE_PORT
    business_schema: str = naming.BUSINESS_SCHEMA
    sync_schema: str = naming.SYNC_SCHEMA
    tls_mode: Literal["VerifyIdentity", "VerifyCA", "Disabled"] = "Disabled"
    ca_file: Path | None = None


class RegionStore:
    """Capture, feed and apply of one region.

    Raises, everywhere:
        Unavailable: the database does not answer.
        Conflict: another agent has taken the database (fencing); this one must stop.
    """

    @classmethod
    def open(
        cls, address: Address, *, region_id: int, rules: Mapping[str, EntityRuleSet], mint: Callable[[], int]
    ) -> "RegionStore":
        """Take the database: its lock, the next fencing token, and a new incarnation where ENGINE 11 asks for one.

        Args:
            mint: gives a random number of 63 bits, for a new incarnation.

        Raises:
            InvalidInput: region_sync is not installed, is of another version, or is of another region.
        """
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def status(self) -> StoreStatus:
        raise NotImplementedError

    def set_rules(self, rules: Mapping[str, EntityRuleSet]) -> int:
        """Use other rules from now on; returns how many rows look different under them."""
        raise NotImplementedError

    # Capture

    def fold(self, limit: int = 200) -> FoldOutcome:
        """Give committed, captured changes of at most ``limit`` rows their versions; never waits for an open writer."""
        raise NotImplementedError

    def head(self) -> int:
        raise NotImplementedError

    # Feed: for peers

    def read_feed(self, request: FeedRequest) -> FeedPage:
        raise NotImplementedError

    def read_rows(self, keys: Sequence[RowKey]) -> FetchedRows:
        """Return the present states of rows a peer asks for by key; rows that are not known are left out."""
        raise NotImplementedError

    def lag(self, peer: int, cursor: Cursor) -> Lag:
        """How far ``peer``, standing at ``cursor``, is behind us."""
        raise NotImplementedError

    # Apply: from peers

    def cursor(self, source: int) -> Cursor:
        """Where the link from ``source`` stands; START for one that never ran."""
        raise NotImplementedError

    def known_history(self, source: int) -> History:
        """The incarnations that ``source`` last told us, for the next FeedRequest."""
        raise NotImplementedError

    def history(self) -> History:
        """Our own incarnations, for the next FeedRequest."""
        raise NotImplementedError

    def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        """Join a page into this region; cursor and data commit together, in pieces of some 200 rows."""
        raise NotImplementedError

    def apply_rows(self, source: int, rows: FetchedRows) -> ApplyOutcome:
        """Join rows that were fetched by key; children that waited for them are tried again at once."""
        raise NotImplementedError

    def drop_cursor(self, source: int) -> None:
        """Forget where the link from ``source`` stood; what it brought stays."""
        raise NotImplementedError

    # For people

    def counts(self, source: int | None = None) -> Counts:
        raise NotImplementedError

    def conflicts(self, *, state: str | None = "Open", limit: int = 100) -> list[ConflictRecord]:
        raise NotImplementedError

    def restore(self, conflict_id: int, *, dot: str) -> None:
        """Write a losing value of a conflict back, as a new change."""
        raise NotImplementedError

    def parked(self, *, limit: int = 100) -> list[ParkedRow]:
        raise NotImplementedError

    def retry_parked(self, *, limit: int = 200) -> ApplyOutcome:
        """Try parked rows whose time has come."""
        raise NotImplementedError

    def retry(self, rows: Iterable[RowKey]) -> None:
        """Make parked rows and dead letters due now."""
        raise NotImplementedError

    def skip(self, row: RowKey, *, reason: str) -> None:
        """Give a parked row up, audited; a later change of the row tries again."""
        raise NotImplementedError

    # Configuration

    def load_configuration(self) -> StoredConfiguration | None:
        raise NotImplementedError

    def store_configuration(self, configuration: StoredConfiguration) -> None:
        """Replace text and claim in one transaction."""
        raise NotImplementedError

    def confirm_history(self) -> None:
        """A scan has verified this region: forget that it was restored."""
        raise NotImplementedError
