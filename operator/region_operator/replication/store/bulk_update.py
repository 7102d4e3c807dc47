"""Rows that come by the bulk and are known here: written by the set where their join is foregone, as in `plain_apply`.

What follows from the names of writes is told once per pair of shapes, of what is known and of what came; what hangs on
values the database tells, which looks at each row once, under its lock.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import pymysql

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Column, Field
from region_operator.replication.feed import RowKey
from region_operator.replication.model import plain, shapes
from region_operator.replication.model.shapes import Finder, Shape
from region_operator.replication.store import bulk_versions, fold, parked, sets, staging
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context, Outcome
from region_operator.replication.store.faults import is_deadlock, is_gone
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.plain_columns import changeable_fields
from region_operator.replication.store.rows import marks
from region_operator.replication.store.staging import Piece

AT_ONCE: Final = 250
"""Rows of one transaction, beside live writers: locked for half as long as 200 that an agent looks at (ENGINE 22)."""


class _NotPlain(Exception):
    """Some rows are not what they were; rolls back to the savepoint."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A locked row as it stands.

    Attributes:
        place: of its line, from 1.
        shape, genesis: as they came.
        state: as it is known here.
        differs: numbers of the columns that are not as they came.
    """

    place: int
    row: RowKey
    shape: int
    genesis: str
    state: str
    differs: frozenset[int]


class BulkUpdate:
    """One transaction's rows; what is done is counted into ``outcome``. Holds the lane."""

    def __init__(self, session: Session, context: Context, outcome: Outcome) -> None:
        self._session, self._context, self._outcome = session, context, outcome
        self._layout = context.layout

    def take(self, bulk: BulkTable, found: Sequence[Shape], piece: Piece) -> list[bytes]:
        """Write what is foregone and return the lines that are left; raises NotStaged."""
        lines = piece.lines
        staging.stage(self._session, self._layout, bulk, piece)
        news, done = self._judge(bulk, found)
        left = [line for place, line in enumerate(lines, start=1) if place not in news and place not in done]
        if not news:
            return left
        written = [lines[known.place - 1] for known in news.values()]
        if len(written) < len(lines):
            staging.stage(self._session, self._layout, bulk, Piece.of(written))
        rows = [known.row for known in news.values()]
        columns = frozenset[int]().union(*(known.differs for known in news.values()))
        return left if self._write(bulk, found, columns=columns, rows=rows) else [*left, *written]

    def _judge(self, bulk: BulkTable, found: Sequence[Shape]) -> tuple[dict[int, _Known], set[int]]:
        """The rows to write, by the places of their lines and in their order, and the places of what is no news."""
        known = self._lock(bulk)
        keys = [one.row for one in known]
        times = Counter(keys)
        open_ = fold.captured_keys(self._session, self._layout, times.keys())
        open_ |= parked.reasons(self._session, self._layout, times.keys()).keys()
        finder, succeed = Finder(), _Successions(bulk.table, found, actor=self._context.tenure.actor)
        news, done = dict[int, _Known](), set[int]()
        for one in known:
            before = finder.find(one.state, key=one.row.key)
            if before is None or one.row in open_ or times[one.row] > 1 or one.row.key in bulk.table.well_known:
                continue
            shape, genesis = before
            step = succeed.of(shape, one.shape, genesis=genesis, came=one.genesis)
            if step is None or not one.differs <= step.columns:
                continue  # also a field that nobody had changed: one dot names two values
            if step.is_news:
                news[one.place] = one
            elif not one.differs:
                done.add(one.place)
        return dict(sorted(news.items())), done

    def _lock(self, bulk: BulkTable) -> list[_Known]:
        """Lock the staged rows that are here and whose versions are without values; not those that a writer holds.

        Parents are read in subqueries, which lock none.
        """
        layout, table = self._layout, bulk.table
        fixed = [0, *table.well_known.values()]
        same = (_is_same(layout, table, n, field=f, column=column) for n, (f, column) in enumerate(sets.columns(table)))
        differs = ", ".join(f"IF({condition}, NULL, {number})" for number, condition in enumerate(same))
        alive = "TRUE"
        if table.entity.removed is not None:
            alive = f"r.c{table.entity.columns.index(table.entity.removed)} IS NULL"
        rows = self._session.select(
            f"SELECT STRAIGHT_JOIN r.n, v.entity_key, r.shape, r.g, v.state, CONCAT_WS(',', {differs}) "
            f"FROM {layout.own(staging.TABLE)} r JOIN {table.sql} t ON {_is_row(table)} "
            f"JOIN {layout.own('row_version')} v ON v.entity = %s "
            "AND v.entity_key = CONVERT(r.k USING utf8mb4) COLLATE utf8mb4_bin "
            f"WHERE v.complete = 0 AND v.lsn IS NOT NULL AND {alive} AND NOT {table.exclusion('t')} "
            f"AND t.{table.local_id} NOT IN ({marks(fixed)}) FOR UPDATE SKIP LOCKED",
            (table.entity.name, *fixed),
        )
        sets_of: dict[str, frozenset[int]] = {"": frozenset()}
        found = []
        for place, key, shape, genesis, state, names in rows:
            if names not in sets_of:
                sets_of[names] = frozenset(map(int, names.split(",")))
            row = RowKey(table.entity.name, key)
            found.append(_Known(int(place), row, int(shape), genesis, state, sets_of[names]))
        return found

    def _write(
        self, bulk: BulkTable, found: Sequence[Shape], *, columns: Collection[int], rows: Sequence[RowKey]
    ) -> bool:
        """Write the staged rows, all of which are locked; False if the database refuses one: then none is written."""
        try:
            with self._session.savepoint():
                if columns:
                    self._update(bulk.table, columns)
                if bulk_versions.write(self._session, self._context, bulk, found, known=True) != 2 * len(rows):
                    raise _NotPlain
                head = bulk_versions.move_head(self._session, self._context, by=len(rows))
        except _NotPlain:
            return False
        except pymysql.Error as error:
            if is_deadlock(error) or is_gone(error):
                raise
            return False
        self._outcome.head = head
        self._outcome.changed += len(rows)
        self._outcome.shown += rows
        self._outcome.woken += parked.waiting_for(self._session, self._layout, rows)
        return True

    def _update(self, table: Table, columns: Collection[int]) -> None:
        """What differs in some rows is written in all: in the others it is what stands there."""
        names = [quote_identifier(name) for name in table.entity.columns]
        written = ", ".join(f"t.{names[number]} = r.c{number}" for number in sorted(columns))
        self._session.execute(
            f"UPDATE {self._layout.own(staging.TABLE)} r STRAIGHT_JOIN {table.sql} t ON {_is_row(table)} SET {written}"
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """Attributes: columns: numbers of those that may be others in a row that takes it."""

    columns: frozenset[int]
    is_news: bool


class _Successions:
    """What becomes of known states by those that came, by their shapes."""

    def __init__(self, table: Table, came: Sequence[Shape], *, actor: str) -> None:
        self._table, self._came, self._actor = table, came, actor
        self._changeable = changeable_fields(table)
        self._steps: dict[tuple[Shape, int], _Step | None] = {}

    def of(self, known: Shape, number: int, *, genesis: str, came: str) -> _Step | None:
        """The step of a row from what is known to shape ``number``; None if it takes a closer look."""
        if number >= len(self._came) or bool(came) != self._came[number].has_genesis:
            return None
        if known.has_genesis and genesis != came:
            return None
        if (known, number) not in self._steps:
            self._steps[known, number] = self._step(known, self._came[number])
        return self._steps[known, number]

    def _step(self, known: Shape, came: Shape) -> _Step | None:
        fields = self._table.entity.field_names
        found = shapes.succession(known, came, entity=self._table.entity.name, fields=fields)
        if found is None or not self._changeable.issuperset(found.changed):
            return None
        if plain.claims_too_much(found.after, found.before, actor=self._actor):
            return None
        numbers = (n for n, (field, _) in enumerate(sets.columns(self._table)) if field.name in found.changed)
        return _Step(frozenset(numbers), found.is_news)


def _is_row(table: Table) -> str:
    """SQL that is true for the business row ``t`` of a staged row ``r``, and opens the index of keys."""
    own = f"t.{table.key_column}"
    return f"{own} = r.k AND BINARY {own} = BINARY r.k"


def _is_same(layout: Layout, table: Table, number: int, *, field: Field, column: Column) -> str:
    """SQL that is true where a column of ``t`` holds what came of it, byte by byte."""
    came, own = f"r.c{number}", sets.travels(layout, table, field, column, as_number=True)
    if field.reference is not None:
        alias, parent = f"p{table.references.index(field)}", layout.tables[field.reference]
        own = (
            f"(SELECT {own} FROM {parent.sql} {alias} WHERE {alias}.{parent.local_id} = "
            f"t.{quote_identifier(column.name)} AND NOT {parent.exclusion(alias)})"
        )
        return f"BINARY CONVERT({came} USING utf8mb4) <=> BINARY {own}"
    return f"{came} <=> {own}" if column.kind in ("int", "bool") else f"BINARY {came} <=> BINARY {own}"
