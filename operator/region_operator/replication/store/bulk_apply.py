"""Rows that come by the bulk, from the text of a page into the tables without an agent looking at one of them.

New rows are written here. The database checks what an agent checks elsewhere: by its own constraints, by conditions
whose misses are not written, by a comparison of names. Known ones are written by `bulk_update`. What lacks a parent,
or what neither can write, is left, to go the other ways.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pymysql

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Unique
from region_operator.replication.feed import BulkRows, RowKey
from region_operator.replication.model import plain, shapes
from region_operator.replication.model.plain import Plain
from region_operator.replication.model.shapes import Shape
from region_operator.replication.store import bulk_tables, bulk_versions, incarnations, parked, reuse, sets, staging
from region_operator.replication.store.bulk_parts import knows_first
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.bulk_update import BulkUpdate
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context, Outcome
from region_operator.replication.store.faults import is_deadlock, is_gone
from region_operator.replication.store.layout import Table
from region_operator.replication.store.rows import marks
from region_operator.replication.store.staging import NotStaged, Piece

LINES = 2000
"""Rows that one statement writes."""


class _NotPlain(Exception):
    """Some rows take a closer look; rolls back to the savepoint."""


class BulkApplication:
    """One transaction's text; what is done is counted into ``outcome``. Holds the lane."""

    def __init__(
        self, session: Session, context: Context, outcome: Outcome, *, tables: Mapping[str, BulkTable]
    ) -> None:
        self._session, self._context, self._outcome, self._tables = session, context, outcome, tables
        self._layout = context.layout
        self._staged = f"{self._layout.own(staging.TABLE)} r"

    def run(self, pages: Sequence[BulkRows]) -> list[BulkRows]:
        """Write rows, parents first; returns those that take a closer look."""
        if reuse.known(self._session, self._layout, self._context.source):
            return list(pages)  # what hangs on rows that are other things here is told apart one by one
        left = []
        for rows in sorted(pages, key=lambda rows: self._layout.depth(rows.entity) if self._is_known(rows) else -1):
            table = self._tables.get(rows.entity) if self._is_known(rows) and self._check(rows) else None
            lines = rows.text.split(b"\n")
            if table is not None:
                pieces = staging.pieces(table, lines, size=LINES)
                lines = []
                for piece in pieces:
                    lines += [*piece.others, *(self._take(table, rows.shapes, piece) if piece.lines else ())]
            if lines:
                left.append(replace(rows, count=len(lines), text=b"\n".join(lines)))
        if self._outcome.changed:
            incarnations.witness(self._session, self._layout, lsn=self._outcome.head)
        return left

    def _is_known(self, rows: BulkRows) -> bool:
        return rows.entity in self._layout.tables

    def _check(self, rows: BulkRows) -> bool:
        """What holds for all rows of an entity: rules, fields, and that their states are plain."""
        table, rules = self._layout.tables[rows.entity], self._context.rules[rows.entity]
        if rows.fields != sets.fields_of(table) or rules.accept_from is not None or not rules.synced:
            return False
        return all(self._sample(table, shape) is not None for shape in rows.shapes)

    def _is_credible(self, table: Table, shape: Shape) -> bool:
        """Tell whether states of a shape may be new here."""
        state = self._sample(table, shape)
        actor = self._context.tenure.actor
        return state is not None and not plain.claims_too_much(state, None, actor=actor)

    def _sample(self, table: Table, shape: Shape) -> Plain | None:
        return shapes.check(shape, entity=table.entity.name, fields=table.entity.field_names)

    def _take(self, bulk: BulkTable, found: Sequence[Shape], piece: Piece) -> list[bytes]:
        """Write lines, the most of rows that are known here or the most of rows that are not; returns the rest."""
        lines = piece.lines
        may_be_new = all(self._is_credible(bulk.table, shape) for shape in found)
        try:
            is_known = knows_first(self._session, self._layout, bulk.table.entity.name, lines)
            if is_known:
                lines = BulkUpdate(self._session, self._context, self._outcome).take(bulk, found, piece)
            elif may_be_new and (left := self._take_new(bulk, found, piece)) is not None:
                return left
            if not (lines and may_be_new):
                return lines
            places = self._known(bulk, Piece.of(lines))
            known = [lines[place - 1] for place in sorted(places)]
            new = [line for place, line in enumerate(lines, start=1) if place not in places]
            retry = new and (is_known or places)
            left = self._take_new(bulk, found, Piece.of(new)) if retry else None
        except NotStaged:
            return lines
        return [*known, *(new if left is None else left)]

    def _take_new(self, bulk: BulkTable, found: Sequence[Shape], piece: Piece) -> list[bytes] | None:
        """Write lines none of which is known here; None if one is after all, or the database refuses one."""
        lines = piece.lines
        staging.stage(self._session, self._layout, bulk, piece)
        try:
            with self._session.savepoint():
                missed = self._insert(bulk, count=len(lines))
                if missed:
                    written = [line for place, line in enumerate(lines, start=1) if place not in missed]
                    staging.stage(self._session, self._layout, bulk, Piece.of(written))
                count = len(lines) - len(missed)
                if count:
                    numbered = bulk_versions.write(self._session, self._context, bulk, found, known=False)
                    if numbered != count or not self._is_alone(bulk, count=count):
                        raise _NotPlain
                    self._outcome.head = bulk_versions.move_head(self._session, self._context, by=count)
        except _NotPlain:
            return lines
        except pymysql.Error as error:
            if is_deadlock(error) or is_gone(error):
                raise
            return None
        self._outcome.changed += count
        if count:
            self._wake(bulk.table, lines)
        return [lines[place - 1] for place in sorted(missed)]

    def _known(self, bulk: BulkTable, piece: Piece) -> set[int]:
        """The places of lines whose keys are here already."""
        staging.stage(self._session, self._layout, bulk, piece)
        table = bulk.table
        own, same = self._layout.own("row_version"), "v.entity_key = CONVERT(r.k USING utf8mb4) COLLATE utf8mb4_bin"
        found = [
            *self._session.select(
                f"SELECT STRAIGHT_JOIN r.n FROM {self._staged} JOIN {own} v ON v.entity = %s AND {same}",
                (table.entity.name,),
            ),
            *self._session.select(
                f"SELECT STRAIGHT_JOIN r.n FROM {self._staged} JOIN {table.sql} t ON t.{table.key_column} = r.k"
            ),
        ]
        return {int(row[0]) for row in found}

    def _is_alone(self, bulk: BulkTable, *, count: int) -> bool:
        return not (self._has_namesakes(bulk, count=count) or self._is_captured(bulk))

    def _has_namesakes(self, bulk: BulkTable, *, count: int) -> bool:
        table = bulk.table
        for unique in table.entity.unique:
            if unique.indexed or self._is_each_name_once(bulk, unique, count=count):
                continue
            taken = self._session.one(
                f"SELECT STRAIGHT_JOIN 1 FROM {self._staged} JOIN {table.sql} t ON t.{table.key_column} = r.k "
                f"{sets.same_name_sql(self._layout, table, unique)} LIMIT 1"
            )
            if taken is not None:
                return True
        return False

    def _is_each_name_once(self, bulk: BulkTable, unique: Unique, *, count: int) -> bool:
        """The usual case, told from one index alone: no other row has one of these texts as a part of its name."""
        table = bulk.table
        texts = [name for name in unique.columns if "." not in name and table.entity.field(name).reference is None]
        if not texts:
            return False
        name = texts[0]
        value = bulk_tables.as_key(f"r.{_name(table, name)}", bulk.collations[name])
        found = self._session.one(
            f"SELECT STRAIGHT_JOIN COUNT(*) FROM {self._staged} "
            f"LEFT JOIN {table.sql} o ON o.{quote_identifier(name)} = {value}"
        )
        return found is not None and int(found[0]) == count

    def _is_captured(self, bulk: BulkTable) -> bool:
        """Tell whether somebody wrote one of the rows here, and took it away again, without a version yet."""
        dirty, name = self._layout.own("dirty"), bulk.table.entity.name
        if self._session.one(f"SELECT 1 FROM {dirty} WHERE entity = %s LIMIT 1", (name,)) is None:
            return False
        same = "d.entity_key = CONVERT(r.k USING utf8mb4) COLLATE utf8mb4_bin"
        found = self._session.one(
            f"SELECT STRAIGHT_JOIN 1 FROM {self._staged} JOIN {dirty} d ON d.entity = %s AND {same} LIMIT 1",
            (name,),
        )
        return found is not None

    def _insert(self, bulk: BulkTable, *, count: int) -> set[int]:
        """Insert the business rows; returns the places of those that miss a condition.

        Parents are kept from going, and those that a writer holds are not waited for, but missed.
        """
        table = bulk.table
        values, joins, conditions = list[str](), "", list[str]()
        references = {field.name: number for number, field in enumerate(table.references)}
        for index, (field, column) in enumerate(sets.columns(table)):
            value = f"r.c{index}"
            if field.reference is not None:
                parent, number = self._layout.tables[field.reference], references[field.name]
                joins += _join(parent, bulk, field.name, number)
                value = _parent(parent, bulk, field.name, number)
                # Reads a column that is in no index, so that the row itself is locked, as the foreign key will want it.
                conditions.append(f"LENGTH(IFNULL(p{number}.{quote_identifier(parent.entity.columns[0])}, '')) >= 0")
                conditions.append(f"(r.c{index} IS NULL OR {value} IS NOT NULL)")
                if field.absent is not None:
                    value = f"IFNULL({value}, {int(field.absent)})"
            if not column.nullable:
                conditions.append(f"{value} IS NOT NULL")
            if column.name == table.entity.removed:
                conditions.append(f"r.c{index} IS NULL")
            values.append(value)
        fixed = list(table.well_known)
        if fixed:
            conditions.append(f"r.k NOT IN ({marks(fixed)})")
        names = ", ".join([table.key_column, *map(quote_identifier, table.entity.columns)])
        written = self._session.execute(
            f"INSERT INTO {table.sql} ({names}) SELECT STRAIGHT_JOIN r.k, {', '.join(values)} "
            f"FROM {self._staged}{joins} WHERE {' AND '.join(conditions) or 'TRUE'} LOCK IN SHARE MODE SKIP LOCKED",
            fixed,
        )
        if written == count:
            return set()
        missed = self._session.select(
            f"SELECT STRAIGHT_JOIN r.n FROM {self._staged} LEFT JOIN {table.sql} t ON t.{table.key_column} = r.k "
            f"WHERE t.{table.local_id} IS NULL"
        )
        return {int(row[0]) for row in missed}

    def _wake(self, table: Table, lines: Sequence[bytes]) -> None:
        if self._session.one(f"SELECT 1 FROM {self._layout.own('parked')} LIMIT 1") is None:
            return
        keys = [RowKey(table.entity.name, json.loads(line)[0]) for line in lines]
        self._outcome.shown += keys
        self._outcome.woken += parked.waiting_for(self._session, self._layout, keys)


def _name(table: Table, field: str) -> str:
    return f"c{table.entity.columns.index(field)}"


def _join(parent: Table, bulk: BulkTable, field: str, number: int) -> str:
    alias, key = f"p{number}", f"r.{_name(bulk.table, field)}"
    return (
        f" LEFT JOIN {parent.sql} {alias} ON {alias}.{parent.key_column} = {key} "
        f"AND BINARY {alias}.{parent.key_column} = BINARY {key} AND NOT {parent.exclusion(alias)}"
    )


def _parent(parent: Table, bulk: BulkTable, field: str, number: int) -> str:
    """SQL of the local id of the row that a row of the page refers to."""
    own = f"p{number}.{parent.local_id}"
    if not parent.well_known:
        return own
    fixed = ", ".join(str(local_id) for local_id in parent.well_known.values())
    cases = " ".join(f"WHEN '{key}' THEN {local_id}" for key, local_id in sorted(parent.well_known.items()))
    return f"(CASE r.{_name(bulk.table, field)} {cases} ELSE IF({own} IN ({fixed}), NULL, {own}) END)"
