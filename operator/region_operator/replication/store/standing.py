"""Rows as they stand, looked at once for all that is asked of them, beside the hash of what they hold.

Asked one after the other, each question would find the rows anew.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Field
from region_operator.replication.model.state import Scalar
from region_operator.replication.store import contents, sets
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import chunks, marks


@dataclass(frozen=True, slots=True)
class Standing:
    """A locked row.

    Attributes:
        presentable: not removed, and all of its references have a key, so that it travels as it stands.
        content_hash: None where none is kept of its entity.
    """

    local_id: int
    presentable: bool
    content_hash: int | None


def lock(session: Session, layout: Layout, table: Table, keys: Collection[str]) -> dict[str, Standing]:
    """Lock rows of the entity by key; what is held by a writer is left out. Parents are read, not locked."""
    conditions = [f"t.{quote_identifier(table.entity.removed)} IS NULL"] if table.entity.removed is not None else []
    conditions += [_has_named_parent(layout, table, number, field) for number, field in enumerate(table.references)]
    found = {}
    for piece in chunks(sorted(keys)):
        wanted = frozenset(piece)
        for local_id, key, presentable, content_hash in session.select(
            f"SELECT t.{table.local_id}, t.{table.key_column}, {' AND '.join(conditions) or 'TRUE'}, {_hash(table)} "
            f"FROM {table.sql} t WHERE t.{table.key_column} IN ({marks(piece)}) AND NOT {table.exclusion('t')} "
            "FOR UPDATE SKIP LOCKED",
            piece,
        ):
            if key in wanted and int(local_id) not in table.well_known.values():
                found[str(key)] = Standing(int(local_id), bool(presentable), content_hash)
    return found


@dataclass(frozen=True, slots=True)
class Written:
    """What became of rows that were written, by local id.

    Attributes:
        differ: the columns that do not hold what was meant, where any do not.
        hashes: of the contents, where one is kept.
    """

    differ: Mapping[int, frozenset[str]]
    hashes: Mapping[int, int]


def look(session: Session, layout: Layout, table: Table, meant: Mapping[int, Sequence[Scalar]]) -> Written:
    """Compare rows with what was meant, in the order of ``table.entity.columns``, references as keys.

    A digest of what travels tells the rows that hold just that; only of the others is it asked where they differ.
    """
    members = ", ".join(sets.travels(layout, table, field, column) for field, column in sets.columns(table))
    others, hashes = {}, {}
    for piece in chunks(sorted(meant)):
        for local_id, digest, content_hash in session.select(
            f"SELECT t.{table.local_id}, MD5(JSON_ARRAY({members})), {_hash(table)} "
            f"FROM {table.sql} t{sets.parents_sql(layout, table)} WHERE t.{table.local_id} IN ({marks(piece)})",
            piece,
        ):
            if digest != _digest(meant[local_id]):
                others[local_id] = meant[local_id]
            if content_hash is not None:
                hashes[local_id] = content_hash
    return Written(sets.differences(session, layout, table, others) if others else {}, hashes)


def _digest(values: Sequence[Scalar]) -> str:
    """As the server makes it of texts, but for rare escapes, which the closer look settles."""
    text = json.dumps([None if value is None else str(value) for value in values], ensure_ascii=False)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _hash(table: Table) -> str:
    return contents.hash_sql(table, "t") if contents.is_checked(table) else "NULL"


def _has_named_parent(layout: Layout, table: Table, number: int, field: Field) -> str:
    """SQL that is true for a row ``t`` whose reference travels."""
    assert field.reference is not None
    parent, own, alias = layout.tables[field.reference], f"t.{quote_identifier(field.name)}", f"p{number}"
    named = (
        f"EXISTS (SELECT 1 FROM {parent.sql} {alias} WHERE {alias}.{parent.local_id} = {own} "
        f"AND NOT {parent.exclusion(alias)} AND {sets.travels(layout, table, field, field.columns[0])} IS NOT NULL)"
    )
    return f"({own} IS NULL OR {named})" if field.columns[0].nullable else named
