"""What people see and decide: conflicts, parked rows, and the audit of every decision.

The part of `RegionStore` that no link needs. What changes a row is an ordinary change of this region, so it travels.
"""

from collections.abc import Callable, Collection
from functools import partial

from region_operator.errors import InvalidInput
from region_operator.replication.feed import RowKey
from region_operator.replication.model.state import RowState
from region_operator.replication.records import ConflictRecord, Counts, ParkedKey, ParkedRow
from region_operator.replication.store import configuration, conflicts, decisions, incarnations, parked
from region_operator.replication.store.connections import Readers, Session
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.writer import Writer

FORGET_BATCH = 1000


class People:
    """Base of `RegionStore`; every decision names who took it and why."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        """Use ``RegionStore.open``."""
        self._writer, self._readers = writer, readers

    @property
    def _layout(self) -> Layout:
        return self._writer.layout

    def counts(self, source: int | None = None) -> Counts:
        with self._readers.snapshot() as session:
            return parked.counts(session, self._layout, source)

    # Conflicts

    def conflicts(
        self, *, state: str | None = "Open", before: int | None = None, limit: int = 100
    ) -> list[ConflictRecord]:
        """Records, the latest first, with numbers below ``before``.

        ``state`` is Open (a person has to choose), Settled (a rule chose), Closed, or None for all.
        """
        with self._readers.snapshot() as session:
            return conflicts.listed(session, self._layout, state=state, before=before, limit=limit)

    def conflict(self, conflict_id: int) -> ConflictRecord:
        """Return one record; raises InvalidInput (``NotFound``)."""
        with self._readers.snapshot() as session:
            return conflicts.find(session, self._layout, conflict_id)

    def resolve(self, conflict_id: int, *, by: str = "", reason: str = "") -> None:
        """Keep what is shown, by a new change that covers all values of the conflict: then it is closed everywhere.

        Raises:
            InvalidInput: there is no such conflict, or it is one that only a change of a row can end.
            Refused: the conflict is closed already.
        """
        self._decide("Resolve", conflict_id, by=by, reason=reason, write=self._resolved)

    def restore(self, conflict_id: int, *, dot: str, by: str = "", reason: str = "") -> None:
        """Write one of the values of a conflict back, as a new change that supersedes them all.

        Raises:
            InvalidInput: there is no such conflict, or the value is not among its values any more.
            Refused: the conflict is closed already.
        """
        why = f"value {dot}" + (f": {reason}" if reason else "")

        def write(record: ConflictRecord, state: RowState, actor: str) -> RowState:
            return decisions.restored(record, dot, state, actor)

        self._decide("Restore", conflict_id, by=by, reason=why, write=write)

    def forget_closed(self, *, days: int, limit: int = FORGET_BATCH) -> int:
        """Delete at most ``limit`` records that were closed more than ``days`` ago; returns how many went."""
        with self._readers.snapshot() as session:
            ids = conflicts.outdated(session, self._layout, days=days, limit=limit)
        if not ids:
            return 0
        return self._writer.write(lambda session: conflicts.forget(session, self._layout, ids))

    # Parked rows

    def parked(self, *, state: str | None = None, after: ParkedKey | None = None, limit: int = 100) -> list[ParkedRow]:
        """Rows beyond ``after`` in the order of their names: Parked, Dead, Skipped, or None for all but Skipped."""
        with self._readers.snapshot() as session:
            return parked.listed(session, self._layout, state=state, after=after, limit=limit)

    def retry(self, keys: Collection[RowKey], *, by: str = "", reason: str = "") -> int:
        """Make parked rows, dead letters and skipped rows due now; returns how many there were.

        Raises:
            InvalidInput: one of the rows is not parked (``NotFound``); then nothing is changed.
        """
        return self._of_parked("Retry", keys, parked.make_due, by=by, reason=reason)

    def skip(self, keys: Collection[RowKey], *, by: str = "", reason: str) -> int:
        """Give parked rows up; a later change of a row tries it again. Raises as ``retry`` does."""
        return self._of_parked("Skip", keys, parked.skip, by=by, reason=reason)

    # History

    def confirm_history(self, *, by: str = "", reason: str = "") -> None:
        """Somebody has verified this region: forget that it was restored or that versions were forged."""

        def work(session: Session) -> None:
            incarnations.confirm(session, self._layout)
            self._audit(session, "ConfirmHistory", "region", by=by, reason=reason)

        self._writer.write(work)

    # Inside

    def _decide(
        self,
        action: str,
        conflict_id: int,
        *,
        by: str,
        reason: str,
        write: Callable[[ConflictRecord, RowState, str], RowState],
    ) -> None:
        def work(session: Session) -> Outcome:
            record = conflicts.find(session, self._layout, conflict_id)
            decisions.check_open(record)
            self._audit(session, action, f"conflict {conflict_id}", by=by, reason=reason)
            return self._writer.application(session).rewrite(record.row, partial(write, record))

        self._writer.retry(self._writer.write(work).woken)

    def _resolved(self, record: ConflictRecord, state: RowState, actor: str) -> RowState:
        return decisions.resolved(record, state, actor, rules=self._writer.rules[record.row.entity])

    def _of_parked(
        self,
        action: str,
        keys: Collection[RowKey],
        change: Callable[[Session, Layout, RowKey], int],
        *,
        by: str,
        reason: str,
    ) -> int:
        def work(session: Session) -> int:
            for row in keys:
                if not parked.is_parked(session, self._layout, row):
                    problem = f"{row.entity} {row.key} is not parked; nothing was changed"
                    raise InvalidInput(field="row", problem=problem, remedy="list them", reason="NotFound")
                change(session, self._layout, row)
                self._audit(session, action, f"{row.entity} {row.key}", by=by, reason=reason)
            return len(keys)

        return self._writer.write(work)

    def _audit(self, session: Session, action: str, subject: str, *, by: str, reason: str) -> None:
        configuration.audit(session, self._layout, action=action, subject=subject, by=by, reason=reason)
