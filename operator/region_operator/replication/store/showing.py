"""Makes merged rows visible: parents first, circles broken, names waited for; what cannot be shown gets a reason."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from region_operator.replication.feed import RowKey
from region_operator.replication.model.merge import merge
from region_operator.replication.model.projection import project
from region_operator.replication.model.state import RowState, local_write
from region_operator.replication.model.topology import rows_parents_first
from region_operator.replication.store import conflicts, incarnations, parked, rows, settling, versions
from region_operator.replication.store.aliases import Aliases, Busy, Child
from region_operator.replication.store.business import BusinessTables, Target, Unwritable
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context, Merged, Outcome
from region_operator.replication.store.cycles import Circles
from region_operator.replication.store.fold import Locked
from region_operator.replication.store.parked import Reason
from region_operator.replication.store.settling import Clash

MISSING = "MissingReference"


class Showing:
    """One transaction's writes to the business tables; reasons and missing rows go into ``outcome``."""

    def __init__(self, session: Session, context: Context, outcome: Outcome, *, was: Mapping[RowKey, str]) -> None:
        self._session, self._context, self._outcome, self._was = session, context, outcome, was
        self._layout = context.layout
        self._business = BusinessTables(session, context.layout)
        self._aliases = Aliases(session, context.layout)
        self._merged: dict[RowKey, Merged] = {}
        self._locked = Locked()
        self._elsewhere: dict[RowKey, str | None] = {}

    def show(self, merged: dict[RowKey, Merged], locked: Locked) -> None:
        """Write the rows of ``merged``; rows that had to move with them are added to it."""
        self._merged, self._locked = merged, locked
        shown = self._exchange(locked)
        targets = {row: Target(row, merged[row].projection, locked.business.get(row)) for row in shown}
        grouped = rows.by_entity(targets)
        for entity in sorted(grouped, key=self._layout.depth):
            ordered = [targets[RowKey(entity, key)] for key in self._order(entity, grouped[entity])]
            self._show_entity(entity, ordered)
        self._business.refresh_trees()
        for row, parent in self._business.written.deferred.items():
            message = f"{parent.entity} {parent.key} is not here"
            self._outcome.parked.setdefault(row, Reason(parked.DEFERRED, message, parent))

    def _exchange(self, locked: Locked) -> list[RowKey]:
        """Give the visible rows of aliases to their adopters; returns the rows that are to be shown themselves."""
        shown = []
        for row, merged in list(self._merged.items()):
            if merged.state.alias is None:
                shown.append(row)
                continue
            if row in self._outcome.parked:
                continue  # its adopter is not here yet
            try:
                named = self._aliases.take_over(row, self._aliases.final(row), locked)
            except Busy:
                message = "rows that refer to it are being written"
                self._outcome.parked[row] = Reason(parked.LOCKED, message)
            else:
                for child in named:
                    shown += self._name_anew(child, locked)
        return list(dict.fromkeys(shown))

    def _name_anew(self, child: Child, locked: Locked) -> list[RowKey]:
        """A row that is named after the alias ends, and begins again under its new name, as when its key is changed."""
        table, name = child.table, child.row.entity
        state = self._state(child.row)
        if state is None:
            return []  # never versioned: what was captured of it will be under its new name
        actor = incarnations.actor(self._session, self._layout, region_id=self._context.tenure.region_id)
        gone = local_write(state, entity=name, key=state.key, actor=actor, changes={}, deleted=True)
        self._merged[child.row] = self._as_merged(gone)
        business = next(iter(rows.read(self._session, self._layout, table, [child.local_id]).values()))
        row = RowKey(name, business.key)
        if rows.local_ids(self._session, table, [row.key]).get(row.key) != child.local_id:
            # The adopter has one of that name.
            self._session.execute(f"DELETE FROM {table.sql} WHERE {table.local_id} = %s", (child.local_id,))
            return []
        values = table.entity.values(business.columns, key=row.key)
        known = self._state(row)
        own = known if known is not None and known.vector.get(actor) else None
        begun = local_write(own, entity=name, key=row.key, actor=actor, changes=values)
        self._merged[row] = self._as_merged(begun if known is None or own is not None else merge(known, begun))
        locked.business[row] = business
        return [row]

    def _state(self, row: RowKey) -> RowState | None:
        """What is known of a row that has its values with its state."""
        version = versions.load(self._session, self._layout, [row]).get(row)
        return version.state(self._layout, None) if version is not None else None

    def _as_merged(self, state: RowState) -> Merged:
        return self._context.as_merged(state, changed=True)

    def _show_entity(self, entity: str, targets: list[Target]) -> None:
        """Write rows; what fails for a name is tried again when the others have moved."""
        targets = [*self._break_cycles(entity, targets), *targets]
        self._business.clear_unique(targets)
        while targets:
            failed = {target.row: reason for target in targets if (reason := self._write(target))}
            left = [t for t in targets if t.row in failed and failed[t.row].name == parked.PARTNER]
            if len(left) in (0, len(targets)):
                self._give_up(targets, failed)
                return
            self._give_up([target for target in targets if target not in left], failed)
            targets = left

    def _order(self, entity: str, keys: list[str]) -> Iterable[str]:
        tree = self._layout.tables[entity].entity.tree
        if tree is None:
            return sorted(keys)
        parents = {key: self._merged[RowKey(entity, key)].projection.values.get(tree.parent) for key in keys}
        return rows_parents_first({key: str(parent) if parent else None for key, parent in parents.items()})

    def _break_cycles(self, entity: str, targets: list[Target]) -> list[Target]:
        """Give rows that would close a circle another parent; returns rows of the circle that have to move too."""
        states = {row.key: merged.state for row, merged in self._merged.items() if row.entity == entity}
        circles = Circles(self._session, self._layout, self._context.rules, self._business)
        moved = circles.find(targets, states)
        along = [target.row for target, _ in moved if target.row not in self._merged]
        self._locked.versions |= versions.load(self._session, self._layout, along)
        for target, state in moved:
            self._elsewhere[target.row] = target.parent_override
            self._merged.setdefault(target.row, Merged(state, target.projection, changed=False))
            waits = RowKey(entity, str(target.projection.values[circles.parent_field(entity)]))
            self._outcome.opened_conflicts += conflicts.record_cycle(
                self._session, self._layout, target.row, waits, source=self._context.source
            )
            self._outcome.parked[target.row] = Reason(parked.CYCLE, f"would be below itself under {waits.key}", waits)
        own = {target.row for target in targets}
        return [target for target, _ in moved if target.row not in own]

    def _write(self, target: Target) -> Reason | None:
        try:
            self._business.write(target)
        except Unwritable as error:
            waits = error.reason.waits_for
            dead = self._dead(waits) if error.reason.name == MISSING and waits is not None else None
            if dead is None or waits is None:
                return error.reason
            why = self._write(dead)
            if why is not None:
                # What the removed parent lacks is what the child waits for: nobody else waits for it.
                return why if why.name == MISSING else error.reason
            if self._business.local_id(waits) is None:
                return error.reason
            self._outcome.raised.append(waits)  # others may wait for it too
            return self._write(target)
        return None

    def _dead(self, row: RowKey) -> Target | None:
        """A removed parent that a child refers to, to be inserted; None if that is not what is missing."""
        known = self._merged.get(row)
        if known is None:
            version = versions.load(self._session, self._layout, [row]).get(row)
            state = version.state(self._layout, None) if version is not None else None
            if state is None:
                return None
            known = Merged(state, project(state, rules=self._context.rules[row.entity]), changed=False)
        if known.projection.alive or self._business.local_id(row) is not None:
            return None
        elsewhere = self._elsewhere.get(row)
        return Target(row, known.projection, None, insert_dead=True, parent_override=elsewhere)

    def _is_unknown(self, row: RowKey) -> bool:
        """True unless a state of the row is here, though it may be parked itself."""
        return row not in self._merged and not versions.load(self._session, self._layout, [row])

    def _give_up(self, targets: Iterable[Target], failed: Mapping[RowKey, Reason]) -> None:
        for target in targets:
            reason = failed.get(target.row)
            if reason is None:
                continue
            self._business.give_back(target)
            if reason.name == parked.PARTNER and self._was.get(target.row) in (parked.PARTNER, parked.CLASH):
                reason = self._clash(target.row, reason)
            elif reason.waits_for is not None and (reason.name == parked.PARTNER or self._is_unknown(reason.waits_for)):
                self._outcome.missing.append(reason.waits_for)
            self._outcome.parked[target.row] = reason

    def _clash(self, row: RowKey, reason: Reason) -> Reason:
        """Record a name that stays taken and leave it to the policy, once this transaction is done."""
        assert reason.waits_for is not None
        clash = Clash(row, reason.waits_for, reason.columns)
        rule = settling.effective(self._context.rules[row.entity], self._layout.tables[row.entity].entity, clash)
        self._outcome.opened_conflicts += conflicts.record_clash(
            self._session, self._layout, row, clash.other, source=self._context.source, rule=rule
        )
        self._outcome.clashes.append(clash)
        return replace(reason, name=parked.CLASH)
