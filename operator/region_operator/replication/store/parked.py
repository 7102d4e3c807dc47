"""Rows that are stored and forwarded, but not (or not wholly) visible here: why, and what they wait for."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from region_operator.errors import Refused
from region_operator.replication.feed import PARKING_FULL, RowKey
from region_operator.replication.records import Counts, ParkedKey, ParkedRow
from region_operator.replication.store.connections import Row, Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import by_entity, chunks, marks

DEFERRED: Final = "DeferredReference"
"""The row is visible, one of its references is not there yet; nobody has to do anything."""

CYCLE: Final = "Cycle"
"""The row is visible under another parent than the one it has."""

VISIBLE: Final = frozenset({DEFERRED, CYCLE})
"""Reasons of rows that one sees, and that wait quietly, for as long as it takes."""

ORIGIN: Final = "OriginRefused"
"""The row brings writes of a region that the policy does not accept; waits for another policy, not for time."""

FORGED: Final = "ForgedVersion"
"""The row claims writes of this region that it never made."""

BELOW_ITSELF: Final = "BelowItself"
"""Its new parent is still shown below the row, where its name holds it back: waits for that one, which people see."""

QUIET: Final = VISIBLE | {ORIGIN, BELOW_ITSELF}
"""Reasons for which nobody has to do anything; such rows are never dead letters."""

PARTNER: Final = "UniquePartner"
"""A name is taken by a row that may have given it up at the source already: fetched first, only then a clash."""

CLASH: Final = "UniqueClash"
LOCKED: Final = "RowLocked"
_MOST_WOKEN: Final = 10_000
_PATIENCE_S: Final = 10 * 365 * 86400


@dataclass(frozen=True)
class Parking:
    """How long and how often parked rows are tried again.

    Attributes:
        max_rows: source region -> rows of it that may wait here; a source that is not named has no limit.
    """

    retry_max_s: int = 300
    dead_letter_after_s: int = 86400
    max_rows: Mapping[int, int] = field(default_factory=dict)

    @property
    def least_tries(self) -> int:
        """Tries whose waits last ``dead_letter_after_s``: age alone may be a clock that was set forward."""
        tries, left_s, wait_s = 1, self.dead_letter_after_s, 1
        while left_s > 0 and wait_s < self.retry_max_s:
            tries, left_s, wait_s = tries + 1, left_s - wait_s, wait_s * 2
        return tries + math.ceil(max(0, left_s) / max(1, self.retry_max_s))


@dataclass(frozen=True)
class Reason:
    """Why a row is parked.

    Attributes:
        payload: the state as received, where it could not be joined.
        columns: of a name that is taken.
    """

    name: str
    message: str
    waits_for: RowKey | None = None
    payload: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """A parked row that is due."""

    row: RowKey
    source: int
    reason: str
    payload: str | None


def park(session: Session, layout: Layout, row: RowKey, reason: Reason, *, source: int, parking: Parking) -> None:
    """Park a row or try it again later; waits double up to the limit, until it is a dead letter."""
    waits = reason.waits_for
    first_s = 0 if reason.name in (LOCKED, PARTNER) else _PATIENCE_S if reason.name == ORIGIN else 1
    session.execute(
        f"INSERT INTO {layout.own('parked')} (entity, entity_key, source, reason, message, payload, waits_entity, "
        "waits_key, attempts, parked_at, next_try) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, UTC_TIMESTAMP(6), "
        "UTC_TIMESTAMP(6) + INTERVAL %s SECOND) ON DUPLICATE KEY UPDATE reason = VALUES(reason), "
        "message = VALUES(message), payload = VALUES(payload), waits_entity = VALUES(waits_entity), "
        "waits_key = VALUES(waits_key), "
        "state = IF(attempts + 1 >= %s AND parked_at < UTC_TIMESTAMP(6) - INTERVAL %s SECOND, 'Dead', 'Parked'), "
        "next_try = UTC_TIMESTAMP(6) + INTERVAL GREATEST(%s, LEAST(%s, POW(2, LEAST(attempts, 20)))) SECOND, "
        "attempts = attempts + 1",
        (
            *(row.entity, row.key, source, reason.name, reason.message[:1000], reason.payload),
            *((waits.entity, waits.key) if waits else (None, None)),
            *(first_s, parking.least_tries),
            _PATIENCE_S if reason.name in QUIET else parking.dead_letter_after_s,
            *(first_s, parking.retry_max_s),
        ),
    )


def check_room(session: Session, layout: Layout, source: int, *, parking: Parking) -> None:
    """Raise Refused (``ParkingFull``) while as many rows of a source wait as may; rows that one sees do not count."""
    limit = parking.max_rows.get(source)
    if limit is None:
        return
    row = session.one(
        f"SELECT COUNT(*) FROM {layout.own('parked')} WHERE source = %s AND state <> 'Skipped' "
        f"AND reason NOT IN ({_quoted(VISIBLE)})",
        (source,),
    )
    assert row is not None
    if int(row[0]) >= limit:
        raise Refused(
            reason=PARKING_FULL,
            message=f"{row[0]} rows of region {source} wait to become visible here, parking.maxRows is {limit}; "
            "settle, retry or skip some, or raise the limit",
        )


def release(session: Session, layout: Layout, rows: Iterable[RowKey], *, source: int) -> None:
    """The rows are visible; nothing is parked of them any more but states of other regions that were not joined."""
    session.execute_each(
        f"DELETE FROM {layout.own('parked')} "
        "WHERE entity = %s AND entity_key = %s AND (payload IS NULL OR source = %s)",
        [(row.entity, row.key, source) for row in rows],
    )


def waiting_for(session: Session, layout: Layout, rows: Collection[RowKey]) -> list[Waiting]:
    """Parked rows whose wait ends with a change of these rows."""
    found: list[Waiting] = []
    if not rows or session.one(f"SELECT 1 FROM {layout.own('parked')} LIMIT 1") is None:
        return found
    for entity, keys in by_entity(rows).items():
        for piece in chunks(keys):
            condition = f"waits_entity = %s AND waits_key IN ({marks(piece)})"
            found += _waiting(session, layout, condition, (entity, *piece), limit=_MOST_WOKEN)
    return found


def due(session: Session, layout: Layout, *, parking: Parking, limit: int) -> list[Waiting]:
    """Rows whose time has come; those of entities that are left out wait until they are taken again.

    A row that would have to wait for longer than anybody waits was given its time before the clock was set back.
    """
    left_out = sorted(layout.left_out)
    exchanged = f" AND entity NOT IN ({marks(left_out)})" if left_out else ""
    condition = (
        "state = 'Parked' AND (next_try <= UTC_TIMESTAMP(6) OR "
        f"(next_try > UTC_TIMESTAMP(6) + INTERVAL %s SECOND AND reason <> %s)){exchanged}"
    )
    return _waiting(session, layout, condition, (parking.retry_max_s + 1, ORIGIN, *left_out), limit=limit)


def reasons(session: Session, layout: Layout, rows: Collection[RowKey]) -> dict[RowKey, str]:
    """Why rows are parked at present."""
    if not rows or session.one(f"SELECT 1 FROM {layout.own('parked')} LIMIT 1") is None:
        return {}
    found = {}
    for entity, keys in by_entity(rows).items():
        for piece in chunks(keys):
            for key, reason in session.select(
                f"SELECT entity_key, reason FROM {layout.own('parked')} "
                f"WHERE entity = %s AND entity_key IN ({marks(piece)})",
                (entity, *piece),
            ):
                found[RowKey(entity, str(key))] = str(reason)
    return found


def is_parked(session: Session, layout: Layout, row: RowKey) -> bool:
    return (
        session.one(
            f"SELECT 1 FROM {layout.own('parked')} WHERE entity = %s AND entity_key = %s LIMIT 1", (row.entity, row.key)
        )
        is not None
    )


def policy_changed(session: Session, layout: Layout, *, settled: Collection[str]) -> None:
    """Let rows that wait for another policy be tried again; clashes of entities whose policy settles them, too."""
    entities = sorted(settled)
    clashes = f"OR (reason = '{CLASH}' AND entity IN ({marks(entities)}))" if entities else ""
    session.execute(
        f"UPDATE {layout.own('parked')} "
        "SET state = 'Parked', attempts = 0, next_try = UTC_TIMESTAMP(6), parked_at = UTC_TIMESTAMP(6) "
        f"WHERE state <> 'Skipped' AND (reason = '{ORIGIN}' {clashes})",
        entities,
    )


def make_due(session: Session, layout: Layout, row: RowKey) -> int:
    return session.execute(
        f"UPDATE {layout.own('parked')} SET state = 'Parked', attempts = 0, next_try = UTC_TIMESTAMP(6), "
        "parked_at = UTC_TIMESTAMP(6) WHERE entity = %s AND entity_key = %s",
        (row.entity, row.key),
    )


def skip(session: Session, layout: Layout, row: RowKey) -> int:
    return session.execute(
        f"UPDATE {layout.own('parked')} SET state = 'Skipped' WHERE entity = %s AND entity_key = %s",
        (row.entity, row.key),
    )


def listed(
    session: Session, layout: Layout, *, state: str | None = None, after: ParkedKey | None = None, limit: int
) -> list[ParkedRow]:
    """Parked rows beyond ``after`` in the order of their names; without ``state`` those that nobody gave up."""
    conditions = ["state = %s" if state is not None else "state <> 'Skipped'"]
    values: list[object] = [state] if state is not None else []
    if after is not None:
        conditions.append("(entity, entity_key, source) > (%s, %s, %s)")
        values += [after.entity, after.key, after.source]
    found = session.select(
        "SELECT entity, entity_key, source, reason, message, waits_entity, waits_key, attempts, "
        "TIMESTAMPDIFF(MICROSECOND, parked_at, UTC_TIMESTAMP(6)), "
        "TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), next_try), state "
        f"FROM {layout.own('parked')} WHERE {' AND '.join(conditions)} "
        "ORDER BY entity, entity_key, source LIMIT %s",
        (*values, limit),
    )
    return [_parse(row) for row in found]


def _parse(row: Row) -> ParkedRow:
    entity, key, source, reason, message, waits_entity, waits_key, attempts, age, until, state = row
    return ParkedRow(
        row=RowKey(entity, key),
        source=int(source),
        reason=reason,
        message=message,
        waits_for=RowKey(waits_entity, waits_key) if waits_entity else None,
        attempts=int(attempts),
        age_ms=max(0, int(age) // 1000),
        next_try_ms=max(0, int(until) // 1000) if state == "Parked" else None,
        state=str(state),
    )


def counts(session: Session, layout: Layout, source: int | None) -> Counts:
    """Count what needs a person, of one source or of all."""
    own, values = ("AND source = %s", [source]) if source is not None else ("", [])
    conflict, parked = layout.own("conflict"), layout.own("parked")
    row = session.one(
        f"SELECT (SELECT COUNT(*) FROM {conflict} WHERE state = 'Open' AND kind <> 'UniqueClash' {own}), "
        f"(SELECT COUNT(*) FROM {conflict} WHERE state = 'Open' AND kind = 'UniqueClash' {own}), "
        f"(SELECT COUNT(*) FROM {parked} WHERE state = 'Parked' AND reason NOT IN ({_quoted(QUIET)}) {own}), "
        f"(SELECT COUNT(*) FROM {parked} WHERE state = 'Dead' {own})",
        values * 4,
    )
    assert row is not None
    return Counts(*(int(count) for count in row))


def _quoted(reasons_: Iterable[str]) -> str:
    return ", ".join(f"'{reason}'" for reason in sorted(reasons_))


def _waiting(
    session: Session, layout: Layout, condition: str, values: tuple[str | int, ...], *, limit: int
) -> list[Waiting]:
    return [
        Waiting(RowKey(entity, key), int(source), str(reason), payload)
        for entity, key, source, reason, payload in session.select(
            f"SELECT entity, entity_key, source, reason, payload FROM {layout.own('parked')} "
            f"WHERE {condition} ORDER BY parked_at LIMIT %s",
            (*values, limit),
        )
    ]
