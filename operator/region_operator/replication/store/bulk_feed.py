"""Pages for a receiver that is far behind: plain rows as text that databases write and read, a few thousand at a time.

The server puts the values of a row together; the agent only takes the row's key and genesis out of its state. What does
not fit is left for the ordinary way, in the same page.
"""

from dataclasses import dataclass, field

from region_operator.replication.feed import BulkRows, FeedRequest
from region_operator.replication.model import shapes
from region_operator.replication.model.shapes import KEY_EXCEPTIONS, Shape
from region_operator.replication.store import bulk_tables, sets, versions
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import marks
from region_operator.replication.store.versions import NewsFor

MOST_ROWS = 8000
MOST_BYTES = 3 * 1024 * 1024
STEP = 2000
"""Rows that are read at once; between two steps the page's size is looked at."""

MOST_SHAPES = 24
"""Of one entity in a page, whose head is bounded; rows of further shapes go the ordinary way."""


@dataclass
class _Text:
    """Rows of one entity, growing."""

    lines: list[str] = field(default_factory=list)
    shapes: dict[Shape, int] = field(default_factory=dict)
    size: int = 0
    last: Shape | None = None

    def add(self, *, key: str, lsn: int, state: str, values: str) -> bool:
        found = self._place(state, key=key)
        if found is None:
            return False
        number, genesis = found
        line = f'["{key}",{lsn},"{genesis}",{number},{values[1:]}'
        self.lines.append(line)
        self.size += len(line)
        return True

    def _place(self, state: str, *, key: str) -> tuple[int, str] | None:
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
            "\n".join(self.lines).encode(),
        )


@dataclass(frozen=True)
class Bulk:
    """What of the changes up to ``reached`` goes as text, and the numbers of those that do not."""

    rows: tuple[BulkRows, ...]
    others: tuple[int, ...]
    reached: int


def read(session: Session, layout: Layout, request: FeedRequest, *, after: int) -> Bulk:
    """Read on from ``after`` until the page is full; ``reached`` is ``after`` where there is nothing more."""
    found = {name: bulk_tables.find(session, layout, table) for name, table in layout.tables.items()}
    tables = {name: table for name, table in found.items() if table is not None and layout.exchanges(name)}
    texts: dict[str, _Text] = {}
    others: list[int] = []
    reached, count = after, 0
    news = NewsFor.of(peer=request.peer, history=request.peer_history)
    while (
        count < MOST_ROWS and sum(text.size for text in texts.values()) < MOST_BYTES and len(others) < request.max_rows
    ):
        step = versions.after_by_entity(session, layout, lsn=reached, limit=STEP, news=news)
        if not step:
            break
        taken: set[int] = set()
        for entity in set(step.values()) & tables.keys():
            text = texts.setdefault(entity, _Text())
            taken |= _take(session, layout, tables[entity], text, news=news, span=(reached, max(step)))
        others += [lsn for lsn, entity in step.items() if lsn not in taken and layout.exchanges(entity)]
        count += len(step)
        reached = max(step)
    rows = tuple(text.rows(layout.tables[entity]) for entity, text in texts.items() if text.lines)
    return Bulk(rows, tuple(others), reached)


def _take(
    session: Session, layout: Layout, bulk: BulkTable, text: _Text, *, news: NewsFor, span: tuple[int, int]
) -> set[int]:
    """Add the rows of an entity whose numbers are in ``span``; returns which could be added.

    Left out: what this peer sent, rows with captured changes, rows that the business row does not hold.
    """
    table = bulk.table
    key = bulk_tables.as_key("v.entity_key", bulk.key)
    fixed = [*table.well_known.values(), 0]
    taken = set()
    for lsn, name, state, values in session.select(
        f"SELECT STRAIGHT_JOIN v.lsn, v.entity_key, v.state, {sets.values_sql(layout, table)} "
        f"FROM {layout.own('row_version')} v FORCE INDEX (i_row_version__lsn) "
        f"JOIN {table.sql} t ON t.{table.key_column} = {key} AND BINARY t.{table.key_column} = BINARY {key}"
        f"{sets.parents_sql(layout, table)} "
        "WHERE v.lsn > %s AND v.lsn <= %s AND v.entity = %s AND v.complete = 0 "
        f"AND {news.sql} AND v.entity_key NOT REGEXP %s AND NOT {table.exclusion('t')} "
        f"AND t.{table.local_id} NOT IN ({marks(fixed)}) AND NOT EXISTS (SELECT 1 FROM {layout.own('dirty')} d "
        "WHERE d.entity = v.entity AND d.entity_key = v.entity_key) ORDER BY v.lsn",
        (*span, table.entity.name, *news.values, KEY_EXCEPTIONS, *fixed),
    ):
        if text.add(key=str(name), lsn=int(lsn), state=str(state), values=str(values)):
            taken.add(int(lsn))
    return taken
