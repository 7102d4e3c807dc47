"""Pages for a receiver that is far behind: plain rows as text that databases write and read, a few thousand at a time.

The server puts the lines of a page together: of rows whose state has the shape of the one before, the agent looks at
none. What has another shape it looks at row by row; what does not fit is left for the ordinary way, in the same page.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from region_operator.replication.feed import BulkRows, FeedRequest
from region_operator.replication.model import shapes
from region_operator.replication.model.shapes import GENESIS_LENGTH, KEY_EXCEPTIONS, Shape
from region_operator.replication.store import bulk_tables, fold, sets, versions
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import LONGEST_GROUP, Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.news import NewsFor
from region_operator.replication.store.rows import chunks, marks

MOST_ROWS = 8000
MOST_BYTES = 3 * 1024 * 1024
STEP = 2000
"""Rows that are read at once; between two steps the page's size is looked at."""

_IN_SPAN = "v.lsn > %s AND v.lsn <= %s"

MOST_SHAPES = 24
"""Of one entity in a page, whose head is bounded; rows of further shapes go the ordinary way."""


@dataclass
class _Text:
    """Rows of one entity, growing."""

    lines: list[bytes] = field(default_factory=list)
    shapes: dict[Shape, int] = field(default_factory=dict)
    size: int = 0
    last: Shape | None = None

    def add(self, lines: Collection[bytes]) -> None:
        self.lines += lines
        self.size += sum(map(len, lines))

    def place(self, state: str, *, key: str) -> tuple[int, str] | None:
        """The number of a state's shape, and its genesis; most states have the shape of the one before."""
        if self.last is not None and (genesis := self.last.genesis(state, key=key)) is not None:
            return self.shapes[self.last], genesis
        found = shapes.split(state, key=key)
        if found is None:
            return None
        shape, genesis = found
        if self.shapes.setdefault(shape, len(self.shapes)) >= MOST_SHAPES:
            del self.shapes[shape]
            return None
        self.last = shape
        return self.shapes[shape], genesis

    def rows(self, table: Table) -> BulkRows:
        return BulkRows(
            table.entity.name,
            sets.fields_of(table),
            tuple(self.shapes),
            len(self.lines),
            b"\n".join(self.lines),
        )


@dataclass(frozen=True)
class Bulk:
    """What of the changes up to ``reached`` goes as text, and the numbers of those that do not."""

    rows: tuple[BulkRows, ...]
    others: tuple[int, ...]
    reached: int


def read(session: Session, layout: Layout, request: FeedRequest, *, after: int) -> Bulk:
    """Read on from ``after`` until the page is full; ``reached`` is ``after`` where there is nothing more."""
    tables = {name: table for name, table in bulk_tables.find(session, layout).items() if layout.exchanges(name)}
    reader = _Reader(session, layout, NewsFor.of(peer=request.peer, history=request.peer_history))
    texts: dict[str, _Text] = {}
    others: list[int] = []
    reached = after
    while (
        sum(len(text.lines) for text in texts.values()) + len(others) < MOST_ROWS
        and sum(text.size for text in texts.values()) < MOST_BYTES
        and len(others) < request.max_rows
    ):
        found = versions.count_after(session, layout, lsn=reached, limit=STEP)
        if not found:
            break
        span = (reached, max(last for _, last in found.values()))
        for entity, (count, _) in found.items():
            if entity in tables:
                others += reader.take(tables[entity], texts.setdefault(entity, _Text()), span=span, count=count)
            elif layout.exchanges(entity):
                others += reader.numbers(entity, span=span)
        reached = span[1]
    rows = tuple(text.rows(layout.tables[entity]) for entity, text in texts.items() if text.lines)
    return Bulk(rows, tuple(sorted(others)), reached)


class _Reader:
    """Reads plain rows out of one snapshot."""

    def __init__(self, session: Session, layout: Layout, news: NewsFor) -> None:
        self._session, self._layout, self._news = session, layout, news
        self._captures = fold.captures_anything(session, layout)

    def numbers(self, entity: str, *, span: tuple[int, int]) -> list[int]:
        """The numbers of all that is news of an entity."""
        return [
            int(lsn)
            for (lsn,) in self._session.select(
                f"SELECT v.lsn FROM {self._layout.own('row_version')} v FORCE INDEX (i_row_version__lsn) "
                f"WHERE {_IN_SPAN} AND v.entity = %s AND {self._news.sql} ORDER BY v.lsn",
                (*span, entity, *self._news.values),
            )
        ]

    def take(self, bulk: BulkTable, text: _Text, *, span: tuple[int, int], count: int) -> list[int]:
        """Add the rows of an entity whose numbers, ``count`` of them, are in ``span``; returns what could not be added.

        Not added: rows with captured changes, rows that the business row does not hold. What this peer sent is neither.
        """
        shape = text.last or self._first_shape(bulk, text, span=span)
        lines = self._lines_of(bulk, shape, text.shapes[shape], span=span) if shape is not None else []
        text.add(lines)
        if len(lines) == count:
            return []
        taken = {int(line.split(b",", 2)[1]) for line in lines}
        left = [lsn for lsn in self.numbers(bulk.table.entity.name, span=span) if lsn not in taken]
        by_row = {lsn for piece in chunks(left) for lsn in self._take_by_row(bulk, text, numbers=piece)}
        return [lsn for lsn in left if lsn not in by_row]

    def _first_shape(self, bulk: BulkTable, text: _Text, *, span: tuple[int, int]) -> Shape | None:
        source, bound = self._plain_rows(bulk, _IN_SPAN, span)
        found = self._session.one(
            f"SELECT STRAIGHT_JOIN v.entity_key, v.state FROM {source} AND v.entity_key NOT REGEXP %s "
            "ORDER BY v.lsn LIMIT 1",
            (*bound, KEY_EXCEPTIONS),
        )
        if found is None or text.place(str(found[1]), key=str(found[0])) is None:
            return None
        return text.last

    def _lines_of(self, bulk: BulkTable, shape: Shape, number: int, *, span: tuple[int, int]) -> list[bytes]:
        """The lines of all rows of a shape, as the server puts them together.

        A key that stands in its state as it is needs no escape in a line either; odd ones the receiver sorts out.
        """
        before, actors, after, rest = (p.encode() for p in (shape.before, shape.actors, shape.after, shape.rest))
        genesis, condition = "''", "TRUE"
        if shape.has_genesis:
            at = len(before) + len(actors) + 1
            genesis = f"SUBSTR(BINARY v.state, {at} + LENGTH(v.entity_key), {GENESIS_LENGTH})"
            condition = f"UNHEX({genesis}) IS NOT NULL"  # a tenth of what a regular expression costs
        values = f"SUBSTR({sets.values_sql(self._layout, bulk.table)}, 2)"
        source, bound = self._plain_rows(bulk, _IN_SPAN, span)
        (found,) = self._session.select(
            "SELECT GROUP_CONCAT(BINARY "
            f"""CONCAT('["', v.entity_key, '",', v.lsn, ',"', {genesis}, '",', %s, ',', {values}) SEPARATOR '\n'), """
            f"COUNT(*) FROM {source} AND {condition} "
            f"AND BINARY v.state = CONCAT(%s, v.entity_key, %s, {genesis}, %s, v.entity_key, %s)",
            (number, *bound, before, actors, after, rest),
        )
        text, count = found
        if text is None or len(text) >= LONGEST_GROUP:  # cut off, or too long altogether
            return []
        lines: list[bytes] = text.split(b"\n")
        return lines if len(lines) == count else []

    def _take_by_row(self, bulk: BulkTable, text: _Text, *, numbers: Sequence[int]) -> Iterator[int]:
        """Add rows one by one, whatever their shapes; yields the numbers of those that could be added."""
        source, bound = self._plain_rows(bulk, f"v.lsn IN ({marks(numbers)})", numbers)
        for lsn, key, state, values in self._session.select(
            f"SELECT STRAIGHT_JOIN v.lsn, v.entity_key, v.state, {sets.values_sql(self._layout, bulk.table)} "
            f"FROM {source} AND v.entity_key NOT REGEXP %s ORDER BY v.lsn",
            (*bound, KEY_EXCEPTIONS),
        ):
            place = text.place(str(state), key=str(key))
            if place is not None:
                number, genesis = place
                text.add([f'["{key}",{lsn},"{genesis}",{number},{values[1:]}'.encode()])
                yield int(lsn)

    def _plain_rows(self, bulk: BulkTable, numbered: str, numbers: Sequence[int]) -> tuple[str, tuple[object, ...]]:
        """SQL of the rows whose values are in the business row, from FROM to the end of WHERE."""
        table, layout = bulk.table, self._layout
        key = bulk_tables.as_key("v.entity_key", bulk.key)
        fixed = [*table.well_known.values(), 0]
        captured = (
            f"AND NOT EXISTS (SELECT 1 FROM {layout.own('dirty')} d "
            "WHERE d.entity = v.entity AND d.entity_key = v.entity_key)"
        )
        sql = (
            f"{layout.own('row_version')} v FORCE INDEX (i_row_version__lsn) "
            f"STRAIGHT_JOIN {table.sql} t ON t.{table.key_column} = {key} "
            f"AND BINARY t.{table.key_column} = BINARY {key}{sets.parents_sql(layout, table)} "
            f"WHERE {numbered} AND v.entity = %s AND v.complete = 0 AND {self._news.sql} "
            f"AND NOT {table.exclusion('t')} AND t.{table.local_id} NOT IN ({marks(fixed)}) "
            f"{captured if self._captures else ''}"
        )
        return sql, (*numbers, table.entity.name, *self._news.values, *fixed)
