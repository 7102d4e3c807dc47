"""A page of a peer's changes in transactions: by the bulk what nobody has to look at, else some 200 rows at a time."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from region_operator.errors import InvalidInput, Refused
from region_operator.replication.feed import ApplyOutcome, BulkRows, FeedPage, FeedRow, FetchedRows
from region_operator.replication.model import plain
from region_operator.replication.model.lag import Cursor
from region_operator.replication.store import bulk_parts, configuration, parked, rows, sets
from region_operator.replication.store.bulk_parts import BulkPage
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import Readers, Session
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.writer import Writer

PIECE = 200
"""Rows of one transaction beside live writers (ENGINE 22)."""


class Pages:
    """Applies what a link brings."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        """Join a page into this region; the cursor commits with the last of the data that it covers.

        Raises:
            Refused: ``ParkingFull``, as many rows of the source wait here as may, or ``CursorMoved``, the link stands
                elsewhere than where the page was asked for; read it anew from there.
        """
        _check_source(source, page.source)
        total, bulk = Outcome(), None
        if page.count:
            with self._readers.snapshot() as session:
                parked.check_room(session, self._writer.layout, source, parking=self._writer.parking)
                bulk = bulk_parts.part(session, self._writer.layout, page.bulk) if page.bulk else None
        if bulk is None:
            self._apply_parts(page, total)
            return as_outcome(total, received=page.count, cursor=page.next)
        # Parents that do not go by the bulk (domains) first; the cursor moves when the whole page is here.
        self._apply_parts(page, total, move=False)
        left = self._apply_bulk(page, bulk, total)
        if left:
            rest = tuple(sorted(as_rows(left), key=lambda row: row.lsn))
            self._apply_parts(replace(page, rows=rest, bulk=()), total)
        refused = 2 * sum(rows_.count for rows_ in left) > sum(rows_.count for rows_ in page.bulk)
        return replace(as_outcome(total, received=page.count, cursor=page.next), refused_bulk=refused)

    def apply_rows(self, source: int, rows_: FetchedRows) -> ApplyOutcome:
        """Join rows that were fetched by key; children that waited for them are tried again at once."""
        _check_source(source, rows_.source)
        total = Outcome()
        for piece in rows.chunks(rows_.rows, PIECE):
            self._collect(total, partial(self._apply_fetched, fetched=rows_, piece=piece))
        return as_outcome(total, received=len(rows_.rows), cursor=None)

    def _apply_parts(self, page: FeedPage, total: Outcome, *, move: bool = True) -> None:
        """Apply the rows of a page in transactions of their own, which move the cursor along."""
        stands = page.asked
        pieces = list(rows.chunks(page.rows, PIECE)) or ([[]] if move else [])
        for number, piece in enumerate(pieces, start=1):
            to = page.next if number == len(pieces) else replace(page.next, lsn=piece[-1].lsn)
            part = replace(page, rows=tuple(piece), next=to, asked=stands)
            self._collect(total, partial(self._apply_part, part=part, move=move))
            stands = to if stands is not None and move else stands

    def _apply_part(self, session: Session, *, part: FeedPage, move: bool) -> Outcome:
        self._check_cursor(session, part)
        outcome = self._writer.apply(session, part.rows, source=part.source, incarnation=part.incarnation)
        if move:
            configuration.move_cursor(session, self._writer.layout, part)
        return outcome

    def _apply_bulk(self, page: FeedPage, bulk: BulkPage, total: Outcome) -> list[BulkRows]:
        """Apply what came by the bulk, with the cursor if that is all; returns the rows that are left.

        A page that is cut off in the middle is taken again: what has been applied of it is no news then.
        """
        left = list[BulkRows]()
        for part in bulk.parts:
            sure, hanging = bulk_parts.apart(part, left, layout=self._writer.layout)
            left += hanging
            for rows_ in sure:
                move = part is bulk.parts[-1] and not left
                left += self._apply_some(page, rows_, tables=bulk.tables, move=move, total=total)
        return left

    def _apply_some(
        self, page: FeedPage, rows_: BulkRows, *, tables: Mapping[str, BulkTable], move: bool, total: Outcome
    ) -> list[BulkRows]:
        """Apply rows in a transaction, if all can be with the cursor if it is to ``move``."""
        left = list[BulkRows]()

        def work(session: Session) -> Outcome:
            self._check_cursor(session, page)
            outcome, left[:] = self._writer.apply_bulk(
                session, rows_, tables=tables, source=page.source, incarnation=page.incarnation
            )
            if move and not left:
                configuration.move_cursor(session, self._writer.layout, page)
            return outcome

        self._collect(total, work)
        return left

    def _check_cursor(self, session: Session, page: FeedPage) -> None:
        if page.asked is not None:
            configuration.check_cursor(session, self._writer.layout, page.source, expected=page.asked)

    def _apply_fetched(self, session: Session, *, fetched: FetchedRows, piece: Sequence[FeedRow]) -> Outcome:
        outcome = self._writer.apply(session, piece, source=fetched.source, incarnation=fetched.incarnation)
        # Whoever waited for these rows is tried again, also if the source has nothing new of them.
        outcome.woken += parked.waiting_for(session, self._writer.layout, [row.row_key for row in piece])
        return outcome

    def _collect(self, total: Outcome, work: Callable[[Session], Outcome]) -> None:
        outcome = self._writer.write(work)
        total.add(outcome)
        total.add(self._writer.retry(outcome.woken))


def as_rows(pages: Sequence[BulkRows]) -> list[FeedRow]:
    """The rows of a text as rows like any others, values in their states.

    Raises:
        InvalidInput: the text is not what it should be.
    """
    found = []
    try:
        for page in pages:
            for line in page.text.split(b"\n"):
                key, lsn, genesis, shape, *values = json.loads(line)
                text = page.shapes[shape].text(key=key, genesis=genesis)
                state = plain.fill(text, sets.by_field(page.fields, values))
                found.append(FeedRow(int(lsn), page.entity, str(key), state))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise InvalidInput(
            field="page",
            problem=f"a row that came by the bulk cannot be read ({type(error).__name__})",
            remedy="compare the versions of both agents",
            reason="PeerRefused",
        ) from error
    return found


def _check_source(source: int, claimed: int) -> None:
    if source != claimed:
        raise Refused(reason="ForeignPage", message=f"region {source} sent what it calls changes of region {claimed}")


def as_outcome(total: Outcome, *, received: int, cursor: Cursor | None) -> ApplyOutcome:
    """What a link is told of transactions."""
    return ApplyOutcome(
        received=received,
        changed=total.changed,
        parked=sum(reason.name not in parked.VISIBLE for reason in total.parked.values()),
        missing=tuple(dict.fromkeys(total.missing)),
        opened_conflicts=total.opened_conflicts,
        cursor=cursor,
        restored=total.restored,
        forged=sum(reason.name == parked.FORGED for reason in total.parked.values()),
    )
