"""What people see and decide: the part of the port that no link needs, as in `store.people`."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from memory_region.applying import Application
from memory_region.database import Database, Server
from memory_region.records import ParkedRows, counts, row_of
from region_operator.errors import InvalidInput
from region_operator.replication.feed import RowKey
from region_operator.replication.model import EntityRuleSet, RowState
from region_operator.replication.records import ConflictRecord, Counts, ParkedKey, ParkedRow
from region_operator.replication.store import decisions
from region_operator.replication.store.context import Outcome

Result = TypeVar("Result")


class People:
    """Base of `MemoryRegion`; who decided and why is taken and not kept, there is no audit in memory."""

    server: Server
    _rules: dict[str, EntityRuleSet]
    _write: Callable[[Callable[[Database], Any]], Any]
    _retry: Callable[[Any], Outcome]
    _application: Callable[[Database], Application]

    def counts(self, source: int | None = None) -> Counts:
        return counts(self.server.read(), source)

    def conflicts(
        self, *, state: str | None = "Open", before: int | None = None, limit: int = 100
    ) -> list[ConflictRecord]:
        """Records, the latest first, with numbers below ``before``; all states with None."""
        records = [record for record in self.server.read().conflicts.values() if state in (None, record.state)]
        latest = sorted(records, key=lambda record: record.id, reverse=True)
        return [record for record in latest if before is None or record.id < before][:limit]

    def conflict(self, conflict_id: int) -> ConflictRecord:
        for record in self.server.read().conflicts.values():
            if record.id == conflict_id:
                return record
        problem = f"there is no conflict {conflict_id}"
        raise InvalidInput(field="conflict", problem=problem, remedy="list them", reason="NotFound")

    def resolve(self, conflict_id: int, *, by: str = "", reason: str = "") -> None:
        """Keep what is shown, by a new change that covers all values of the conflict."""

        def write(record: ConflictRecord, state: RowState, actor: str) -> RowState:
            return decisions.resolved(record, state, actor, rules=self._rules[record.row.entity])

        self._decide(conflict_id, write)

    def restore(self, conflict_id: int, *, dot: str, by: str = "", reason: str = "") -> None:
        """Write one of the values of a conflict back, as a new change that supersedes them all."""

        def write(record: ConflictRecord, state: RowState, actor: str) -> RowState:
            return decisions.restored(record, dot, state, actor)

        self._decide(conflict_id, write)

    def forget_closed(self, *, days: int, limit: int = 1000) -> int:
        """Delete records that were closed more than ``days`` ago; returns how many went."""
        now = self.server.time(seconds_ago=days * 86400)
        records = self.server.read().conflicts.items()
        old = [key for key, record in records if record.state == "Closed" and str(record.closed_at) < now][:limit]
        if old:
            self._write(lambda draft: [draft.conflicts.pop(key) for key in old])
        return len(old)

    def parked(self, *, state: str | None = None, after: ParkedKey | None = None, limit: int = 100) -> list[ParkedRow]:
        return ParkedRows(self.server.read(), self.server.clock()).listed(state=state, after=after, limit=limit)

    def retry(self, keys: Collection[RowKey], *, by: str = "", reason: str = "") -> int:
        """Make parked rows, dead letters and skipped rows due now; returns how many there were."""
        now_s = self.server.clock()
        return self._of_parked(keys, state="Parked", attempts=0, next_try_s=now_s, parked_s=now_s)

    def skip(self, keys: Collection[RowKey], *, by: str = "", reason: str) -> int:
        """Give parked rows up; a later change of a row tries it again."""
        return self._of_parked(keys, state="Skipped")

    def confirm_history(self, *, by: str = "", reason: str = "") -> None:
        def work(draft: Database) -> None:
            draft.history_intact = "Continuous"

        self._write(work)

    def _decide(self, conflict_id: int, write: Callable[[ConflictRecord, RowState, str], RowState]) -> None:
        record = self.conflict(conflict_id)
        decisions.check_open(record)
        self._retry(
            self._write(lambda draft: self._application(draft).rewrite(record.row, partial(write, record))).woken
        )

    def _of_parked(self, keys: Collection[RowKey], **change: Any) -> int:
        def work(draft: Database) -> None:
            unknown = [row for row in keys if not draft.parked.where(row_of, row)]
            if unknown:
                problem = f"{unknown[0].entity} {unknown[0].key} is not parked; nothing was changed"
                raise InvalidInput(field="row", problem=problem, remedy="list them", reason="NotFound")
            for key in (key for row in keys for key in draft.parked.where(row_of, row)):
                draft.parked[key] = replace(draft.parked[key], **change)

        self._write(work)
        return len(keys)
