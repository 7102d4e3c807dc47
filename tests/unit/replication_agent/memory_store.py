"""A region in memory with the store's shape and the real merge: for tests of links, not of SQL."""

from collections.abc import Mapping, Sequence

from region_operator.errors import Unavailable
from region_operator.replication.feed import (
    ApplyOutcome,
    Counts,
    EntityFinding,
    FeedPage,
    FeedRequest,
    FeedRow,
    FetchedRows,
    FoldOutcome,
    RowKey,
    StoredConfiguration,
    StoreStatus,
)
from region_operator.replication.model import RowState, decode, encode, local_write, merge
from region_operator.replication.model.lag import START, Cursor, History, Incarnation, Seen
from region_operator.replication.model.rules import EntityRuleSet


class MemoryStore:
    """Rows of entities ``domain`` and ``account``; an account's key is ``<domain>/<name>`` and needs that domain."""

    def __init__(self, region_id: int) -> None:
        self.region_id = region_id
        self.incarnations = (Incarnation(f"{region_id:016x}", 1),)
        self.rows: dict[RowKey, RowState] = {}
        self.lsns: dict[RowKey, int] = {}
        self.came_from: dict[RowKey, tuple[int, RowState]] = {}
        self.cursors: dict[int, Cursor] = {}
        self.histories: dict[int, History] = {}
        self.configuration: StoredConfiguration | None = None
        self.rules: Mapping[str, EntityRuleSet] = {}
        self.last_lsn = 0
        self.dirty: list[tuple[RowKey, dict[str, str]]] = []
        self.down = False
        self.fail_apply_from: dict[int, Exception] = {}
        self.fetched: list[RowKey] = []
        self.hide_parents = False

    # what a test does

    def write(self, entity: str, key: str, **values: str) -> None:
        self.dirty.append((RowKey(entity, key), values))

    def value(self, entity: str, key: str, field: str) -> object:
        state = self.rows.get(RowKey(entity, key))
        return max(state.registers[field]).value if state else None

    # the store

    def close(self) -> None: ...

    def status(self) -> StoreStatus:
        self._check()
        return StoreStatus(1, self.region_id, self.incarnations, self.last_lsn, database_version="memory")

    def look_for_drift(self) -> tuple[EntityFinding, ...]:
        return ()  # no tables that anybody could change

    def is_outdated(self) -> bool:
        return False

    def set_rules(self, rules: Mapping[str, EntityRuleSet]) -> int:
        self.rules = rules
        return 0

    def set_parking(self, parking: object) -> None:
        self.parking = parking

    def forget_closed(self, *, days: int, limit: int = 1000) -> int:
        return 0

    def fold(self, limit: int = 200) -> FoldOutcome:
        self._check()
        batch, self.dirty = self.dirty[:limit], self.dirty[limit:]
        for row, values in batch:
            actor = f"{self.region_id}.{self.incarnations[-1].name}"
            state = local_write(self.rows.get(row), entity=row.entity, key=row.key, actor=actor, changes=values)
            self._put(row, state)
        return FoldOutcome(folded=len(batch), more=bool(self.dirty), head=self.last_lsn)

    def head(self) -> int:
        return self.last_lsn

    def fold_captured(self) -> int:
        return self.fold(len(self.dirty)).head

    def read_feed(self, request: FeedRequest) -> FeedPage:
        self._check()
        if request.fold_first:
            self.fold_captured()
        ordered = sorted((lsn, row) for row, lsn in self.lsns.items() if lsn > request.after.lsn)
        ordered = ordered[: request.max_rows]
        rows = [(lsn, row) for lsn, row in ordered if self.came_from.get(row) != (request.peer, self.rows[row])]
        if self.hide_parents:
            rows = [(lsn, row) for lsn, row in rows if row.entity != "domain"]
        last = ordered[-1][0] if ordered else max(request.after.lsn, 0)
        return FeedPage(
            source=self.region_id,
            history=self.incarnations,
            rows=tuple(self._feed_row(lsn, row) for lsn, row in rows),
            next=Cursor(self.incarnations[-1].name, last),
            head=self.last_lsn,
            total_rows=len(self.rows),
        )

    def read_rows(self, keys: Sequence[RowKey]) -> FetchedRows:
        self._check()
        self.fetched.extend(keys)
        rows = tuple(self._feed_row(self.lsns[key], key) for key in keys if key in self.rows)
        return FetchedRows(self.region_id, self.incarnations, rows)

    def cursor(self, source: int) -> Cursor:
        return self.cursors.get(source, START)

    def position(self, source: int) -> tuple[Cursor, History, Seen]:
        return self.cursor(source), self.histories.get(source, ()), Seen()

    def history(self) -> History:
        return self.incarnations

    def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        self._check()
        if source in self.fail_apply_from:
            raise self.fail_apply_from[source]
        changed = self._join(source, page.rows)
        self.cursors[source], self.histories[source] = page.next, page.history
        return ApplyOutcome(len(page.rows), changed, missing=self._missing(page.rows), cursor=page.next)

    def apply_rows(self, source: int, rows: FetchedRows) -> ApplyOutcome:
        return ApplyOutcome(len(rows.rows), self._join(source, rows.rows), missing=self._missing(rows.rows))

    def leave(self, source: int) -> None: ...

    def rejoin(self, source: int) -> None: ...

    def drop_cursor(self, source: int) -> None:
        self.cursors.pop(source, None)

    def counts(self, source: int | None = None) -> Counts:
        return Counts()

    def retry_parked(self, *, limit: int = 200) -> ApplyOutcome:
        return ApplyOutcome()

    def load_configuration(self) -> StoredConfiguration | None:
        self._check()
        return self.configuration

    def store_configuration(self, configuration: StoredConfiguration) -> None:
        self._check()
        self.configuration = configuration

    def _check(self) -> None:
        if self.down:
            raise Unavailable(reason="ConnectionRefused", message="the database is down")

    def _put(self, row: RowKey, state: RowState) -> None:
        self.last_lsn += 1
        self.rows[row], self.lsns[row] = state, self.last_lsn

    def _join(self, source: int, rows: Sequence[FeedRow]) -> int:
        changed = 0
        for fed in rows:
            theirs, mine = decode(fed.state), self.rows.get(fed.row_key)
            joined = theirs if mine is None else merge(mine, theirs)
            if joined != mine:
                self._put(fed.row_key, joined)
                self.came_from[fed.row_key] = (source, theirs)
                changed += 1
        return changed

    def _missing(self, rows: Sequence[FeedRow]) -> tuple[RowKey, ...]:
        parents = (RowKey("domain", row.key.partition("/")[0]) for row in rows if row.entity == "account")
        return tuple(parent for parent in parents if parent not in self.rows)

    def _feed_row(self, lsn: int, row: RowKey) -> FeedRow:
        return FeedRow(lsn, row.entity, row.key, encode(self.rows[row]))
