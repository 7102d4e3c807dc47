"""One transaction of a region's write lane: fold what was captured, merge what arrived, show it, park the rest."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from memory_region import lane, namesakes
from memory_region.adopting import Adoptions, adopters
from memory_region.circles import is_below_itself
from memory_region.context import Context, Merged
from memory_region.database import Database, Origin
from memory_region.folding import Row, folded
from memory_region.intake import Item
from memory_region.records import CYCLE, UNIQUE_CLASH, Conflicts, ParkedRows
from memory_region.showing import Showing
from region_operator.errors import InvalidInput
from region_operator.replication.feed import RowKey
from region_operator.replication.model import (
    ConflictKind,
    FieldConflict,
    MergeRefused,
    RowState,
    Value,
    actor_of,
    key_reused,
    merge,
    project,
    proves_more,
)
from region_operator.replication.model.origin import unaccepted_region
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.parked import CLASH, DEFERRED, ORIGIN, VISIBLE, Reason


class Application:
    """The work of one transaction on a draft."""

    def __init__(self, draft: Database, context: Context) -> None:
        self._draft, self._context = draft, context
        self._now_s = context.server.clock()
        self._parked = ParkedRows(draft, self._now_s, context.parking)
        self._conflicts = Conflicts(draft, context.catalog, context.server.time(), context.source)
        self._folded: dict[RowKey, RowState] = {}
        self._merged: dict[RowKey, Merged] = {}
        self._was: dict[RowKey, str] = {}
        self._raised: list[RowKey] = []
        self.outcome = Outcome()
        self._adoptions = Adoptions(
            draft, context, self.outcome, conflicts=self._conflicts, merged=self._merged, state_of=self._state
        )

    def fold(self, keys: Collection[RowKey]) -> Outcome:
        self._fold(keys)
        trees = {row.entity for row in self._folded if self._is_below_itself(row)}
        if not trees:
            return self._finish()
        self._fold(self._written_of_trees(trees))
        written = [row for row in self._folded if row.entity in trees]  # any of them may have to move
        self._was = self._parked.reasons(written)
        self._merged.update({row: Merged(self._folded[row], changed=True) for row in written})
        return self._show_and_finish()

    def run(self, items: Collection[Item], refused: Mapping[RowKey, Reason], *, again: bool = False) -> Outcome:
        """Apply rows; ``again`` also shows those that have not changed."""
        self.outcome.parked.update(refused)
        keys = self._with_adopters(items)
        moved = [row for row in self._written_of_trees({item.row.entity for item in items}) if row not in keys]
        self._was = self._parked.reasons([*keys, *moved])
        self._watch_own_past(items)
        self._fold(keys)
        self._fold(moved)
        for item in items:
            self._merge(item, again=again)
        self._merged.update({row: Merged(self._folded[row], changed=True) for row in moved if row in self._folded})
        return self._show_and_finish()

    def rewrite(
        self, row: RowKey, write: Callable[[RowState, str], RowState], *, adopter: RowKey | None = None
    ) -> Outcome:
        """Make a change of our own to a row and show it; one that makes it an alias of ``adopter`` folds that too."""
        moved = [one for one in self._written_of_trees({row.entity}) if one != row]
        keys = [row, *([] if adopter is None else [adopter]), *moved]
        self._was = self._parked.reasons(keys)
        self._fold(keys)
        state = self._state(row)
        if state is None:
            raise InvalidInput(field="row", problem=f"{row.entity} {row.key} is not here", remedy="try again")
        self._merged.update({one: Merged(self._folded[one], changed=True) for one in moved if one in self._folded})
        self._merged[row] = Merged(write(state, self._actor), changed=True)
        return self._show_and_finish()

    @property
    def _actor(self) -> str:
        return actor_of(self._context.region_id, self._draft.history[-1].name)

    def _state(self, row: RowKey) -> RowState | None:
        if row in self._folded:
            return self._folded[row]
        version = self._draft.versions.get(row)
        return version.state if version is not None else None

    # Fold

    def _fold(self, keys: Iterable[RowKey]) -> None:
        for row in keys:
            captured = self._draft.dirty.pop(row, None)
            if captured is not None:
                row_now = Row(
                    self._context.catalog[row.entity], row.key, self._draft.business.get(row), self._state(row)
                )
                state = folded(row_now, captured, actor=self._actor, now=self._context.server.time())
                if state is not None:
                    self._folded[row] = state

    def _is_below_itself(self, row: RowKey) -> bool:
        return is_below_itself(self._draft, self._context.catalog[row.entity], row)

    def _written_of_trees(self, entities: Collection[str]) -> list[RowKey]:
        """Rows of trees that people have just written: a circle is broken by what all its rows say now."""
        trees = {name for name in entities if self._context.catalog[name].tree is not None}
        return [row for row in self._draft.dirty if row.entity in trees] if trees else []

    # Merge

    def _watch_own_past(self, items: Iterable[Item]) -> None:
        """A peer that has seen more writes of ours than we have proves that this database went back in time."""
        for item in items:
            known = self._draft.versions.get(item.row)
            local = known.state if known is not None else None
            if item.remote is not None and proves_more(item.remote, local, actor=self._actor):
                lane.begin_incarnation(self._draft, self._context, restored=True)
                self.outcome.restored = True
                return

    def _with_adopters(self, items: Collection[Item]) -> list[RowKey]:
        """The rows to fold: those that arrive, and those that adopted some of them."""
        keys = [item.row for item in items]
        aliases = {row: self._draft.aliases[row] for row in keys if row in self._draft.aliases}
        aliases |= {i.row: i.remote.alias.key for i in items if i.remote is not None and i.remote.alias is not None}
        return list(dict.fromkeys([*keys, *adopters(self._draft, aliases)]))

    def _merge(self, item: Item, *, again: bool) -> None:
        row, local = item.row, self._state(item.row)
        if self._is_purged(row):
            self._parked.release([row], source=self._context.source)
            return  # what peers still have of it does not bring it back
        if reason := self._hindrance(item, local):
            self.outcome.parked[row] = reason
            return
        try:
            state = _join(local, item.remote)
        except MergeRefused as error:
            self.outcome.parked[row] = Reason(error.reason, str(error), payload=item.text)
            return
        if state is None:
            return
        origin = None
        if item.remote is not None and item.lsn and state == item.remote:
            origin = Origin(self._context.source, self._context.incarnation, item.lsn)
        changed = state != local or row in self._folded
        if changed or again or row in self._was:
            self._merged[row] = Merged(state, changed, origin)

    def _is_purged(self, row: RowKey) -> bool:
        """True for a row of an append-only entity that was visible and is gone."""
        is_hidden = self._was.get(row, DEFERRED) not in VISIBLE
        is_gone = row in self._draft.versions and row not in self._draft.business
        return is_gone and not is_hidden and self._context.catalog[row.entity].append_only

    def _hindrance(self, item: Item, local: RowState | None) -> Reason | None:
        """Why a state is not merged: not even its vector is joined."""
        if item.remote is None:
            return None
        accepted, own = self._context.rules[item.row.entity].accept_from, self._context.region_id
        if accepted is not None:
            sender = self._context.source
            region = unaccepted_region(item.remote, local, accepted=accepted, own=own, sender=sender)
            if region is not None:
                message = f"acceptFrom does not name region {region}, which wrote it"
                return Reason(ORIGIN, message, payload=item.text)
        if local is not None and self._is_reused(local, item.remote):
            message = "two things that never met have this key; give one of them another key"
            return Reason("KeyReused", message, payload=item.text)
        return None

    def _is_reused(self, local: RowState, remote: RowState) -> bool:
        natural = self._context.catalog[local.entity].natural_key

        def identity(state: RowState) -> tuple[Value, ...]:
            registers = [state.registers.get(name.split(".")[0], ()) for name in natural]
            values = [register[0].value if register else None for register in registers]
            return tuple(value.casefold() if isinstance(value, str) else value for value in values)

        return key_reused(local, remote, identity_a=identity(local), identity_b=identity(remote))

    # Show, number, park

    def _show_and_finish(self) -> Outcome:
        self._adoptions.absorb(self._folded)
        rules = self._context.rules
        showing = Showing(
            self._draft,
            self._context.catalog,
            rules,
            conflicts=self._conflicts,
            was=self._was,
            state_of=self._state,
        )
        targets = {row: self._merged[row].state for row in self._adoptions.exchange(actor=self._actor)}
        shown = showing.show({row: (state, project(state, rules=rules[row.entity])) for row, state in targets.items()})
        for row, state in shown.moved_along.items():
            self._merged[row] = Merged(state, changed=False)
        self.outcome.parked |= shown.parked
        self.outcome.clashes += shown.clashes
        self.outcome.missing += shown.missing
        self._raised = shown.raised
        self.outcome.opened_conflicts += shown.opened_conflicts
        return self._finish()

    def _finish(self) -> Outcome:
        changed = []
        for row, state in self._folded.items():
            if row not in self._merged:
                self._put(row, state, None)
                self.outcome.changed += 1
                changed.append(row)
        for row, one in self._merged.items():
            self.outcome.changed += one.changed
            known = self._draft.versions.get(row)
            if one.changed or known is None or known.complete != self._is_complete(row, one.state):
                self._put(row, one.state, one.origin if one.changed or known is None else known.origin)
                changed.append(row)
            elif known.complete:  # other rules may have chosen another value
                self._record_conflicts(row, one.state)
        self._park(changed)
        self.outcome.opened_conflicts += namesakes.check(
            self._draft, self._context.catalog, self._conflicts, written=self._folded, changed=set(changed)
        )
        return self.outcome

    def _put(self, row: RowKey, state: RowState, origin: Origin | None) -> None:
        self._record_conflicts(row, state)
        complete = self._is_complete(row, state)
        self._draft.put_version(state, complete=complete, origin=origin, now_s=self._now_s)

    def _record_conflicts(self, row: RowKey, state: RowState) -> None:
        """Record what people have to know of: the conflicts of an alias are those of its adopter."""
        projection = project(state, rules=self._context.rules[row.entity])
        references = {field.name: field.reference for field in self._context.catalog[row.entity].fields}

        def is_one_row(conflict: FieldConflict) -> bool:
            entity = references.get(conflict.field)
            if entity is None or conflict.kind is not ConflictKind.VALUE:
                return False
            values = {str(pair.value) for pair in (conflict.winner, *conflict.losers)}
            return len({self._draft.final(RowKey(entity, value)) for value in values}) == 1

        kept = () if state.alias is not None else tuple(c for c in projection.conflicts if not is_one_row(c))
        self.outcome.opened_conflicts += self._conflicts.record(state, replace(projection, conflicts=kept))

    def _is_complete(self, row: RowKey, state: RowState) -> bool:
        """Whether the business row says less than the state."""
        columns = self._draft.business.get(row)
        if columns is None or not self._is_visible(row) or state.deleted or state.alias is not None:
            return True
        values = self._context.catalog[row.entity].values(columns, key=row.key)
        if state.registers.keys() != values.keys() or not self._context.catalog[row.entity].is_stable(values):
            return True
        return any(len(pairs) > 1 or pairs[0].value != values[name] for name, pairs in state.registers.items())

    def _is_visible(self, row: RowKey) -> bool:
        return row not in self.outcome.parked or self.outcome.parked[row].name in VISIBLE

    def _park(self, changed: Collection[RowKey]) -> None:
        outcome = self.outcome
        freed = [row for row in self._merged if row in self._was and row not in outcome.parked]
        self._parked.release(freed, source=self._context.source)
        outcome.shown = [row for row in self._merged if row not in outcome.parked]
        named = [row for row in self._merged if self._was.get(row) == CLASH and self._is_visible(row)]
        self._conflicts.close(named, kind=UNIQUE_CLASH)
        self._conflicts.close([row for row in freed if self._was[row] == CYCLE], kind=CYCLE)
        for row, reason in outcome.parked.items():
            self._parked.park(row, reason, source=self._context.source)
        touched = [*changed, *self._raised, *(row for row in self._merged if row in self._was)]
        waiting = self._parked.waiting_for(touched)
        came = set(outcome.shown)  # also what a row that was parked just now waits for
        outcome.woken = [
            one for one in waiting if one.row not in outcome.parked or outcome.parked[one.row].waits_for in came
        ]


def _join(local: RowState | None, remote: RowState | None) -> RowState | None:
    if local is None or remote is None:
        return local if remote is None else remote
    return merge(local, remote)
