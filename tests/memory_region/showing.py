"""Makes merged rows visible: parents first, circles broken, names waited for; what cannot be shown gets a reason."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from memory_region.business import holder
from memory_region.circles import Circles, Target, is_above
from memory_region.database import Columns, Database
from memory_region.records import Conflicts
from region_operator.replication.catalog import Entity, Unique
from region_operator.replication.feed import RowKey
from region_operator.replication.model import (
    EntityRuleSet,
    Projection,
    RowState,
    Scalar,
    project,
    rows_parents_first,
)
from region_operator.replication.store.parked import BELOW_ITSELF, CLASH, CYCLE, DEFERRED, PARTNER, Reason
from region_operator.replication.store.settling import Clash, effective

_SHIFTS = 10


@dataclass
class Shown:
    """What became of the rows of one transaction."""

    parked: dict[RowKey, Reason] = field(default_factory=dict)
    missing: list[RowKey] = field(default_factory=list)
    opened_conflicts: int = 0
    raised: list[RowKey] = field(default_factory=list)
    moved_along: dict[RowKey, RowState] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)


class Showing:
    """One transaction's writes to business rows."""

    def __init__(
        self,
        draft: Database,
        catalog: Mapping[str, Entity],
        rules: Mapping[str, EntityRuleSet],
        *,
        conflicts: Conflicts,
        was: Mapping[RowKey, str],
        state_of: Callable[[RowKey], RowState | None],
    ) -> None:
        self._draft, self._catalog, self._rules, self._state_of = draft, catalog, rules, state_of
        self._conflicts, self._was = conflicts, was
        self._deferred: dict[RowKey, RowKey] = {}
        self._cleared: dict[RowKey, dict[str, Scalar]] = {}
        self._targets: dict[RowKey, Target] = {}
        self.shown = Shown()

    def show(self, states: Mapping[RowKey, tuple[RowState, Projection]]) -> Shown:
        self._targets = {row: Target(row, state, projection) for row, (state, projection) in states.items()}
        for name, entity in self._catalog.items():
            targets = [target for row, target in self._targets.items() if row.entity == name]
            if targets:
                self._show_entity(entity, self._ordered(entity, targets))
        for row, parent in self._deferred.items():
            self.shown.parked.setdefault(row, Reason(DEFERRED, f"{parent.entity} {parent.key} is not here", parent))
        return self.shown

    def _ordered(self, entity: Entity, targets: list[Target]) -> list[Target]:
        by_key = {target.row.key: target for target in targets}
        if entity.tree is None:
            return [by_key[key] for key in sorted(by_key)]
        parents = {key: target.projection.values.get(entity.tree.parent) for key, target in by_key.items()}
        order = rows_parents_first({key: str(parent) if parent else None for key, parent in parents.items()})
        return [by_key[key] for key in order]

    def _show_entity(self, entity: Entity, targets: list[Target]) -> None:
        """Write rows; what fails for a name is tried again when the others have moved."""
        targets = [*self._break_cycles(entity, targets), *targets]
        for target in targets:
            self._clear_unique(entity, target)
        while targets:
            failed = {target.row: reason for target in targets if (reason := self._write(entity, target))}
            left = [t for t in targets if t.row in failed and failed[t.row].name == PARTNER]
            if len(left) in (0, len(targets)):
                self._give_up(entity, targets, failed)
                return
            self._give_up(entity, [target for target in targets if target not in left], failed)
            targets = left

    def _break_cycles(self, entity: Entity, targets: list[Target]) -> list[Target]:
        """Give rows that would close a circle another parent; returns rows of the circle that have to move too."""
        moved = Circles(self._draft, self._rules, self._state_of).find(entity, targets)
        for target in moved:
            assert entity.tree is not None
            waits = RowKey(entity.name, str(target.projection.values[entity.tree.parent]))
            self._targets.setdefault(target.row, target)
            if target not in targets:
                self.shown.moved_along[target.row] = target.state
            self.shown.opened_conflicts += self._conflicts.record_cycle(target.row, waits)
            self.shown.parked[target.row] = Reason(CYCLE, f"would be below itself under {waits.key}", waits)
        return [target for target in moved if target not in targets]

    # One row

    def _write(self, entity: Entity, target: Target) -> Reason | None:
        """Write one row; on a reason the row is as it was."""
        problems = entity.problems(target.projection.values)
        if problems:
            return Reason("WriteRefused", "; ".join(problems))
        current = self._draft.business.get(target.row)
        if current is None and not target.projection.alive and not target.insert_dead:
            return None
        columns = self._columns(entity, target, current)
        if isinstance(columns, Reason):
            return self._write_with_dead_parent(entity, target, columns)
        if reason := self._below_itself(entity, target, columns):
            return reason
        if target.projection.alive:
            for unique in entity.unique:
                if not unique.indexed and (partner := self._holder(entity, target, unique, columns)):
                    return _taken(entity, unique, partner)
        return self._store(entity, target, {**(current or {}), **columns})

    def _columns(self, entity: Entity, target: Target, current: Columns | None) -> Columns | Reason:
        columns: dict[str, Scalar] = {}
        for definition in entity.fields:
            if definition.name not in target.projection.values:
                continue
            value = target.projection.values[definition.name]
            if definition.reference is None:
                columns |= definition.arrives(value)
                continue
            is_parent = entity.tree is not None and definition.name == entity.tree.parent
            key = target.parent_override if is_parent and target.parent_override is not None else value
            parent = RowKey(definition.reference, str(key))
            if key is not None and parent not in self._draft.business and self._draft.final(parent) != parent:
                if definition.name in entity.key_fields:
                    return Reason("AdoptedParent", f"{key} was adopted; the region where it lived names this row anew")
                parent = self._draft.final(parent)
                key = parent.key
            if key is not None and parent not in self._draft.business:
                if not definition.deferred:
                    return Reason("MissingReference", f"{definition.name} refers to {parent}, not here", parent)
                self._deferred[target.row] = parent
                held = current[definition.name] if current is not None else None
                key = held if held is not None else definition.placeholder
            columns[definition.name] = key if isinstance(key, str) else None
        return columns

    def _below_itself(self, entity: Entity, target: Target, columns: Columns) -> Reason | None:
        """Why a row is not moved below one that is held back below it, of which states know nothing."""
        current = self._draft.business.get(target.row)
        if entity.tree is None or current is None:
            return None
        parent = columns.get(entity.tree.parent)
        if parent == current[entity.tree.parent] or not is_above(self._draft, entity, target.row.key, of=parent):
            return None
        message = f"{parent}, under which it moves, is still shown below it"
        return Reason(BELOW_ITSELF, message, RowKey(entity.name, str(parent)))

    def _store(self, entity: Entity, target: Target, columns: dict[str, Scalar]) -> Reason | None:
        if not target.projection.alive and entity.removed is None and not target.insert_dead:
            self._draft.business.pop(target.row, None)
            return None
        when = columns.get(entity.removed) if entity.removed is not None else None
        for seconds in range(_SHIFTS):
            if isinstance(when, str) and seconds:
                later = datetime.fromisoformat(when) + timedelta(seconds=seconds)
                columns[str(entity.removed)] = later.strftime("%Y-%m-%d %H:%M:%S")
            clash = next(
                (
                    (unique, partner)
                    for unique in entity.unique
                    if unique.indexed and (partner := self._holder(entity, target, unique, columns))
                ),
                None,
            )
            if clash is None:
                self._draft.business[target.row] = columns
                return None
            if not isinstance(when, str):
                break
        return _taken(entity, *clash)

    def _holder(self, entity: Entity, target: Target, unique: Unique, columns: Columns) -> str | None:
        return holder(self._draft, entity, unique, columns=columns, own=target.row.key)

    def _write_with_dead_parent(self, entity: Entity, target: Target, missing: Reason) -> Reason | None:
        """Insert the removed parent that a child refers to, then the child; or say what is missing."""
        row = missing.waits_for
        assert row is not None
        known, state = self._targets.get(row), self._state_of(row)
        if known is None and state is not None:
            known = Target(row, state, project(state, rules=self._rules[row.entity]))
        if known is None or known.projection.alive or row in self._draft.business:
            return missing
        dead = replace(known, insert_dead=True)
        why = self._write(self._catalog[row.entity], dead)
        if why is not None:
            # What the removed parent lacks is what the child waits for: nobody else waits for it.
            return why if why.name == missing.name else missing
        if row not in self._draft.business:
            return missing
        self.shown.raised.append(row)  # others may wait for it too
        return self._write(entity, target)

    # Names

    def _clear_unique(self, entity: Entity, target: Target) -> None:
        """Take indexed unique values away from rows that give them up, so that values can swap between rows."""
        current = self._draft.business.get(target.row)
        for unique in entity.unique:
            if current is None or not unique.indexed or len(unique.columns) > 1:
                continue
            name = unique.columns[0]
            (definition,) = entity.fields_of_columns([name])
            if definition.name not in target.projection.values:
                continue
            wanted = definition.arrives(target.projection.values[definition.name])[name]
            if current[name] is not None and current[name] != wanted:
                self._cleared.setdefault(target.row, {})[name] = current[name]
                self._draft.business[target.row] = {**self._draft.business[target.row], name: None}

    def _give_up(self, entity: Entity, targets: Iterable[Target], failed: Mapping[RowKey, Reason]) -> None:
        for target in targets:
            reason = failed.get(target.row)
            if reason is None:
                continue
            self._give_back(entity, target)
            partner = reason.waits_for
            if reason.name == PARTNER and self._was.get(target.row) in (PARTNER, CLASH):
                assert partner is not None
                clash = Clash(target.row, partner, reason.columns)
                rule = effective(self._rules[entity.name], entity, clash)
                self.shown.opened_conflicts += self._conflicts.record_clash(target.row, partner, rule=rule)
                self.shown.clashes.append(clash)
                reason = Reason(CLASH, reason.message, partner)
            elif partner is not None and (reason.name == PARTNER or self._is_unknown(partner)):
                self.shown.missing.append(partner)
            self.shown.parked[target.row] = reason

    def _give_back(self, entity: Entity, target: Target) -> None:
        for name, value in self._cleared.pop(target.row, {}).items():
            columns = {**self._draft.business[target.row], name: value}
            unique = next(unique for unique in entity.unique if unique.columns == (name,))
            if self._holder(entity, target, unique, columns) is None:
                self._draft.business[target.row] = columns

    def _is_unknown(self, row: RowKey) -> bool:
        return row not in self._targets and self._state_of(row) is None


def _taken(entity: Entity, unique: Unique, partner: str) -> Reason:
    message = f"({', '.join(unique.columns)}) is taken by {entity.name} {partner}"
    return Reason(PARTNER, message, RowKey(entity.name, partner), columns=unique.columns)
