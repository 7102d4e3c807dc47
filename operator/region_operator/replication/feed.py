"""What travels between two regions and between the parts of an agent: cursors, histories, pages, outcomes. Pure values.

A region's changes have numbers (lsn) in the order in which they became visible. A number alone says nothing after a
restore from backup, so a cursor names the incarnation too, and a region keeps the history of its incarnations
(``model.lag``). Example: history a1:1 b2:50 says that a1 ends with lsn 49. A cursor a1:40 goes on seamlessly; a1:60
proves that 50..60 were lost: its holder is told to resume at 49.
"""

from dataclasses import dataclass
from typing import Final

from region_operator.replication.model.lag import START, Cursor, History, Seen
from region_operator.replication.model.shapes import Shape

PARKING_FULL: Final = "ParkingFull"
"""Reason of a store that takes no further page, because too many rows of the peer wait here already."""


CURSOR_MOVED: Final = "CursorMoved"
"""Reason of a store that stands elsewhere than the page was asked for: it has to be read again from there."""


@dataclass(frozen=True, slots=True)
class RowKey:
    """The name of a row in all regions."""

    entity: str
    key: str


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """What a peer asks for.

    Attributes:
        peer: its region id; what it sent itself is left out.
        after: how far it has applied us.
        peer_history: its own incarnations; what it sent and has lost since is not left out.
        known_history: the history of ours that it was last told; finds the way back after a restore of ours.
        seen: what it has seen of us beside its cursor; None = nothing.
        bulk: plain rows may come as ``BulkRows``, and then more of them than ``max_rows``.
        fold_first: version what is captured before the page is read, so that ``head`` covers all that is committed.
    """

    peer: int
    after: Cursor = START
    peer_history: History = ()
    known_history: History = ()
    seen: Seen | None = None
    max_rows: int = 2000
    max_bytes: int = 1024 * 1024
    fold_first: bool = False
    bulk: bool = False


@dataclass(frozen=True, slots=True)
class FeedRow:
    """The present state of a row, as text of ``replication.model.codec``, under the lsn of its last change."""

    lsn: int
    entity: str
    key: str
    state: str

    @property
    def row_key(self) -> RowKey:
        return RowKey(self.entity, self.key)


@dataclass(frozen=True, slots=True)
class BulkRows:
    """Plain rows of one entity as the text that the receiver's database reads; no agent looks at a single one.

    Attributes:
        fields: names in the order of their values, each with the number of its columns.
        text: a JSON array per line: key, lsn, genesis ("" = none), number of the shape, values.
    """

    entity: str
    fields: tuple[tuple[str, int], ...]
    shapes: tuple[Shape, ...]
    count: int
    text: bytes


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A piece of a region's changes in the order of lsn.

    Attributes:
        source: region id of the sender.
        history: the sender's incarnations, the present one last.
        rows: states; empty when there is nothing new.
        next: the cursor of who has applied the page; beyond the last row where rows at the end were left out.
        head: the sender's last lsn.
        total_rows: how many rows the sender knows; for the progress of a first copy.
        age_ms: age, by the sender's clock, of its oldest change beyond the cursor that was asked with; 0 = none.
        remaining_age_ms: the same beyond ``next``.
        rewound: the asker's cursor proves that the sender lost commits; rows is empty, go on from ``next``.
        unfolded: rows were left out, because no fold has versioned what was captured of them.
        leaves_out: the sender passes over rows of entities that its policy leaves out.
        asked: the cursor it was asked with, by its receiver; None = it may be applied wherever the link stands.
        bulk: more rows, between those in ``rows``; only if the asker said that it takes them so.
    """

    source: int
    history: History
    rows: tuple[FeedRow, ...]
    next: Cursor
    head: int
    total_rows: int = 0
    age_ms: int = 0
    remaining_age_ms: int = 0
    rewound: bool = False
    unfolded: bool = False
    leaves_out: bool = False
    asked: Cursor | None = None
    bulk: tuple[BulkRows, ...] = ()

    @property
    def count(self) -> int:
        return len(self.rows) + sum(bulk.count for bulk in self.bulk)

    @property
    def size(self) -> int:
        """About how many bytes of rows."""
        return sum(len(row.state) for row in self.rows) + sum(len(bulk.text) for bulk in self.bulk)

    @property
    def incarnation(self) -> str:
        return self.history[-1].name

    def seen_after(self, seen: Seen) -> Seen:
        """What is seen of the sender once the page is applied."""
        return seen.after(
            self.next.lsn,
            head=self.head,
            unfolded=self.unfolded,
            leaves_out=self.leaves_out,
            rewound=self.rewound,
        )

    @property
    def pending(self) -> int:
        """How many numbers the sender is ahead of who has applied this page."""
        return max(0, self.head - self.next.lsn)


@dataclass(frozen=True, slots=True)
class FetchedRows:
    """Rows that were asked for by key; they move no cursor."""

    source: int
    history: History
    rows: tuple[FeedRow, ...]

    @property
    def incarnation(self) -> str:
        return self.history[-1].name


@dataclass(frozen=True, slots=True)
class FoldOutcome:
    """Attributes: folded: rows that got a new version; busy: rows a writer held; more: captured changes are left."""

    folded: int = 0
    busy: int = 0
    more: bool = False
    head: int = 0


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """What became of a page.

    Attributes:
        received: rows looked at.
        changed: rows whose state is new here.
        parked: rows of the page that are stored and forwarded, but not (or not wholly) visible here yet.
        missing: rows to fetch from the source at once (``read_rows`` there, ``apply_rows`` here).
        opened_conflicts: new conflict records.
        cursor: where the link stands now; None when rows were fetched by key.
        refused_bulk: rows that came by the bulk had to be looked at one by one.
        restored: the source proved that this database went back in time; a new incarnation was minted.
        forged: rows that were refused because they claim writes of this region that it never made.
    """

    received: int = 0
    changed: int = 0
    parked: int = 0
    missing: tuple[RowKey, ...] = ()
    opened_conflicts: int = 0
    cursor: Cursor | None = None
    restored: bool = False
    refused_bulk: bool = False
    forged: int = 0
