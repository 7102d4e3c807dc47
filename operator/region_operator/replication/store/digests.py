"""Digests of what this region knows of its rows, computed in the database: what a full scan compares (ENGINE 27, 28).

Rows whose values are in the business row are kept as exactly the text that is hashed, so the database hashes them by
itself, whenever it writes one. The others (in conflict, deleted, waiting) are few and are hashed here.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from region_operator.naming import quote_identifier
from region_operator.replication.model import codec
from region_operator.replication.scans.digests import MODULUS, Digest, RowDigest, hash_of
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import chunks, marks

ALL: Final = 2**63 - 1

_HASH = "IFNULL(v.names_hash, 0)"


def digest(session: Session, layout: Layout, entity: str, *, after: str, upto: str, limit: int) -> Digest:
    """Of at most ``limit`` rows after one key, up to another one; ``upto`` "" is the end.

    Where the range ends is asked first: a sum of a limited list would be one of a copy of it.
    """
    last = _last(session, layout, entity, after=after, upto=upto, limit=limit) if limit != ALL else ""
    end = last or upto
    where, values = _range(after, end)
    row = session.one(
        f"SELECT COUNT(*), IFNULL(MAX(v.entity_key), ''), IFNULL(BIT_XOR({_HASH}), 0), "
        f"CAST(IFNULL(SUM({_HASH}), 0) AS CHAR), IFNULL(SUM(v.complete), 0) "
        f"FROM {layout.own('row_version')} v WHERE v.entity = %s AND {where} AND v.lsn IS NOT NULL",
        (entity, *values),
    )
    assert row is not None
    found = Digest(int(row[0]), int(row[2]), int(row[3]) % MODULUS, str(row[1]), cut=last not in ("", upto))
    if not int(row[4]):
        return found
    states = session.select(
        f"SELECT state FROM {layout.own('row_version')} v WHERE v.entity = %s AND {where} "
        "AND v.lsn IS NOT NULL AND v.complete",
        (entity, *values),
    )
    return found.plus(hash_of(codec.decode(text)) for (text,) in states)


def _last(session: Session, layout: Layout, entity: str, *, after: str, upto: str, limit: int) -> str:
    """The key of the last of so many rows of a range; "" if there are fewer."""
    where, values = _range(after, upto)
    row = session.one(
        f"SELECT v.entity_key FROM {layout.own('row_version')} v WHERE v.entity = %s AND {where} "
        "AND v.lsn IS NOT NULL ORDER BY v.entity_key LIMIT 1 OFFSET %s",
        (entity, *values, limit - 1),
    )
    return str(row[0]) if row is not None else ""


def parts(session: Session, layout: Layout, entity: str, *, after: str, upto: str, rows: int) -> Iterator[Digest]:
    """Of ranges of so many rows, one after the other; at least one."""
    while True:
        found = digest(session, layout, entity, after=after, upto=upto, limit=rows)
        yield found
        if not found.cut:
            return
        after = found.last


def ranges(session: Session, layout: Layout, entity: str, *, after: str, ends: Sequence[str]) -> Iterator[Digest]:
    """Of ranges, one after the other, that end with these keys."""
    for start, end in zip([after, *ends], ends, strict=False):
        yield digest(session, layout, entity, after=start, upto=end, limit=ALL)


def hashes(session: Session, layout: Layout, entity: str, *, after: str, upto: str, limit: int) -> dict[str, int]:
    """Of the rows of a range, one by one: as one text, which takes a tenth of the time that so many rows would."""
    where, values = _range(after, upto)
    row = session.one(
        "SELECT JSON_OBJECTAGG(entity_key, h), JSON_ARRAYAGG(IF(complete, entity_key, NULL)) "
        f"FROM (SELECT v.entity_key, v.complete, {_HASH} AS h FROM {layout.own('row_version')} v "
        f"WHERE v.entity = %s AND {where} AND v.lsn IS NOT NULL ORDER BY v.entity_key LIMIT %s) found",
        (entity, *values, limit),
    )
    assert row is not None
    found: dict[str, int] = json.loads(row[0]) if row[0] else {}
    complete = [key for key in json.loads(row[1] or "[]") if key is not None]
    for piece in chunks(complete):
        for key, text in session.select(
            f"SELECT entity_key, state FROM {layout.own('row_version')} "
            f"WHERE entity = %s AND entity_key IN ({marks(piece)})",
            (entity, *piece),
        ):
            found[str(key)] = hash_of(codec.decode(text))
    return found


def rows_of(session: Session, layout: Layout, entity: str, keys: Collection[str]) -> list[RowDigest]:
    """Rows by key; those that are not known are left out, but for those that wait to be known."""
    found: list[RowDigest] = []
    for piece in chunks(sorted(keys)):
        condition = f"v.entity = %s AND v.entity_key IN ({marks(piece)}) AND v.lsn IS NOT NULL"
        found += _rows(session, layout, entity, condition, entity, *piece)
        known = {row.key for row in found}
        unmerged = session.select(
            f"SELECT DISTINCT entity_key FROM {layout.own('parked')} WHERE entity = %s "
            f"AND entity_key IN ({marks(piece)}) AND payload IS NOT NULL",
            (entity, *piece),
        )
        found += [RowDigest(str(key), 0, 0, aside=True) for (key,) in unmerged if key not in known]
    return found


def _range(after: str, upto: str) -> tuple[str, tuple[str, ...]]:
    if upto:
        return "v.entity_key > %s AND v.entity_key <= %s", (after, upto)
    return "v.entity_key > %s", (after,)


def _rows(session: Session, layout: Layout, entity: str, condition: str, *values: Any) -> list[RowDigest]:
    unmerged = (
        f"EXISTS (SELECT 1 FROM {layout.own('parked')} p WHERE p.entity = v.entity AND p.entity_key = v.entity_key "
        "AND p.payload IS NOT NULL)"
    )
    found = session.select(
        f"SELECT v.entity_key, {_HASH}, v.lsn, IF(v.complete, v.state, NULL), {unmerged} OR {_purged(layout, entity)} "
        f"FROM {layout.own('row_version')} v WHERE {condition}",
        values,
    )
    return [
        RowDigest(str(key), int(number) if text is None else hash_of(codec.decode(text)), int(lsn), bool(aside))
        for key, number, lsn, text, aside in found
    ]


def _purged(layout: Layout, entity: str) -> str:
    """SQL that is true for a row of an append-only entity that was purged here: nobody is sent it any more."""
    table = layout.tables[entity]
    if not table.entity.append_only:
        return "FALSE"
    column = quote_identifier(str(table.entity.key_column))
    return f"(NOT v.complete AND NOT EXISTS (SELECT 1 FROM {table.sql} t WHERE t.{column} = v.entity_key))"
