"""The one door to a region's database for link and agent: capture, feed, apply, and what they leave for people.

Blocking; called from worker threads, any number of them. Everything that writes goes through one lane.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from region_operator.replication.catalog import CATALOG, Entity
from region_operator.replication.feed import ApplyOutcome, FeedPage, FeedRequest, FetchedRows, FoldOutcome, RowKey
from region_operator.replication.model.lag import Cursor, History, Seen
from region_operator.replication.model.rules import EntityRuleSet, UniqueClash
from region_operator.replication.records import EntityFinding, StoredConfiguration, StoreStatus
from region_operator.replication.store import (
    compatibility,
    configuration,
    drift,
    feed,
    fold,
    incarnations,
    left_out,
    parked,
    rows,
)
from region_operator.replication.store.comparing import Comparing
from region_operator.replication.store.connections import Address, Readers, Session
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.intake import Item
from region_operator.replication.store.join_plan import JoinPlan
from region_operator.replication.store.pages import PIECE, Pages, as_outcome
from region_operator.replication.store.parked import Parking
from region_operator.replication.store.people import People
from region_operator.replication.store.scans import Scanning
from region_operator.replication.store.writer import Writer

__all__ = ["Address", "Parking", "RegionStore"]

PATIENT_FOLDS = 10
"""Rows that a writer holds and that one fold waits for, a second each."""


class RegionStore(People, Scanning, Comparing):
    """Capture, feed and apply of one region.

    Raises, everywhere:
        Unavailable: the database does not answer.
        Conflict: another agent has taken the database (fencing); this one must stop.

    Attributes:
        on_fold: told, in the thread that folds, that peers have something to read.
    """

    on_fold: Callable[[], None] = staticmethod(lambda: None)

    @classmethod
    def open(
        cls,
        address: Address,
        *,
        region_id: int,
        rules: Mapping[str, EntityRuleSet],
        mint: Callable[[], int],
        catalog: Mapping[str, Entity] = CATALOG,
    ) -> "RegionStore":
        """Take the database: its lock, the next fencing token, and a new incarnation where ENGINE 11 asks for one.

        ``mint`` gives a random number of 63 bits, for a new incarnation.

        Raises:
            InvalidInput: region_sync is not installed, is of another version, or is of another region.
            Refused: another agent holds the database and is alive.
        """
        writer = Writer(address, region_id=region_id, rules=rules, mint=mint, catalog=catalog)
        off = {name for name, rule in rules.items() if not rule.synced}
        writer.leave_out(off | writer.write(lambda session: left_out.known(session, writer.layout)))
        return cls(writer, Readers(address))

    @property
    def region_id(self) -> int:
        return self._writer.region_id

    def close(self) -> None:
        self._writer.close()
        self._readers.close()

    def status(self) -> StoreStatus:
        with self._readers.snapshot() as session:
            lane = session.one(
                f"SELECT schema_version, last_lsn, history_intact FROM {self._layout.own('lane')} WHERE id = 1"
            )
            captured = session.one(f"SELECT COUNT(*) FROM {self._layout.own('dirty')}")
            version = session.one("SELECT VERSION()")
            assert lane is not None
            assert captured is not None
            assert version is not None
            return StoreStatus(
                schema_version=int(lane[0]),
                region_id=self.region_id,
                history=incarnations.history(session, self._layout),
                head=int(lane[1]),
                captured=int(captured[0]),
                history_intact=str(lane[2]),
                database_version=str(version[0]),
                findings=compatibility.load(session, self._layout.sync.strip("`")).findings,
            )

    def look_for_drift(self) -> tuple[EntityFinding, ...]:
        """What is not as prepare left it: columns, triggers; see ``store.drift``."""
        with self._readers.snapshot() as session:
            return drift.look(session, self._layout)

    def is_outdated(self) -> bool:
        """True when prepare has found since that other entities can be exchanged: open the store anew."""
        with self._readers.snapshot() as session:
            return compatibility.load(session, self._layout.sync.strip("`")).held != self._layout.held

    def set_rules(self, rules: Mapping[str, EntityRuleSet]) -> int:
        """Use other rules from now on, also for rows in conflict; returns how many such rows were looked at again."""
        self._writer.rules = dict(rules)
        off = {name for name, rule in rules.items() if not rule.synced}
        settled = [name for name, rule in rules.items() if rule.unique_clash is not UniqueClash.PARK]
        self._leave_out(self._layout.held.union(off))
        self._writer.write(partial(parked.policy_changed, layout=self._layout, settled=settled))
        with self._readers.snapshot() as session:
            found = session.select(
                f"SELECT DISTINCT entity, entity_key FROM {self._layout.own('conflict')} "
                "WHERE state <> 'Closed' AND kind IN ('Value', 'Deletion')"
            )
        keys = [RowKey(str(entity), str(key)) for entity, key in found if self._layout.exchanges(str(entity))]
        for piece in rows.chunks(keys, PIECE):
            self._writer.retry(self._writer.write(partial(self._show_again, keys=piece)).woken)
        return len(keys)

    def _leave_out(self, entities: frozenset[str]) -> None:
        """Leave these entities out; what peers and we have missed of others is put on its way again."""
        before = self._writer.write(lambda session: left_out.known(session, self._layout))
        self._writer.write(lambda session: left_out.remember(session, self._layout, entities))
        self._writer.leave_out(entities)
        until = self.head()
        for entity in sorted(before - entities):
            while self._writer.write(partial(left_out.send_again, layout=self._layout, entity=entity, until=until)):
                pass
        self._writer.write(lambda session: left_out.forget(session, self._layout, before - entities))

    def set_parking(self, parking: Parking) -> None:
        """Try parked rows at other intervals from now on."""
        self._writer.parking = parking

    # Capture

    def fold(self, limit: int = PIECE) -> FoldOutcome:
        """Give committed, captured changes of at most ``limit`` rows their versions; never waits for an open writer."""
        keys = fold.captured(self._readers, self._layout, limit)
        if not keys:
            return FoldOutcome(head=self.head())
        outcome = self._fold(keys)
        for row in sorted(outcome.busy, key=lambda row: (row.entity, row.key))[:PATIENT_FOLDS]:
            # Alone, so that nobody waits for the other rows meanwhile.
            one = self._fold([row], wait=True)
            if row not in one.busy:
                outcome.busy.discard(row)
            outcome.woken += one.woken
            outcome.add(one)
        self._writer.retry(outcome.woken)
        return FoldOutcome(folded=outcome.changed, busy=len(outcome.busy), more=len(keys) >= limit, head=outcome.head)

    def fold_captured(self) -> int:
        """Fold all that is captured by now, but what writers hold; returns the head that covers it."""
        while (outcome := self.fold()).more and outcome.folded:
            pass
        return outcome.head

    def head(self) -> int:
        (lane,) = self._readers.select(f"SELECT last_lsn FROM {self._layout.own('lane')} WHERE id = 1")
        return int(lane[0])

    # Feed: for peers

    def read_feed(self, request: FeedRequest) -> FeedPage:
        # A page that left out captured rows has told the peer that there will be more; let it be so before it asks.
        if request.fold_first or (request.seen is not None and request.seen.head > self.head()):
            self.fold_captured()
        with self._readers.snapshot() as session:
            reading = feed.read(session, self._layout, request, region_id=self.region_id)
        if reading.lost:
            stands_beyond = request.after.lsn > reading.page.head
            work = partial(
                self._writer.peer_proved_more, incarnation=request.after.incarnation, stands_beyond=stands_beyond
            )
            self._writer.write(work)
        return reading.page

    def read_rows(self, keys: Sequence[RowKey]) -> FetchedRows:
        """Return the present states of rows a peer asks for by key; rows that are not known are left out."""
        known = [row for row in keys if self._layout.exchanges(row.entity)][:PIECE]
        if known:
            self._writer.retry(self._fold(known).woken)
        with self._readers.snapshot() as session:
            return feed.read_rows(session, self._layout, known, region_id=self.region_id)

    def join_plan(self) -> JoinPlan:
        """Reads for a dry run of a join."""
        return JoinPlan(self._readers, self._layout)

    # Apply: from peers

    def cursor(self, source: int) -> Cursor:
        """Where the link from ``source`` stands; START for one that never ran."""
        return self.position(source)[0]

    def position(self, source: int) -> tuple[Cursor, History, Seen]:
        """That cursor, the incarnations that ``source`` last told us, and what we have seen of it."""
        with self._readers.snapshot() as session:
            return configuration.position(session, self._layout, source)

    def history(self) -> History:
        """Our own incarnations, for the next FeedRequest."""
        with self._readers.snapshot() as session:
            return incarnations.history(session, self._layout)

    def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        """Join a page into this region; cursor and data commit together; see ``Pages``."""
        return Pages(self._writer, self._readers).apply(source, page)

    def apply_rows(self, source: int, rows_: FetchedRows) -> ApplyOutcome:
        """Join rows that were fetched by key; children that waited for them are tried again at once."""
        return Pages(self._writer, self._readers).apply_rows(source, rows_)

    def leave(self, source: int) -> None:
        """Read ``source`` no more; what it brought stays, and where the link stood is kept for another peering."""
        self._writer.write(lambda session: configuration.leave(session, self._layout, source))

    def rejoin(self, source: int) -> None:
        """Read ``source`` again, if it was left; not from the start unless rows of it still wait for something."""
        with self._readers.snapshot() as session:
            left = configuration.is_left(session, self._layout, source)
        if left:
            self._writer.write(lambda session: configuration.rejoin(session, self._layout, source))

    def drop_cursor(self, source: int) -> None:
        """Forget where the link from ``source`` stood: everything is read again."""
        self._writer.write(lambda session: configuration.drop_cursor(session, self._layout, source))

    def retry_parked(self, *, limit: int = PIECE) -> ApplyOutcome:
        """Try parked rows whose time has come."""
        with self._readers.snapshot() as session:
            due = parked.due(session, self._layout, parking=self._writer.parking, limit=limit)
        return as_outcome(self._writer.retry(due), received=len(due), cursor=None)

    # Configuration

    def load_configuration(self) -> StoredConfiguration | None:
        with self._readers.snapshot() as session:
            return configuration.load(session, self._layout)

    def store_configuration(self, stored: StoredConfiguration) -> None:
        """Replace text and claim in one transaction."""
        self._writer.write(lambda session: configuration.store(session, self._layout, stored))

    # Inside

    def _fold(self, keys: Sequence[RowKey], *, wait: bool = False) -> Outcome:
        outcome = self._writer.fold(keys, wait=wait)
        if outcome.changed:
            self.on_fold()
        return outcome

    def _show_again(self, session: Session, *, keys: Sequence[RowKey]) -> Outcome:
        return self._writer.application(session).run([Item(row) for row in keys], {}, again=True)
