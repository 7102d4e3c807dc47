"""Rows whose merge is foregone, applied by a few statements for all of them together.

Such a row is new here, or its sender has seen all that we know of it, and nothing about it is open on either side. What
does not qualify, or turns out on the way not to, is left to `Application`: one fast way for the plain case, one general
way for all else, with the same results.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pymysql

from region_operator.replication.catalog import Column
from region_operator.replication.feed import FeedRow, RowKey
from region_operator.replication.model import plain
from region_operator.replication.model.plain import Plain
from region_operator.replication.model.state import Scalar
from region_operator.replication.store import fold, incarnations, parked, reuse, rows, sets, standing, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context, Outcome
from region_operator.replication.store.faults import is_deadlock, is_gone, is_lock_error
from region_operator.replication.store.layout import Table
from region_operator.replication.store.plain_columns import changeable_fields, columns_of, fits, values_of
from region_operator.replication.store.schema import KEY_LENGTH
from region_operator.replication.store.standing import Written
from region_operator.replication.store.versions import Origin, VersionText


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A row as it came; ``values`` of all columns, references as keys."""

    row: RowKey
    lsn: int
    state: Plain
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class _Update:
    """A row that is known here: what was known, and the fields that are others now."""

    arrival: _Arrival
    known: str
    fields: tuple[str, ...]


class _Refused(Exception):
    """Rows that were written have to be left out; rolls the writing back."""

    def __init__(self, ids: Collection[int]) -> None:
        self.ids = ids


class PlainApplication:
    """One transaction's plain rows; what is done is counted into ``outcome``. Holds the lane."""

    def __init__(self, session: Session, context: Context, outcome: Outcome) -> None:
        self._session, self._context, self._outcome = session, context, outcome
        self._layout = context.layout
        self._done: set[RowKey] = set()
        self._coming: set[RowKey] = set()
        self._new: list[VersionText] = []

    def run(self, rows_: Sequence[FeedRow]) -> list[FeedRow]:
        """Apply what is plain and return the rest."""
        if reuse.known(self._session, self._layout, self._context.source):
            return list(rows_)  # what hangs on rows that are other things here is told apart one by one
        arrivals = self._read(rows_)
        self._coming = {row.row_key for row in rows_}
        waiting = parked.reasons(self._session, self._layout, list(arrivals))
        for entity in sorted({row.entity for row in arrivals}, key=self._layout.depth):
            table = self._layout.tables[entity]
            own = [a for row, a in arrivals.items() if row.entity == entity and row not in waiting]
            self._apply(table, self._sure_of_parents(table, own))
        self._number()
        return [row for row in rows_ if row.row_key not in self._done]

    def _sure_of_parents(self, table: Table, arrivals: Sequence[_Arrival]) -> list[_Arrival]:
        """Without rows whose parents come with them and are not applied yet: they may be others than are here."""
        sure = list(arrivals)
        for field in table.references:
            assert field.reference is not None
            unsure = {row.key for row in self._coming - self._done if row.entity == field.reference}
            unsure -= self._layout.tables[field.reference].well_known.keys()
            index = table.entity.columns.index(field.name)
            sure = [arrival for arrival in sure if arrival.values[index] not in unsure] if unsure else sure
        return sure

    def _read(self, rows_: Sequence[FeedRow]) -> dict[RowKey, _Arrival]:
        times = Counter(row.row_key for row in rows_)
        found = {}
        for row in rows_:
            table = self._layout.tables.get(row.entity)
            if (
                table is None
                or not table.entity.is_uniform
                or len(row.key) > KEY_LENGTH
                or times[row.row_key] > 1
                or row.key in table.well_known
            ):
                continue
            state = plain.parse(row.state)
            if state is None or (state.entity, state.key) != (row.entity, row.key):
                continue
            values = values_of(table, state)
            if values is not None:
                found[row.row_key] = _Arrival(row.row_key, row.lsn, state, values)
        return found

    def _apply(self, table: Table, arrivals: Sequence[_Arrival]) -> None:
        rules = self._context.rules[table.entity.name]
        if not arrivals or rules.accept_from is not None or not rules.synced:
            return
        known = versions.load_texts(self._session, self._layout, table.entity.name, [a.row.key for a in arrivals])
        changeable, actor = changeable_fields(table), self._context.tenure.actor
        updates, inserts = [], []
        for arrival in arrivals:
            text = known.get(arrival.row.key, "")
            local = plain.parse_own(text) if text else None
            if text is None or (text and local is None) or plain.claims_too_much(arrival.state, local, actor=actor):
                continue
            if local is not None:
                fields = plain.successor(local, arrival.state)
                if fields is not None and changeable.issuperset(fields) and fits(table, arrival.state, fields):
                    updates.append(_Update(arrival, text, fields))
            elif table.entity.tree is None and fits(table, arrival.state, table.entity.field_names):
                inserts.append(arrival)
        self._update(table, updates)
        self._insert(table, inserts)

    # Rows that are known here

    def _update(self, table: Table, updates: Sequence[_Update]) -> None:
        ids = sets.lock_keys(self._session, table, [update.arrival.row.key for update in updates])
        captured = fold.captured_keys(self._session, self._layout, [update.arrival.row for update in updates])
        held = {
            ids[u.arrival.row.key]: u for u in updates if u.arrival.row.key in ids and u.arrival.row not in captured
        }
        self._write(table, held)

    def _write(self, table: Table, held: dict[int, _Update]) -> None:
        """Write rows whose locks are held, then look whether they hold what was meant; else without the culprits."""
        if not held:
            return
        try:
            with self._session.savepoint():
                for columns, targets in _by_columns(table, held).items():
                    sets.update(self._session, table, columns, targets)
                found = self._look(table, {local_id: update.arrival for local_id, update in held.items()})
                # A field that nobody had changed holds another value: one dot names two.
                differ = found.differ.items()
                if wrong := {id_ for id_, names in differ if not names <= columns_of(table, held[id_].fields)}:
                    raise _Refused(wrong)
        except _Refused as error:
            self._write(table, {local_id: update for local_id, update in held.items() if local_id not in error.ids})
        except pymysql.Error as error:
            if is_deadlock(error) or is_gone(error):
                raise
        else:
            known = {id_ for id_, u in held.items() if not u.fields and u.known == plain.encode(u.arrival.state)}
            self._done.update(held[local_id].arrival.row for local_id in known)
            self._keep({id_: update.arrival for id_, update in held.items() if id_ not in known}, found)

    # Rows that are not

    def _insert(self, table: Table, arrivals: Sequence[_Arrival]) -> None:
        present = rows.local_ids(self._session, table, [arrival.row.key for arrival in arrivals])
        captured = fold.captured_keys(self._session, self._layout, [arrival.row for arrival in arrivals])
        todo = {a.row.key: a for a in arrivals if a.row.key not in present and a.row not in captured}
        placed = self._with_parents(table, todo)
        self._insert_halves(table, todo, placed)

    def _with_parents(self, table: Table, todo: Mapping[str, _Arrival]) -> dict[str, list[Scalar]]:
        """Values with the parents' local ids, of rows all of whose parents are here and not being written."""
        placed = {key: list(arrival.values) for key, arrival in todo.items()}
        for field in table.references:
            assert field.reference is not None
            parent, index = self._layout.tables[field.reference], table.entity.columns.index(field.name)
            wanted = {str(values[index]) for values in placed.values() if values[index] is not None}
            ids = rows.local_ids(self._session, parent, wanted)
            held = sets.lock_parents(self._session, parent, set(ids.values()))
            for key, values in list(placed.items()):
                local_id = ids.get(str(values[index]))
                if values[index] is not None and local_id not in held:
                    del placed[key]
                else:
                    values[index] = local_id if values[index] is not None else field.absent
        return placed

    def _insert_halves(
        self, table: Table, todo: Mapping[str, _Arrival], placed: Mapping[str, Sequence[Scalar]]
    ) -> None:
        """Insert rows; where the database refuses some, halves find them."""
        if not placed:
            return
        try:
            with self._session.savepoint():
                sets.insert(self._session, table, placed)
                ids = rows.local_ids(self._session, table, list(placed))
                if taken := sets.namesakes(self._session, self._layout, table, list(ids.values())):
                    raise _Refused(taken)
        except _Refused as error:
            left = {key: values for key, values in placed.items() if ids[key] not in error.ids}
            self._insert_halves(table, todo, left)
        except pymysql.Error as error:
            if is_deadlock(error) or is_gone(error):
                raise
            if len(placed) > 1 and not is_lock_error(error):
                keys = list(placed)
                for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
                    self._insert_halves(table, todo, {key: placed[key] for key in half})
        else:
            written = {ids[key]: todo[key] for key in placed}
            self._keep(written, self._look(table, written))

    # Versions

    def _look(self, table: Table, targets: Mapping[int, _Arrival]) -> Written:
        values = {local_id: target.values for local_id, target in targets.items()}
        return standing.look(self._session, self._layout, table, values)

    def _keep(self, written: Mapping[int, _Arrival], found: Written) -> None:
        """Note the versions of rows; with values where the database has made others of them."""
        for local_id, arrival in written.items():
            complete = local_id in found.differ
            content_hash = None if complete else found.hashes.get(local_id)
            origin = Origin(self._context.source, self._context.incarnation, arrival.lsn) if arrival.lsn else None
            text = plain.encode(arrival.state, values=complete)
            self._new.append(VersionText(arrival.row, text, complete, True, origin, content_hash))
            self._done.add(arrival.row)

    def _number(self) -> None:
        if not self._new:
            return
        # In the order of the source, in which parents come first.
        place = {version.row: version.origin.lsn if version.origin else 0 for version in self._new}
        self._new.sort(key=lambda version: place[version.row])
        self._outcome.head = versions.write_texts(self._session, self._layout, self._new)
        incarnations.witness(self._session, self._layout, lsn=self._outcome.head)
        changed = [version.row for version in self._new]
        self._outcome.changed += len(changed)
        self._outcome.shown += changed
        self._outcome.woken += parked.waiting_for(self._session, self._layout, changed)


def _by_columns(table: Table, held: Mapping[int, _Update]) -> dict[tuple[Column, ...], dict[int, tuple[Scalar, ...]]]:
    """What to write, by the columns that change."""
    columns = sets.columns(table)
    places: dict[tuple[str, ...], list[int]] = {}
    found: dict[tuple[Column, ...], dict[int, tuple[Scalar, ...]]] = {}
    for local_id, update in held.items():
        if not update.fields:
            continue
        if update.fields not in places:
            places[update.fields] = [n for n, (field, _) in enumerate(columns) if field.name in update.fields]
        place = places[update.fields]
        values = tuple(update.arrival.values[index] for index in place)
        found.setdefault(tuple(columns[index][1] for index in place), {})[local_id] = values
    return found
