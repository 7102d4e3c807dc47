"""The parts in which rows that came by the bulk are applied: each a transaction; none hangs on what is not here yet."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from region_operator.replication.feed import BulkRows
from region_operator.replication.store import bulk_tables
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.bulk_update import AT_ONCE
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import chunks
from region_operator.replication.store.schema import KEY_LENGTH

_BEFORE_VALUES: Final = 4
"""Of a line: key, number, genesis and shape."""

_KEY: Final = re.compile(rb'\["([A-Za-z0-9._:-]{1,%d})"' % KEY_LENGTH)


@dataclass(frozen=True)
class BulkPage:
    """Rows of a page in the order in which they are applied.

    Attributes:
        tables: those that are fit, by entity.
        parts: each for a transaction of its own.
    """

    tables: Mapping[str, BulkTable]
    parts: tuple[BulkRows, ...]


def part(session: Session, layout: Layout, pages: Sequence[BulkRows]) -> BulkPage:
    """Parents first. Rows that are known here live writers may want too, so they go some at a time (ENGINE 22)."""
    parts = list[BulkRows]()
    for rows in sorted(pages, key=lambda rows: layout.depth(rows.entity) if rows.entity in layout.tables else -1):
        lines = rows.text.split(b"\n")
        if rows.count > AT_ONCE and knows_first(session, layout, rows.entity, lines):
            parts += (replace(rows, count=len(some), text=b"\n".join(some)) for some in chunks(lines, AT_ONCE))
        else:
            parts.append(rows)
    return BulkPage(bulk_tables.find(session, layout), tuple(parts))


def apart(rows: BulkRows, left: Collection[BulkRows], *, layout: Layout) -> tuple[list[BulkRows], list[BulkRows]]:
    """Part rows from those that refer to one that is left: it may be another thing here under its key (ENGINE 8)."""
    unsure = dict[int, set[str]]()
    table = layout.tables.get(rows.entity)
    for field in table.references if table is not None else ():
        keys = {
            str(_values(line)[0]) for one in left if one.entity == field.reference for line in one.text.split(b"\n")
        }
        if keys and table is not None:
            unsure[_BEFORE_VALUES + table.entity.columns.index(field.name)] = keys
    if not unsure:
        return [rows], []
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for line in rows.text.split(b"\n"):
        values = _values(line)
        hangs = len(values) <= max(unsure) or any(str(values[place]) in keys for place, keys in unsure.items())
        sides[hangs].append(line)
    sure, hanging = ([replace(rows, count=len(s), text=b"\n".join(s))] if s else [] for s in sides)
    return sure, hanging


def _values(line: bytes) -> Sequence[object]:
    """What a line says; of one that is none, which `as_rows` refuses, nothing but an empty key."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ("",)
    return found if isinstance(found, list) and found else ("",)


def knows_first(session: Session, layout: Layout, entity: str, lines: Sequence[bytes]) -> bool:
    """Tell whether the first of these rows, and so probably most of them, is known here."""
    key = _KEY.match(lines[0])
    if key is None:
        return False
    found = f"SELECT 1 FROM {layout.own('row_version')} WHERE entity = %s AND entity_key = %s AND lsn IS NOT NULL"
    return session.one(found, (entity, key[1].decode())) is not None
