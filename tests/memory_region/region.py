"""The port of `region_store.RegionStore`, in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from memory_region import feeding, intake, lane
from memory_region.applying import Application
from memory_region.comparing import Comparing
from memory_region.context import Context
from memory_region.database import NOWHERE, Database, Server
from memory_region.intake import Item
from memory_region.people import People
from memory_region.records import ParkedRows, check_room
from memory_region.retrying import Retrying
from memory_region.scanning import Scanning
from region_operator.errors import Conflict, Refused
from region_operator.replication.feed import ApplyOutcome, FeedPage, FeedRequest, FetchedRows, FoldOutcome, RowKey
from region_operator.replication.model import Cursor, EntityRuleSet, History, Seen, UniqueClash
from region_operator.replication.records import EntityFinding, StoredConfiguration, StoreStatus
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.parked import VISIBLE, Parking

PIECE = 200

Result = TypeVar("Result")


class MemoryRegion(People, Scanning, Comparing, Retrying):
    """Capture, feed and apply of one region; the methods are those of the store in MariaDB."""

    on_fold: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, server: Server, *, region_id: int, rules: Mapping[str, EntityRuleSet], mint: Callable[[], int]):
        self.region_id, self.server = region_id, server
        self._rules, self._mint, self._parking = dict(rules), mint, Parking()
        self._last_lsn = server.read().last_lsn
        with server.transaction() as draft:
            draft.fencing_token += 1
            self._token = draft.fencing_token
        self._write(self._leave_out)

    @classmethod
    def open(
        cls, server: Server, *, region_id: int, rules: Mapping[str, EntityRuleSet], mint: Callable[[], int]
    ) -> "MemoryRegion":
        """Take the database, and begin a new incarnation where it may have gone back in time."""
        return cls(server, region_id=region_id, rules=rules, mint=mint)

    def close(self) -> None: ...

    def status(self) -> StoreStatus:
        content = self.server.read()
        return StoreStatus(
            schema_version=1,
            region_id=self.region_id,
            history=content.history,
            head=content.last_lsn,
            captured=sum(len(captured) for captured in content.dirty.values()),
            history_intact=content.history_intact,
            database_version="memory",
        )

    def look_for_drift(self) -> tuple[EntityFinding, ...]:
        return ()  # no tables that anybody could change

    def is_outdated(self) -> bool:
        return False

    def set_rules(self, rules: Mapping[str, EntityRuleSet]) -> int:
        """Use other rules from now on, also for rows in conflict; returns how many such rows were looked at again."""
        self._rules = dict(rules)
        self._write(self._policy_changed)
        content = self.server.read()
        records = [r for r in content.conflicts.values() if r.row.entity not in content.left_out]
        found = dict.fromkeys(r.row for r in records if r.state != "Closed" and r.kind in ("Value", "Deletion"))
        if found:
            self._retry(self._apply([Item(row) for row in found], again=True).woken)
        return len(found)

    def set_parking(self, parking: Parking) -> None:
        self._parking = parking

    # Capture

    def fold(self, limit: int = PIECE) -> FoldOutcome:
        keys = list(self.server.read().dirty)[:limit]
        if not keys:
            return FoldOutcome(head=self.head())
        outcome = self._fold(keys)
        return FoldOutcome(folded=outcome.changed, more=len(keys) >= limit, head=self.head())

    def fold_captured(self) -> int:
        """Fold all that is captured by now; returns the head that covers it."""
        while self.fold().more:
            pass
        return self.head()

    def head(self) -> int:
        return self.server.read().last_lsn

    # Feed: for peers

    def read_feed(self, request: FeedRequest) -> FeedPage:
        if request.fold_first or (request.seen is not None and request.seen.head > self.head()):
            self.fold_captured()
        page, proof = feeding.read(self.server, request, region_id=self.region_id)
        if proof.lost:
            lost_now = request.after.incarnation == page.incarnation
            self._write(lambda draft: self._note_loss(draft, lost_now=lost_now))
        return page

    def read_rows(self, keys: Sequence[RowKey]) -> FetchedRows:
        """Return the present states of rows a peer asks for by key; rows that are not known are left out."""
        left_out = self.server.read().left_out
        known = [row for row in keys if row.entity in self.server.catalog and row.entity not in left_out][:PIECE]
        if any(row in self.server.read().dirty for row in known):
            self._fold(known)
        content = self.server.read()
        served = [row for row in known if row in content.versions and feeding.is_served(self.server, content, row)]
        versions = sorted((content.versions[row] for row in served), key=lambda version: version.lsn)
        return FetchedRows(self.region_id, content.history, tuple(feeding.feed_row(version) for version in versions))

    # Apply: from peers

    def cursor(self, source: int) -> Cursor:
        return self.position(source)[0]

    def position(self, source: int) -> tuple[Cursor, History, Seen]:
        return self.server.read().cursors.get(source, NOWHERE)

    def history(self) -> History:
        return self.server.read().history

    def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        """Join a page into this region; cursor and data commit together."""
        _check_source(source, page.source)
        if page.rows:
            check_room(self.server.read(), source, self._parking)
        total = Outcome()
        pieces = [page.rows[start : start + PIECE] for start in range(0, len(page.rows), PIECE)] or [()]
        stands = page.asked
        for number, piece in enumerate(pieces, start=1):
            to = page.next if number == len(pieces) else replace(page.next, lsn=piece[-1].lsn)
            part = replace(page, rows=piece, next=to, asked=stands)
            outcome = self._write(partial(self._apply_part, part=part))
            stands = to if stands is not None else None
            total.add(outcome)
            total.add(self._retry(outcome.woken))
        return _outcome(total, received=len(page.rows), cursor=page.next)

    def apply_rows(self, source: int, rows: FetchedRows) -> ApplyOutcome:
        """Join rows that were fetched by key; children that waited for them are tried again at once."""
        _check_source(source, rows.source)
        total = Outcome()
        outcome = self._write(partial(self._apply_fetched, fetched=rows))
        total.add(outcome)
        total.add(self._retry(outcome.woken))
        return _outcome(total, received=len(rows.rows), cursor=None)

    def leave(self, source: int) -> None:
        def leave(draft: Database) -> None:
            if source in draft.cursors:
                draft.left |= {source}

        self._write(leave)

    def rejoin(self, source: int) -> None:
        def rejoin(draft: Database) -> None:
            if source in draft.left:
                draft.left -= {source}
                if any(of == source for _, of in draft.parked):
                    draft.cursors.pop(source)

        self._write(rejoin)

    def drop_cursor(self, source: int) -> None:
        self._write(lambda draft: draft.cursors.pop(source, None))

    def retry_parked(self, *, limit: int = PIECE) -> ApplyOutcome:
        """Try parked rows whose time has come."""
        content = self.server.read()
        due = ParkedRows(content, self.server.clock(), self._parking).due(limit=limit) if content.parked else []
        return _outcome(self._retry(due), received=len(due), cursor=None)

    # Configuration

    def load_configuration(self) -> StoredConfiguration | None:
        return self.server.read().configuration

    def store_configuration(self, stored: StoredConfiguration) -> None:
        def work(draft: Database) -> None:
            draft.configuration = stored

        self._write(work)

    # Inside

    def _write(self, work: Callable[[Database], Result]) -> Result:
        """Run ``work`` in a transaction of the lane, in the incarnation that ENGINE 11 asks for."""
        with self.server.transaction() as draft:
            if draft.fencing_token != self._token:
                raise Conflict("another agent has taken this region's database")
            if draft.last_lsn < self._last_lsn:
                lane.begin_incarnation(draft, self._context(), restored=True)
            elif not draft.history or self.server.running != draft.history[-1].name:
                lane.begin_incarnation(draft, self._context(), restored=False)
            result = work(draft)
        self._last_lsn = draft.last_lsn
        return result

    def _context(self, *, source: int = 0, incarnation: str = "") -> Context:
        return Context(
            self.region_id, self.server, self._rules, self._mint, self._parking, source=source, incarnation=incarnation
        )

    def _application(self, draft: Database, *, source: int = 0, incarnation: str = "") -> Application:
        return Application(draft, self._context(source=source, incarnation=incarnation))

    def _fold(self, keys: Sequence[RowKey]) -> Outcome:
        outcome: Outcome = self._write(lambda draft: self._application(draft).fold(keys))
        if outcome.changed:
            self.on_fold()
        self._retry(outcome.woken)
        return outcome

    def _off(self) -> frozenset[str]:
        return frozenset(name for name, rule in self._rules.items() if not rule.synced)

    def _leave_out(self, draft: Database) -> None:
        self._remember(draft)

    def _remember(self, draft: Database) -> None:
        """That takes a number of its own: a database that is restored to before it can be told by it."""
        if self._off() - draft.left_out:
            draft.left_out |= self._off()
            draft.last_lsn += 1

    def _policy_changed(self, draft: Database) -> None:
        """Leave out what is off; what peers and we have missed of the rest is put on its way again."""
        self._remember(draft)
        again = draft.left_out - self._off()
        draft.left_out = self._off()
        if again:
            draft.send_again(again)
            draft.cursors.clear()
        settled = [name for name, rule in self._rules.items() if rule.unique_clash is not UniqueClash.PARK]
        ParkedRows(draft, self.server.clock()).policy_changed(settled)

    def _apply(self, items: Sequence[Item], *, again: bool) -> Outcome:
        return self._write(lambda draft: self._application(draft).run(items, {}, again=again))

    def _apply_part(self, draft: Database, *, part: FeedPage) -> Outcome:
        lane.check_cursor(draft, part)
        items, refused = intake.take_in(part.rows, self.server.catalog, draft.left_out)
        outcome = self._application(draft, source=part.source, incarnation=part.incarnation).run(items, refused)
        lane.move_cursor(draft, part)
        return outcome

    def _apply_fetched(self, draft: Database, *, fetched: FetchedRows) -> Outcome:
        items, refused = intake.take_in(fetched.rows, self.server.catalog, draft.left_out)
        outcome = self._application(draft, source=fetched.source, incarnation=fetched.incarnation).run(items, refused)
        # Whoever waited for these rows is tried again, also if the source has nothing new of them.
        outcome.woken += ParkedRows(draft, self.server.clock()).waiting_for([item.row for item in items])
        return outcome

    def _note_loss(self, draft: Database, *, lost_now: bool) -> None:
        if lost_now:
            lane.begin_incarnation(draft, self._context(), restored=True)
        draft.history_intact = "Restored"


def _check_source(source: int, claimed: int) -> None:
    if source != claimed:
        raise Refused(reason="ForeignPage", message=f"region {source} sent what it calls changes of region {claimed}")


def _outcome(total: Outcome, *, received: int, cursor: Cursor | None) -> ApplyOutcome:
    return ApplyOutcome(
        received=received,
        changed=total.changed,
        parked=sum(reason.name not in VISIBLE for reason in total.parked.values()),
        missing=tuple(dict.fromkeys(total.missing)),
        opened_conflicts=total.opened_conflicts,
        cursor=cursor,
        restored=total.restored,
    )
