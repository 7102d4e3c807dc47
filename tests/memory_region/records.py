"""What a transaction leaves for people: conflicts, each once, and parked rows with the time of their next try."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from memory_region.database import Database, Parked
from region_operator.errors import Refused
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import PARKING_FULL, RowKey
from region_operator.replication.model import FieldConflict, Pair, Projection, RowState, UniqueClash, Value, region_of
from region_operator.replication.records import ConflictRecord, ConflictValue, Counts, ParkedKey, ParkedRow
from region_operator.replication.store.conflicts import dot_text
from region_operator.replication.store.parked import (
    CLASH,
    LOCKED,
    ORIGIN,
    PARTNER,
    QUIET,
    VISIBLE,
    Parking,
    Reason,
    Waiting,
)

PATIENCE_S = 10 * 365 * 86400
UNIQUE_CLASH, CYCLE = "UniqueClash", "Cycle"


def row_of(key: tuple[Any, ...], _: object) -> RowKey:
    """By it parked rows and conflicts are found."""
    row: RowKey = key[0]
    return row


def awaited(_: object, one: Parked) -> RowKey | None:
    """By it those who wait for a row are found."""
    return one.waits_for


@dataclass
class Conflicts:
    """The conflict records of one content; ``catalog`` says what is secret."""

    draft: Database
    catalog: Mapping[str, Entity]
    now: str
    source: int = 0

    def record(self, state: RowState, projection: Projection) -> int:
        """Record the conflicts of a row once each and close those that are gone; returns how many are new."""
        row = RowKey(state.entity, state.key)
        present = {(row, c.field, _fingerprint(c)): c for c in projection.conflicts}
        for key in self.draft.conflicts.where(row_of, row):
            if self.draft.conflicts[key].kind not in (UNIQUE_CLASH, CYCLE) and key not in present:
                self._close(key)
        return sum(
            self._insert(
                key, kind=c.kind.value, rule=c.rule, state="Open" if c.open else "Settled", conflict=c, seen=state
            )
            for key, c in present.items()
            if key not in self.draft.conflicts or self.draft.conflicts[key].state == "Closed"
        )

    def record_clash(self, row: RowKey, other: RowKey, *, rule: UniqueClash = UniqueClash.PARK) -> int:
        key, state = (row, "name", str(other)), "Open" if rule is UniqueClash.PARK else "Settled"
        return self._insert(key, kind=UNIQUE_CLASH, rule=rule.value, state=state, other=other)

    def record_adoption(self, row: RowKey, adopter: RowKey) -> None:
        self.record_clash(row, adopter, rule=UniqueClash.ADOPT)
        self.close([row], kind=UNIQUE_CLASH)

    def record_cycle(self, row: RowKey, parent: RowKey) -> int:
        key = (row, "parent", str(parent))
        return self._insert(key, kind=CYCLE, rule="GreatestDot", state="Settled", other=parent)

    def close(self, rows: Collection[RowKey], *, kind: str) -> None:
        for key in (key for row in rows for key in self.draft.conflicts.where(row_of, row)):
            if self.draft.conflicts[key].kind == kind:
                self._close(key)

    def _close(self, key: tuple[RowKey, str, str]) -> None:
        known = self.draft.conflicts[key]
        if known.state != "Closed":
            self.draft.conflicts[key] = replace(known, state="Closed", closed_at=self.now)

    def _insert(
        self,
        key: tuple[RowKey, str, str],
        *,
        kind: str,
        rule: str,
        state: str,
        conflict: FieldConflict | None = None,
        other: RowKey | None = None,
        seen: RowState | None = None,
    ) -> int:
        known = self.draft.conflicts.get(key)
        self.draft.last_conflict += known is None
        values, chosen = self._values(key[0], conflict) if conflict is not None else ((), "")
        self.draft.conflicts[key] = ConflictRecord(
            id=known.id if known is not None else self.draft.last_conflict,
            row=key[0],
            field=key[1],
            kind=kind,
            rule=rule,
            state=state,
            values=values,
            chosen=chosen,
            source=self.source,
            opened_at=self.now,
            other=other,
            vector=tuple(seen.vector.items()) if seen is not None else (),
        )
        return int(known is None)

    def _values(self, row: RowKey, conflict: FieldConflict) -> tuple[tuple[ConflictValue, ...], str]:
        secret = any(field.name == conflict.field and field.secret for field in self.catalog[row.entity].fields)
        pairs = sorted({conflict.winner, *conflict.losers}, key=lambda pair: pair.dot)
        values = [ConflictValue(dot_text(p.dot), _shown(p, secret=secret), region_of(p.dot.actor)) for p in pairs]
        return tuple(values), dot_text(conflict.winner.dot)


def _fingerprint(conflict: FieldConflict) -> str:
    return " ".join([conflict.kind.value, *sorted(dot_text(p.dot) for p in (conflict.winner, *conflict.losers))])


def _shown(pair: Pair, *, secret: bool) -> Value | list[str | int | None]:
    if not secret:
        return list(pair.value) if isinstance(pair.value, tuple) else pair.value
    return f"(secret {hashlib.sha256(f'{pair.dot}{pair.value!r}'.encode()).hexdigest()[:8]})"


@dataclass
class ParkedRows:
    """The parked rows of one content, by row and source."""

    draft: Database
    now_s: float
    parking: Parking = field(default_factory=Parking)

    def park(self, row: RowKey, reason: Reason, *, source: int) -> None:
        """Park a row or try it again later; waits double up to the limit, until it is a dead letter."""
        known = self.draft.parked.get((row, source))
        first_s = 0 if reason.name in (LOCKED, PARTNER) else PATIENCE_S if reason.name == ORIGIN else 1
        if known is None:
            next_try_s = self.now_s + first_s
            fresh = Parked(reason.name, reason.message, reason.waits_for, reason.payload, 1, self.now_s, next_try_s)
            self.draft.parked[row, source] = fresh
            return
        patience_s = PATIENCE_S if reason.name in QUIET else self.parking.dead_letter_after_s
        wait_s = max(first_s, min(self.parking.retry_max_s, 2 ** min(known.attempts, 20)))
        is_old = known.parked_s < self.now_s - patience_s
        self.draft.parked[row, source] = replace(
            known,
            reason=reason.name,
            message=reason.message,
            waits_for=reason.waits_for,
            payload=reason.payload,
            attempts=known.attempts + 1,
            next_try_s=self.now_s + wait_s,
            state="Dead" if is_old and known.attempts + 1 >= self.parking.least_tries else "Parked",
        )

    def release(self, rows: Collection[RowKey], *, source: int) -> None:
        """Nothing is parked of these rows any more but states of other regions that were not joined."""
        for key in (key for row in rows for key in self.draft.parked.where(row_of, row)):
            if self.draft.parked[key].payload is None or key[1] == source:
                del self.draft.parked[key]

    def policy_changed(self, settled: Collection[str]) -> None:
        """Let rows that wait for another policy be tried again; clashes that their policy settles, too."""
        for (row, source), one in self.draft.parked.items():
            if one.state != "Skipped" and (one.reason == ORIGIN or (one.reason == CLASH and row.entity in settled)):
                fresh = {"state": "Parked", "attempts": 0, "next_try_s": self.now_s, "parked_s": self.now_s}
                self.draft.parked[row, source] = replace(one, **fresh)

    def reasons(self, rows: Iterable[RowKey]) -> dict[RowKey, str]:
        parked = self.draft.parked
        return {row: parked[key].reason for row in rows for key in parked.where(row_of, row)}

    def waiting_for(self, rows: Iterable[RowKey]) -> list[Waiting]:
        parked = self.draft.parked
        return [_waiting(key, parked[key]) for row in dict.fromkeys(rows) for key in parked.where(awaited, row)]

    def due(self, *, limit: int) -> list[Waiting]:
        """Rows whose time has come, or was given to them before the clock was set back."""
        latest_s = self.now_s + self.parking.retry_max_s + 1
        parked = [
            (key, one)
            for key, one in self.draft.parked.items()
            if one.state == "Parked" and key[0].entity not in self.draft.left_out
        ]
        due = [
            (key, one)
            for key, one in parked
            if one.next_try_s <= self.now_s or (one.next_try_s > latest_s and one.reason != ORIGIN)
        ]
        return [_waiting(key, one) for key, one in due[:limit]]

    def listed(self, *, state: str | None, after: ParkedKey | None, limit: int) -> list[ParkedRow]:
        """Parked rows beyond ``after`` in the order of their names; without ``state`` those that nobody gave up."""
        rows = (self._listed(row, source, one) for (row, source), one in self.draft.parked.items())
        wanted = [row for row in rows if (row.state == state if state is not None else row.state != "Skipped")]
        ordered = sorted(wanted, key=lambda row: row.place)
        return [row for row in ordered if after is None or row.place > after][:limit]

    def _listed(self, row: RowKey, source: int, one: Parked) -> ParkedRow:
        return ParkedRow(
            row=row,
            source=source,
            reason=one.reason,
            message=one.message,
            waits_for=one.waits_for,
            attempts=one.attempts,
            age_ms=max(0, int((self.now_s - one.parked_s) * 1000)),
            next_try_ms=max(0, int((one.next_try_s - self.now_s) * 1000)) if one.state == "Parked" else None,
            state=one.state,
        )


def _waiting(key: tuple[RowKey, int], one: Parked) -> Waiting:
    return Waiting(key[0], key[1], one.reason, one.payload)


def check_room(content: Database, source: int, parking: Parking) -> None:
    """Raise Refused (``ParkingFull``) while as many rows of a source wait as may; rows that one sees do not count."""
    limit = parking.max_rows.get(source)
    own = [one for (_, of), one in content.parked.items() if of == source and one.state != "Skipped"]
    if limit is not None and sum(one.reason not in VISIBLE for one in own) >= limit:
        raise Refused(reason=PARKING_FULL, message=f"rows of region {source} wait here, parking.maxRows is {limit}")


def counts(content: Database, source: int | None) -> Counts:
    """Count what needs a person, of one source or of all."""
    records = [c for c in content.conflicts.values() if c.state == "Open" and source in (None, c.source)]
    parked = [one for (_, of), one in content.parked.items() if source in (None, of)]
    clashes = sum(record.kind == UNIQUE_CLASH for record in records)
    waiting = sum(one.state == "Parked" and one.reason not in QUIET for one in parked)
    return Counts(len(records) - clashes, clashes, waiting, sum(one.state == "Dead" for one in parked))
