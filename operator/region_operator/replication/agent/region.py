"""This region as the event loop sees it: the blocking store behind worker threads, and a bell for new changes."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from region_operator.api.agent import Link
from region_operator.errors import Conflict, Unavailable
from region_operator.replication import peer_protocol
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.read_ahead import ReadAhead
from region_operator.replication.feed import ApplyOutcome, FeedPage, FeedRequest, FetchedRows, FoldOutcome, RowKey
from region_operator.replication.model.lag import Cursor, History, Seen
from region_operator.replication.model.rules import EntityRuleSet
from region_operator.replication.records import Counts, EntityFinding, StoredConfiguration, StoreStatus
from region_operator.replication.scans.record import StoredScan
from region_operator.replication.store.people import People
from region_operator.replication.store.region_store import Parking, RegionStore

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

READER_THREADS = 8
WRITER_THREADS = 32  # a link waits in one of them for the write lane

FOLD_PAUSES_S = ((60.0, 0.01),)  # for so long after a change, look that often
FOLD_IDLE_S = 0.02
FOLD_RESTS = 3  # times as long as folding took: writers need the server too
FOLD_REST_MOST_S = 0.1
UNAVAILABLE_REST_S = 1.0
SCHEMA_LOOK_S = 30.0
FORGET_INTERVAL_S = 3600.0
FORGET_PAUSE_S = 0.5  # between batches, so that nobody waits for the write lane


@dataclass(frozen=True)
class RegionFacts:
    """What the store said last, for the status."""

    status: StoreStatus
    counts: Mapping[int, Counts] = field(default_factory=dict)  # by source region
    drift: tuple[EntityFinding, ...] = ()  # what is not as prepare left it


class LocalRegion:
    """Port of links (``link.Here``), of the peer API and of the keeper, over one opened store.

    Attributes:
        head_moved: rings when there is something new for peers.
        changed: rings when ``facts``, ``reachable`` or ``message`` (why it is not) are others.
        fenced: set for good once another agent has taken the database.
    """

    def __init__(
        self, store: RegionStore, *, head_moved: Bell, changed: Bell, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._clock = store, clock
        self.head_moved, self.changed = head_moved, changed
        self.fenced = asyncio.Event()
        self.reachable, self.message = True, ""
        self.facts: RegionFacts | None = None
        self._drift: tuple[EntityFinding, ...] = ()
        self.folded_rows = self.fold_passes = 0
        self.applied_rows: dict[int, int] = {}
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="read")
        self._writers = ThreadPoolExecutor(WRITER_THREADS, thread_name_prefix="write")
        self._folder = ThreadPoolExecutor(1, thread_name_prefix="fold")
        self._loop = asyncio.get_running_loop()
        self._ahead = ReadAhead(self._start_reading)
        store.on_fold = self._folded

    # --- what peers read -----------------------------------------------------------------------------------------

    async def read_feed(self, request: FeedRequest) -> tuple[FeedPage, bytes]:
        """Return a page and its wire form."""
        answer = await self._ahead.take(request)
        if answer is None:
            answer = await self._run(self._readers, self._read_and_encode, request)
        self._ahead.follow(request, answer[0])
        return answer

    async def read_rows(self, keys: Sequence[RowKey]) -> bytes:
        return await self._run(self._readers, lambda: peer_protocol.encode_rows(self._store.read_rows(keys)))

    def _start_reading(self, request: FeedRequest) -> asyncio.Future[tuple[FeedPage, bytes]]:
        return self._loop.run_in_executor(self._readers, functools.partial(self._read_and_encode, request))

    def _read_and_encode(self, request: FeedRequest) -> tuple[FeedPage, bytes]:
        page = self._store.read_feed(request)
        return page, peer_protocol.encode_page(page)

    # --- what links do -------------------------------------------------------------------------------------------

    async def position(self, source: int) -> tuple[Cursor, History, Seen]:
        return await self._run(self._readers, self._store.position, source)

    async def history(self) -> History:
        return await self._run(self._readers, self._store.history)

    async def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        return self._applied(source, await self._run(self._writers, self._store.apply, source, page))

    async def apply_rows(self, source: int, rows: FetchedRows) -> ApplyOutcome:
        return self._applied(source, await self._run(self._writers, self._store.apply_rows, source, rows))

    async def leave(self, source: int) -> None:
        await self._run(self._writers, self._store.leave, source)

    async def rejoin(self, source: int) -> None:
        await self._run(self._writers, self._store.rejoin, source)

    async def covering_head(self) -> int:
        """The head that covers all that is committed by now."""
        return await self._run(self._writers, self._store.fold_captured)

    def _folded(self) -> None:
        """Called by the thread that folds: what a page for one peer has folded, the others wait for too."""
        with contextlib.suppress(RuntimeError):  # the program ends
            self._loop.call_soon_threadsafe(self.head_moved.ring)

    def _applied(self, source: int, outcome: ApplyOutcome) -> ApplyOutcome:
        self.applied_rows[source] = self.applied_rows.get(source, 0) + outcome.received
        if outcome.changed:
            self.head_moved.ring()
        if outcome.restored:
            log.warning("this database went back in time; a new incarnation was minted", extra={"peer": source})
        if outcome.forged:
            log.error("a peer sent writes in this region's name that it never made", extra={"peer": source})
        return outcome

    # --- configuration -------------------------------------------------------------------------------------------

    async def load_configuration(self) -> StoredConfiguration | None:
        return await self._run(self._readers, self._store.load_configuration)

    async def store_configuration(self, configuration: StoredConfiguration) -> None:
        await self._run(self._writers, self._store.store_configuration, configuration)

    async def set_rules(self, rules: Mapping[str, EntityRuleSet]) -> int:
        changed = await self._run(self._writers, self._store.set_rules, rules)
        self._ahead.forget()  # may hold rows that are not served any more
        self.head_moved.ring()  # rows of an entity that is served again
        return changed

    def use_parking(self, links: Sequence[Link]) -> None:
        """Retry parked rows as the most patient of the links asks for; each link has its own limit of rows."""
        links = [link for link in links if link.state != "Plan"]
        if links:
            self._store.set_parking(
                Parking(
                    retry_max_s=max(link.link.parking_retry_max_seconds for link in links),
                    dead_letter_after_s=max(link.link.parking_dead_letter_after_seconds for link in links),
                    max_rows={link.peer.id: link.link.parking_max_rows for link in links if link.state != "Leaving"},
                )
            )

    # --- full scans ----------------------------------------------------------------------------------------------

    async def keep_scan(self, scan: StoredScan) -> None:
        await self._run(self._writers, self._store.keep_scan, scan)

    async def hold_lease(self, holder: str) -> int:
        return await self._run(self._writers, self._store.hold_lease, holder)

    async def release_lease(self, holder: str) -> None:
        await self._run(self._writers, self._store.release_lease, holder)

    async def read(self, question: Callable[[RegionStore], T]) -> T:
        """Ask the store something, in a thread."""
        return await self._run(self._readers, question, self._store)

    async def write(self, work: Callable[[RegionStore], T]) -> T:
        """The same for what may have to write."""
        return await self._run(self._writers, work, self._store)

    # --- what people ask and decide ------------------------------------------------------------------------------

    async def ask(self, question: Callable[[People], T]) -> T:
        return await self._run(self._readers, question, self._store)

    async def decide(self, decision: Callable[[People], T]) -> T:
        """Carry a decision out; it is a change of this region, so peers are told."""
        result = await self._run(self._writers, decision, self._store)
        self.head_moved.ring()
        return result

    # --- own loops -----------------------------------------------------------------------------------------------

    async def capture(self) -> None:
        """Fold what triggers captured, for ever; the longer nothing came, the less often it is looked for."""
        last_change = self._clock()
        while True:
            began = self._clock()
            outcome = await self._fold()
            took_s = self._clock() - began
            if outcome.folded:
                self.folded_rows += outcome.folded
                last_change = self._clock()
            if not (outcome.more and outcome.folded):
                pause_s = fold_pause_s(0.0 if outcome.busy else self._clock() - last_change)
                rest_s = min(FOLD_REST_MOST_S, FOLD_RESTS * took_s) if outcome.folded else 0.0
                await asyncio.sleep(max(pause_s, rest_s))

    async def _fold(self) -> FoldOutcome:
        while True:
            try:
                outcome = await self._run(self._folder, self._store.fold)
            except Unavailable:
                await asyncio.sleep(UNAVAILABLE_REST_S)
            else:
                self.fold_passes += 1
                return outcome

    async def retry_parked(self) -> None:
        """Give rows whose time has come another try, each second."""
        while True:
            with contextlib.suppress(Unavailable):
                if (await self._run(self._writers, self._store.retry_parked)).changed:
                    self.head_moved.ring()
            await asyncio.sleep(1)

    async def forget_closed_conflicts(self, days: Callable[[], int]) -> None:
        """Delete records of conflicts that were closed more than ``days`` ago, some at a time, each hour."""
        while True:
            forgotten = 0
            with contextlib.suppress(Unavailable):
                forgotten = await self._run(self._writers, self._store.forget_closed, days=days())
            await asyncio.sleep(FORGET_PAUSE_S if forgotten else FORGET_INTERVAL_S)

    async def observe(self, sources: Callable[[], Sequence[int]], *, interval_s: float = 1.0) -> None:
        """Keep ``facts`` fresh."""
        while True:
            with contextlib.suppress(Unavailable):
                await self.look(sources())
            await asyncio.sleep(interval_s)

    async def look(self, sources: Sequence[int]) -> None:
        facts = await self._run(self._readers, self._read_facts, sources)
        if facts != self.facts:
            self.facts = facts
            self.changed.ring()

    def _read_facts(self, sources: Sequence[int]) -> RegionFacts:
        counts = {source: self._store.counts(source) for source in sources}
        return RegionFacts(self._store.status(), counts, self._drift)

    async def watch_schema(self, *, interval_s: float = SCHEMA_LOOK_S) -> None:
        """Notice what is done to the synced tables; ends with an error when the database was prepared anew."""
        while True:
            with contextlib.suppress(Unavailable):
                drift = await self._run(self._readers, self._store.look_for_drift)
                for finding in set(drift) - set(self._drift):
                    log.warning("%s: %s", finding.entity, finding.message, extra={"reason": finding.reason})
                self._drift = drift
                if await self._run(self._readers, self._store.is_outdated):
                    raise Conflict("the database was prepared anew, other entities can be exchanged now")
            await asyncio.sleep(interval_s)

    # --- threads -------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let running transactions end, then give the database up to whoever comes next."""
        for pool in (self._readers, self._writers, self._folder):
            pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._store.close)

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        try:
            result = await self._loop.run_in_executor(pool, functools.partial(work, *arguments, **keywords))
        except Unavailable as error:
            self._heard(reachable=False, message=str(error))
            raise
        except Conflict:
            self.fenced.set()
            raise
        self._heard(reachable=True)
        return result

    def _heard(self, *, reachable: bool, message: str = "") -> None:
        if reachable != self.reachable:
            self.reachable, self.message = reachable, message
            log.warning("the database %s", "answers again" if reachable else f"does not answer: {message}")
            self.changed.ring()


def fold_pause_s(quiet_s: float) -> float:
    """How long to wait before looking again, when the last change came ``quiet_s`` ago."""
    return next((pause_s for until_s, pause_s in FOLD_PAUSES_S if quiet_s < until_s), FOLD_IDLE_S)
