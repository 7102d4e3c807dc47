"""Whether the rows of a range are as they were versioned, told by two sums in one snapshot (ENGINE 27, 28).

One sums up the hashes that were kept with the versions, the other the rows as they stand. Each table is read once, in
its own order, and no row is looked up by another one's key. A row counts with its key, so values that two rows swapped
do not cancel out. Rows that no version speaks for (captured and not versioned yet, or with their values in the version)
are few and are taken out of both. Where the sums differ, rows are looked at one by one (``contents``).
"""

import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from region_operator.replication.feed import RowKey
from region_operator.replication.store import bulk_tables, capture, contents
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import marks

MOST_CAPTURED: Final = 1000
"""Captured changes of a range that are taken out; with more, rows are looked at one by one."""

MOST_UNNAMED: Final = 10_000
"""Rows beside those that versions name that may be summed up too: somebody may have loaded a whole table."""

_SPREAD: Final = 2**32 + 1
"""Times a CRC, which fills 64 bits."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Of hashes by key."""

    rows: int
    total: int

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Sum":
        return cls(int(row[0]), int(row[1]))

    def without(self, other: "Sum") -> "Sum":
        return Sum(self.rows - other.rows, self.total - other.total)


def sum_of(hashes: Iterable[tuple[str, int]]) -> Sum:
    """The same as the database's sums."""
    mixed = [number ^ zlib.crc32(key.encode()) * _SPREAD for key, number in hashes]
    return Sum(len(mixed), sum(mixed))


def are_as_versioned(session: Session, layout: Layout, entity: str, *, after: str, upto: str) -> bool:
    """Tell whether rows of a range and their versions are the same; ``upto`` "" is the end.

    False also where nobody can tell at once: rows have to be looked at then.
    """
    table = layout.tables[entity]
    if not contents.is_checked(table):
        return False
    collation = bulk_tables.key_collation(session, layout, table)
    return _Range(session, layout, table, after, upto, collation).is_as_versioned()


def _total(hash_: str, key: str) -> str:
    """Of ``hash_``, the costly part, one more mention would be one more computation."""
    mixed = f"SUM({hash_} ^ (CRC32({key}) * {_SPREAD}))"
    return f"CAST(IFNULL({mixed}, 0) AS CHAR)"


@dataclass(frozen=True, slots=True)
class _Range:
    """Rows of one entity in a range of keys, in a snapshot."""

    session: Session
    layout: Layout
    table: Table
    after: str
    upto: str
    collation: str

    def is_as_versioned(self) -> bool:
        captured = self._captured()
        if len(captured) > MOST_CAPTURED:
            return False
        fixed = [key for key in self.table.well_known if self.after < key and (not self.upto or key <= self.upto)]
        known = self._kept_of({*captured, *fixed})
        if any(self.table.entity.is_synced(key) and key not in known for key in set(fixed) - set(captured)):
            return False  # no version names it
        rows, complete, kept = self._kept()
        kept = kept.without(sum_of((key, number) for key, number in known.items() if number is not None))
        if self._is_longer_than(rows + MOST_UNNAMED):
            return False
        stands = self._stands()
        if complete:
            stands = stands.without(self._complete(captured))
        names = [RowKey(self.table.entity.name, key) for key in captured]
        changing = contents.hashes(self.session, self.layout, names)
        return kept == stands.without(sum_of((row.key, number) for row, number in changing.items()))

    def _captured(self) -> list[str]:
        """Rows with captured changes, one more than are wanted at most."""
        condition, values = self._keys("entity_key", "%s")
        return [
            str(key)
            for (key,) in self.session.select(
                f"SELECT DISTINCT entity_key FROM {self.layout.own('dirty')} "
                f"WHERE entity = %s AND {condition} LIMIT %s",
                (self.table.entity.name, *values, MOST_CAPTURED + 1),
            )
        ]

    def _kept(self) -> tuple[int, int, Sum]:
        """How many versions there are, how many of these have their values in them, and the sum of the others."""
        condition, values = self._keys("v.entity_key", "%s")
        hash_ = "IF(v.complete, NULL, v.content_hash)"
        row = self.session.one(
            f"SELECT COUNT(*), IFNULL(SUM(v.complete), 0), COUNT({hash_}), {_total(hash_, 'v.entity_key')} "
            f"FROM {self.layout.own('row_version')} v WHERE v.entity = %s AND {condition} AND v.lsn IS NOT NULL",
            (self.table.entity.name, *values),
        )
        assert row is not None
        return int(row[0]), int(row[1]), Sum.of(row[2:])

    def _kept_of(self, keys: Collection[str]) -> dict[str, int | None]:
        """Of rows that have a version; None of one that has its values in it."""
        if not keys:
            return {}
        found = self.session.select(
            f"SELECT entity_key, IF(complete, NULL, content_hash) FROM {self.layout.own('row_version')} "
            f"WHERE entity = %s AND entity_key IN ({marks(sorted(keys))}) AND lsn IS NOT NULL",
            (self.table.entity.name, *sorted(keys)),
        )
        return {str(key): None if number is None else int(number) for key, number in found}

    def _is_longer_than(self, rows: int) -> bool:
        """Told from the index of keys."""
        condition, values = self._keys(f"t.{self.table.key_column}", self._as_key("%s"))
        found = self.session.one(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM {self.table.sql} t WHERE {condition} LIMIT %s) found",
            (*values, rows + 1),
        )
        return found is not None and int(found[0]) > rows

    def _stands(self) -> Sum:
        """Of the business rows of the range."""
        condition, values = self._keys(f"t.{self.table.key_column}", self._as_key("%s"))
        return self._sum(f"{self.table.sql} t", f"{condition} AND {self._counts()}", values)

    def _complete(self, captured: Collection[str]) -> Sum:
        """Of business rows whose values are in their versions, but for captured ones."""
        key = self._as_key("v.entity_key")
        condition, values = self._keys("v.entity_key", "%s")
        listed = ["", *captured]
        return self._sum(
            f"{self.layout.own('row_version')} v FORCE INDEX (PRIMARY) STRAIGHT_JOIN {self.table.sql} t "
            f"ON t.{self.table.key_column} = {key} AND BINARY t.{self.table.key_column} = BINARY {key}",
            f"v.entity = %s AND {condition} AND v.lsn IS NOT NULL AND v.complete "
            f"AND v.entity_key NOT IN ({marks(listed)}) AND {self._counts()}",
            (self.table.entity.name, *values, *listed),
        )

    def _sum(self, tables: str, condition: str, values: Sequence[Any]) -> Sum:
        key = f"CONVERT(t.{self.table.key_column} USING utf8mb4)"
        total = _total(contents.hash_sql(self.table, "t"), key)
        row = self.session.one(f"SELECT COUNT(*), {total} FROM {tables} WHERE {condition}", values)
        assert row is not None
        return Sum.of(row)

    def _counts(self) -> str:
        ids = sorted(self.table.well_known.values())
        fixed = f" AND t.{self.table.local_id} NOT IN ({', '.join(map(str, ids))})" if ids else ""
        return f"{capture.counts(self.table, 't')}{fixed}"

    def _keys(self, column: str, bound: str) -> tuple[str, tuple[str, ...]]:
        conditions = [f"{column} > {bound}" if self.after else f"{column} IS NOT NULL"]
        conditions += [f"{column} <= {bound}"] if self.upto else []
        return " AND ".join(conditions), tuple(key for key in (self.after, self.upto) if key)

    def _as_key(self, expression: str) -> str:
        return bulk_tables.as_key(expression, self.collation)
