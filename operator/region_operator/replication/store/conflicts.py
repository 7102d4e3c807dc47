"""What concurrent writers disagreed about, for people: every value with its write, secrets as fingerprints."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from region_operator.errors import InvalidInput
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import RowKey
from region_operator.replication.model.projection import FieldConflict, Projection
from region_operator.replication.model.rules import UniqueClash
from region_operator.replication.model.state import Pair, RowState, Value
from region_operator.replication.model.vectors import Dot, VersionVector, region_of
from region_operator.replication.records import ConflictRecord, ConflictValue
from region_operator.replication.store.connections import Row, Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import marks

UNIQUE_CLASH = "UniqueClash"
CYCLE = "Cycle"


def dot_text(dot: Dot) -> str:
    """``<counter>@<actor>``; for people and for ``restore``."""
    return f"{dot.counter}@{dot.actor}"


def record(session: Session, layout: Layout, state: RowState, projection: Projection, *, source: int) -> int:
    """Record the conflicts of a row once each and close those that are gone; returns how many are new."""
    entity, row = layout.tables[state.entity].entity, RowKey(state.entity, state.key)
    present = {(c.field, _fingerprint(c)): c for c in projection.conflicts}
    known = {
        (str(name), str(mark)): int(id_)
        for id_, name, mark in session.select(
            f"SELECT id, field, fingerprint FROM {layout.own('conflict')} "
            "WHERE entity = %s AND entity_key = %s AND kind NOT IN (%s, %s) AND state <> 'Closed'",
            (row.entity, row.key, UNIQUE_CLASH, CYCLE),
        )
    }
    close(session, layout, [id_ for mark, id_ in known.items() if mark not in present])
    new = 0
    for (name, mark), conflict in present.items():
        if (name, mark) not in known:
            document = _document(entity, conflict, seen=state.vector)
            status = "Open" if conflict.open else "Settled"
            found = _New(name, conflict.kind.value, conflict.rule, mark, document, status)
            new += _insert(session, layout, row, found, source=source)
    return new


def record_clash(
    session: Session, layout: Layout, row: RowKey, other: RowKey, *, source: int, rule: UniqueClash = UniqueClash.PARK
) -> int:
    """Record that two rows want one name, once per pair; open if nobody but a person will settle it; 1 if it is new."""
    mark = hashlib.md5(f"{other.entity}\0{other.key}".encode(), usedforsecurity=False).hexdigest()
    document = {"values": [], "chosen": "", "other": [other.entity, other.key]}
    state = "Open" if rule is UniqueClash.PARK else "Settled"
    return _insert(session, layout, row, _New("name", UNIQUE_CLASH, rule.value, mark, document, state), source=source)


def record_adoption(session: Session, layout: Layout, row: RowKey, adopter: RowKey, *, source: int) -> None:
    """Say that a row has become an alias, also where nobody saw the two clash; there is nothing left to decide."""
    record_clash(session, layout, row, adopter, source=source, rule=UniqueClash.ADOPT)
    close_clashes(session, layout, [row])


def record_cycle(session: Session, layout: Layout, row: RowKey, parent: RowKey, *, source: int) -> int:
    """Record that a row is shown elsewhere, because under ``parent`` it would be below itself."""
    mark = hashlib.md5(f"{parent.entity}\0{parent.key}".encode(), usedforsecurity=False).hexdigest()
    document = {"values": [], "chosen": "", "other": [parent.entity, parent.key]}
    return _insert(session, layout, row, _New("parent", CYCLE, "GreatestDot", mark, document, "Settled"), source=source)


def close_clashes(session: Session, layout: Layout, rows: Iterable[RowKey]) -> None:
    """The rows are visible now, so whatever they clashed with has given way."""
    _close_kind(session, layout, rows, kind=UNIQUE_CLASH)


def close_cycles(session: Session, layout: Layout, rows: Iterable[RowKey]) -> None:
    _close_kind(session, layout, rows, kind=CYCLE)


def _close_kind(session: Session, layout: Layout, rows: Iterable[RowKey], *, kind: str) -> None:
    for row in rows:
        session.execute(
            f"UPDATE {layout.own('conflict')} SET state = 'Closed', closed_at = UTC_TIMESTAMP(6) "
            "WHERE entity = %s AND entity_key = %s AND kind = %s AND state <> 'Closed'",
            (row.entity, row.key, kind),
        )


def close(session: Session, layout: Layout, ids: Iterable[int]) -> None:
    for id_ in ids:
        session.execute(
            f"UPDATE {layout.own('conflict')} SET state = 'Closed', closed_at = UTC_TIMESTAMP(6) WHERE id = %s", (id_,)
        )


def outdated(session: Session, layout: Layout, *, days: int, limit: int) -> list[int]:
    """Closed records that were closed longer ago than ``days`` by the database's clock."""
    return [
        int(row[0])
        for row in session.select(
            f"SELECT id FROM {layout.own('conflict')} WHERE state = 'Closed' "
            "AND closed_at < UTC_TIMESTAMP(6) - INTERVAL %s DAY LIMIT %s",
            (days, limit),
        )
    ]


def forget(session: Session, layout: Layout, ids: Sequence[int]) -> int:
    """Delete records by number, but for those that are not closed any more; returns how many went."""
    if not ids:
        return 0
    return session.execute(
        f"DELETE FROM {layout.own('conflict')} WHERE id IN ({marks(ids)}) AND state = 'Closed'", tuple(ids)
    )


def listed(
    session: Session, layout: Layout, *, state: str | None, before: int | None = None, limit: int
) -> list[ConflictRecord]:
    """Records, the latest first, with numbers below ``before``."""
    conditions = {"state = %s": state, "id < %s": before}
    given = {condition: value for condition, value in conditions.items() if value is not None}
    return [
        _parse(row)
        for row in session.select(
            "SELECT id, entity, entity_key, field, kind, rule, state, record, source, opened_at, closed_at "
            f"FROM {layout.own('conflict')} WHERE {' AND '.join(given) or 'TRUE'} ORDER BY id DESC LIMIT %s",
            (*given.values(), limit),
        )
    ]


def find(session: Session, layout: Layout, conflict_id: int) -> ConflictRecord:
    row = session.one(
        "SELECT id, entity, entity_key, field, kind, rule, state, record, source, opened_at, closed_at "
        f"FROM {layout.own('conflict')} WHERE id = %s",
        (conflict_id,),
    )
    if row is None:
        raise InvalidInput(
            field="conflict", problem=f"there is no conflict {conflict_id}", remedy="list them", reason="NotFound"
        )
    return _parse(row)


@dataclass(frozen=True)
class _New:
    field: str
    kind: str
    rule: str
    mark: str
    document: Mapping[str, Any]
    state: str


def _insert(session: Session, layout: Layout, row: RowKey, new: _New, *, source: int) -> int:
    changed = session.execute(
        f"INSERT INTO {layout.own('conflict')} "
        "(entity, entity_key, field, kind, rule, fingerprint, record, state, source, opened_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6)) "
        "ON DUPLICATE KEY UPDATE rule = VALUES(rule), state = VALUES(state), closed_at = NULL",
        (
            *(row.entity, row.key, new.field[:64], new.kind, new.rule, new.mark),
            *(json.dumps(new.document), new.state, source),
        ),
    )
    return int(changed == 1)  # else it was there


def _fingerprint(conflict: FieldConflict) -> str:
    dots = sorted(dot_text(pair.dot) for pair in (conflict.winner, *conflict.losers))
    return hashlib.md5("\0".join([conflict.kind.value, *dots]).encode(), usedforsecurity=False).hexdigest()


def _document(entity: Entity, conflict: FieldConflict, *, seen: VersionVector) -> dict[str, Any]:
    secret = any(field.name == conflict.field and field.secret for field in entity.fields)
    pairs = sorted({conflict.winner, *conflict.losers}, key=lambda pair: pair.dot)
    return {
        "values": [[dot_text(pair.dot), _shown(pair, secret=secret), region_of(pair.dot.actor)] for pair in pairs],
        "chosen": dot_text(conflict.winner.dot),
        "vector": dict(seen.items()),
    }


def _shown(pair: Pair, *, secret: bool) -> Value | list[Any]:
    if not secret:
        return list(pair.value) if isinstance(pair.value, tuple) else pair.value
    digest = hashlib.sha256(f"{dot_text(pair.dot)}\0{pair.value!r}".encode()).hexdigest()[:8]
    return f"(secret {digest})"


def _parse(row: Row) -> ConflictRecord:
    id_, entity, key, name, kind, rule, state, text, source, opened, closed = row
    document = json.loads(text)
    other = document.get("other")
    return ConflictRecord(
        id=int(id_),
        row=RowKey(entity, key),
        field=name,
        kind=kind,
        rule=rule,
        state=state,
        values=tuple(ConflictValue(*value) for value in document["values"]),
        chosen=document["chosen"],
        vector=tuple(sorted(document.get("vector", {}).items())),
        source=int(source),
        opened_at=opened,
        closed_at=closed,
        other=RowKey(*other) if other else None,
    )
