"""One direction of one peering: pulls a peer's changes and applies them here, in order, with its position.

    ask for changes after the cursor -> apply the page (cursor and data commit together) -> fetch the rows it lacks
    -> ask again, which acknowledges

The link knows neither HTTP nor SQL; both come as ports. It raises when it cannot go on; whoever supervises it starts it
anew under a throttle, while ``LinkFacts`` remembers how it stands.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from region_operator.api.agent import LinkLimits, LinkReason
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication.feed import (
    CURSOR_MOVED,
    PARKING_FULL,
    ApplyOutcome,
    FeedPage,
    FeedRequest,
    FetchedRows,
    RowKey,
)
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.model.lag import START, Cursor, History, Seen

MAX_FETCH_ROUNDS = 64  # how long a chain of missing parents is followed at once; the rest is parked and retried
ROWS_PER_FETCH = 200  # as many as a store answers at once
LEAVE_LOOK_S = 0.1
MOST_PAGES_WITHOUT = 32  # between two tries to go by the bulk
UNLIMITED = sys.maxsize
BULK_FROM_ROWS = 100  # behind; fewer are applied as fast as others
BULK_BYTES_PER_S = 4 * 1024 * 1024  # of a link that goes by the bulk: those pages are large whatever is asked


class Peer(Protocol):
    """The region that is pulled from; raises Unavailable, or Refused with the peer's own reason."""

    async def feed(self, request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        """Return the next page, if ``wait`` when there is one; every sign of life is told to ``facts``."""

    async def rows(self, keys: list[RowKey]) -> FetchedRows: ...


class Here(Protocol):
    """This region; raises Unavailable while its database is not at hand."""

    async def position(self, source: int) -> tuple[Cursor, History, Seen]:
        """How far ``source`` is applied, what it last told of its incarnations, and what was seen of it."""

    async def history(self) -> History: ...

    async def apply(self, source: int, page: FeedPage) -> ApplyOutcome: ...

    async def apply_rows(self, source: int, rows: FetchedRows) -> ApplyOutcome: ...


@dataclass(frozen=True)
class LinkConfiguration:
    """What a link is told once; a change of it makes a new link.

    Attributes:
        leave_at: of a link that leaves: the peer must have applied all of ours up to here.
    """

    source: int
    limits: LinkLimits
    leave_at: Cursor | None = None

    @property
    def bytes_per_s(self) -> int:
        """What the link may carry, and at once: pages of more than a second of it would come in bursts."""
        return self.limits.max_kilobytes_per_second * 1024 or UNLIMITED


class _Bulk:
    """Whether the link asks for rows that nobody looks at: while it is far behind, and it begins not knowing how far.

    After a page that had to be looked at, for a while not.
    """

    def __init__(self) -> None:
        self._pause, self._left = 0, 0
        self._is_far_behind = True

    def is_worth_it(self, *, copying: bool) -> bool:
        if self._left:
            self._left -= 1
            return False
        return copying or self._is_far_behind

    def behind(self, rows: int) -> None:
        self._is_far_behind = rows >= BULK_FROM_ROWS

    def came(self, *, refused: bool) -> None:
        self._pause = min(MOST_PAGES_WITHOUT, max(1, 2 * self._pause)) if refused else 0
        self._left = self._pause


class Link:
    """Run ``run`` under a supervisor; it returns only when a leaving link has nothing left to exchange."""

    def __init__(
        self,
        configuration: LinkConfiguration,
        *,
        peer: Peer,
        here: Here,
        facts: LinkFacts,
        peer_has_applied: Callable[[], Cursor] = lambda: START,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """``peer_has_applied`` tells how far the peer says it has applied us; ``on_change``: the state is another."""
        self._configuration, self._peer, self._here, self._facts = configuration, peer, here, facts
        self._peer_has_applied, self._on_change = peer_has_applied, on_change
        self._copying = False
        self._bulk = _Bulk()
        self._drain_to: int | None = None

    async def run(self) -> None:
        try:
            await self._pull_for_ever()
        except Unavailable as error:
            self._broken(as_link_reason(error.reason), str(error))
            raise
        except Refused as error:
            if error.reason == "PeeringWasLeft" and self._configuration.leave_at is not None:
                return  # the peer has finished leaving, and does so only once we had all it had
            self._broken(
                "ApplyFailed" if error.reason in (PARKING_FULL, CURSOR_MOVED) else "PeerRefused",
                f"{error.reason}: {error}",
            )
            raise
        except InvalidInput as error:
            self._broken("PeerRefused", str(error))
            raise
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._broken("ApplyFailed", f"{type(error).__name__}; the agent's log has the traceback")
            raise

    async def _pull_for_ever(self) -> None:
        source = self._configuration.source
        limits, bytes_per_s = self._configuration.limits, self._configuration.bytes_per_s
        cursor, known_history, seen = await self._here.position(source)
        self._copying = cursor == START
        wait = False  # the first answer tells at once how far the peer is
        while True:
            request = FeedRequest(
                peer=source,
                after=cursor,
                peer_history=await self._here.history(),
                known_history=known_history,
                seen=seen,
                max_rows=limits.batch_rows,
                max_bytes=min(limits.batch_kilobytes * 1024, bytes_per_s),
                fold_first=self._configuration.leave_at is not None and self._drain_to is None,
                bulk=bytes_per_s >= BULK_BYTES_PER_S and self._bulk.is_worth_it(copying=self._copying),
            )
            page = await self._peer.feed(request, applied=cursor, wait=wait, facts=self._facts)
            self._check(page)
            self._bulk.behind(page.count + page.pending)
            page = replace(page, asked=cursor)
            self._facts.backlog(pending=max(0, page.head - cursor.lsn), oldest_age_ms=page.age_ms)
            if page.count or page.rewound or page.next != cursor:
                cursor = await self._take(page)
                seen = page.seen_after(seen)
            elif (await self._here.position(source))[0] != cursor:
                # What was passed over while its entity was left out has to be read again.
                cursor, known_history, seen = await self._here.position(source)
                continue
            known_history = page.history
            wait = page.pending == 0 and self._configuration.leave_at is None
            self._facts.cursor = str(cursor)
            self._facts.backlog(pending=page.pending, oldest_age_ms=page.remaining_age_ms)
            self._progress(page)
            if self._is_drained(page):
                return
            await self._rest(page)

    async def _take(self, page: FeedPage) -> Cursor:
        """Apply a page and whatever it turns out to need; return where the link stands."""
        outcome = await self._here.apply(self._configuration.source, page)
        if page.bulk:
            self._bulk.came(refused=outcome.refused_bulk)
        missing = outcome.missing
        asked: set[RowKey] = set()
        for _ in range(MAX_FETCH_ROUNDS):
            wanted = [key for key in missing if key not in asked][:ROWS_PER_FETCH]
            if not wanted:
                break
            asked.update(wanted)
            fetched = await self._peer.rows(wanted)
            missing = (*missing, *(await self._here.apply_rows(self._configuration.source, fetched)).missing)
        return outcome.cursor or page.next

    def _check(self, page: FeedPage) -> None:
        if page.source != self._configuration.source:
            raise Refused(
                reason="RegionIdClash",
                message=f"the peer says it is region {page.source}, configured is {self._configuration.source}",
            )

    def _progress(self, page: FeedPage) -> None:
        if self._copying:
            self._facts.copied(rows=page.count, remaining=page.pending)
        if page.pending == 0:
            self._copying = False
            self._enter("Streaming")
        elif self._copying:
            self._enter("Copying")
        elif page.pending > self._configuration.limits.batch_rows or self._facts.state != "Streaming":
            self._enter("CatchingUp")

    def _is_drained(self, page: FeedPage) -> bool:
        """Whether a leaving link has all that the peer had when we first asked, and the peer all that we had."""
        leave_at = self._configuration.leave_at
        if leave_at is None:
            return False
        if self._drain_to is None:
            self._drain_to = page.head
        theirs = self._peer_has_applied()
        return page.next.lsn >= self._drain_to and theirs.lsn >= leave_at.lsn

    async def _rest(self, page: FeedPage) -> None:
        """Hold the rate that is set; a leaving link, which does not wait for news, does not spin either."""
        if self._configuration.leave_at is not None and page.pending == 0:
            await asyncio.sleep(LEAVE_LOOK_S)
        is_bounded = bool(page.count and self._configuration.limits.max_kilobytes_per_second)
        self._facts.throttled = is_bounded and page.pending > 0
        if is_bounded:
            await asyncio.sleep(page.size / self._configuration.bytes_per_s)

    def _enter(self, state: str) -> None:
        if self._facts.enter(state):  # type: ignore[arg-type]
            self._on_change()

    def _broken(self, reason: LinkReason, message: str) -> None:
        if self._facts.fault(reason, message):
            self._on_change()


def as_link_reason(reason: str) -> LinkReason:
    match reason:
        case "ProbeTimeout" | "ConnectionRefused" | "TLSFailed" | "AuthFailed" | "PeerRefused" | "ApplyFailed":
            return reason
        case _:
            return "PeerRefused"
