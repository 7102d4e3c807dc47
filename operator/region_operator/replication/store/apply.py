"""One transaction of the lane: fold, merge, business rows, versions, conflicts, parked rows.

Merging always succeeds or refuses a single row; making a merged row visible may have to wait (for a parent, a name, a
lock). Such a row is stored with all its values and forwarded, and parked until what it waits for changes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from region_operator.errors import InvalidInput
from region_operator.replication.feed import RowKey
from region_operator.replication.model import origin
from region_operator.replication.model.merge import MergeRefused, merge, proves_more
from region_operator.replication.model.projection import ConflictKind, FieldConflict, Projection, project
from region_operator.replication.model.state import RowState
from region_operator.replication.store import adopting, clashes, conflicts, fold, incarnations, parked, rows, versions
from region_operator.replication.store.aliases import Aliases
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context, Merged, Outcome
from region_operator.replication.store.cycles import below_themselves
from region_operator.replication.store.fold import Locked
from region_operator.replication.store.intake import Item
from region_operator.replication.store.parked import Reason
from region_operator.replication.store.reuse import Remains, Reuse
from region_operator.replication.store.showing import Showing
from region_operator.replication.store.versions import NewVersion, Origin

_VISIBLE = Reason(parked.DEFERRED, "")


class Application:
    """The work of one transaction."""

    def __init__(self, session: Session, context: Context, outcome: Outcome | None = None) -> None:
        """``outcome``: what the transaction has done before, to be counted on."""
        self._session, self._context, self._layout = session, context, context.layout
        self._actor = context.tenure.actor
        self._outcome = outcome if outcome is not None else Outcome()
        self._aliases = Aliases(session, context.layout)
        self._was: dict[RowKey, str] = {}
        self._merged: dict[RowKey, Merged] = {}

    def fold(self, keys: Collection[RowKey], *, wait: bool = False) -> Outcome:
        """Version what was captured of rows; ``wait`` waits a second for a writer (for single rows)."""
        locked = self._lock(keys, wait=wait)
        self._outcome.busy |= locked.busy
        looping = below_themselves(self._session, self._layout, locked)
        if looping:  # a move that was committed only after one that arrived had been shown
            trees = {row.entity for row in looping}
            locked.add(self._lock(self._written_of_trees(trees).difference(keys), wait=wait))
            written = [row for row in locked.folded if row.entity in trees]  # any of them may have to move
            self._was = parked.reasons(self._session, self._layout, written)
            self._merged = {row: self._as_merged(locked.folded[row], changed=True) for row in written}
            Showing(self._session, self._context, self._outcome, was=self._was).show(self._merged, locked)
        self._finish(locked)
        return self._outcome

    def run(
        self, items: Collection[Item], refused: Mapping[RowKey, Reason], *, wait: bool = False, again: bool = False
    ) -> Outcome:
        """Apply rows; ``again`` also shows those that have not changed."""
        self._outcome.parked.update(refused)
        moved = self._written_of_trees({item.row.entity for item in items}).difference(item.row for item in items)
        keys = list(dict.fromkeys([*adopting.with_adopters(self._aliases, items), *moved]))
        self._was = parked.reasons(self._session, self._layout, keys)
        locked = self._lock(keys, wait=wait, items=items)
        reuse = Reuse(self._session, self._context, items)
        for item in sorted(items, key=lambda item: self._layout.depth(item.row.entity)):
            self._merge(item, locked, reuse, again=again)
        for row in moved & locked.folded.keys():
            self._merged[row] = self._as_merged(locked.folded[row], changed=True)
        adopting.absorb(self._session, self._context, self._outcome, merged=self._merged, locked=locked)
        Showing(self._session, self._context, self._outcome, was=self._was).show(self._merged, locked)
        self._finish(locked)
        return self._outcome

    def rewrite(
        self, row: RowKey, write: Callable[[RowState, str], RowState], *, adopter: RowKey | None = None
    ) -> Outcome:
        """Make a change of our own to a row and show it; ``write`` gets its state and our actor.

        ``adopter`` is the row that the change makes this one an alias of.
        """
        if row.entity not in self._layout.tables:
            raise InvalidInput(field="row", problem=f"{row.entity} is not exchanged here", remedy="see the status")
        moved = self._written_of_trees({row.entity}) - {row}
        keys = list(dict.fromkeys([row, *([] if adopter is None else [adopter]), *moved]))
        self._was = parked.reasons(self._session, self._layout, keys)
        locked = self._lock(keys, wait=True)
        state = locked.state(self._layout, row)
        if state is None or locked.busy:
            raise InvalidInput(
                field="row",
                problem=f"{row.entity} {row.key} is not here or is being written",
                remedy="try again",
                reason="RowBusy",
            )
        state = write(state, self._actor)
        self._merged = {one: self._as_merged(locked.folded[one], changed=True) for one in moved & locked.folded.keys()}
        self._merged[row] = self._as_merged(state, changed=True)
        adopting.absorb(self._session, self._context, self._outcome, merged=self._merged, locked=locked)
        Showing(self._session, self._context, self._outcome, was=self._was).show(self._merged, locked)
        self._finish(locked)
        return self._outcome

    # Merge

    def _written_of_trees(self, entities: Collection[str]) -> set[RowKey]:
        """Rows of trees that people have just written: a circle is broken by what all its rows say now."""
        trees = {name for name in entities if (table := self._layout.tables.get(name)) and table.entity.tree}
        return {row for name in trees for row in fold.captured_of(self._session, self._layout, name)}

    def _lock(self, keys: Collection[RowKey], *, wait: bool, items: Iterable[Item] = ()) -> Locked:
        locked = fold.lock(self._session, self._layout, keys, wait=wait)
        self._watch_own_past(locked, items)
        fold.fold(self._session, self._layout, locked, keys, actor=self._actor)
        return locked

    def _watch_own_past(self, locked: Locked, items: Iterable[Item]) -> None:
        """A peer that has seen more writes of ours than we have proves that this database went back in time.

        Unless we can prove that it did not: then somebody forges, and the row is refused.
        """
        for item in items:
            version = locked.versions.get(item.row)
            known = version.names() if version is not None else None
            if item.remote is not None and proves_more(item.remote, known, actor=self._actor):
                if incarnations.holds_all_writes(self._session, self._layout, self._context.tenure):
                    incarnations.mark_forged(self._session, self._layout)
                    message = "claims writes of this region that it never made"
                    self._outcome.parked[item.row] = Reason(parked.FORGED, message, payload=item.text)
                    continue
                incarnations.begin(
                    self._session, self._layout, mint=self._context.mint, reason="PeerProvedMore", restored=True
                )
                region = self._context.tenure.region_id
                self._actor = incarnations.actor(self._session, self._layout, region_id=region)
                self._outcome.restored = True
                return

    def _merge(self, item: Item, locked: Locked, reuse: Reuse, *, again: bool) -> None:
        row = item.row
        if row in self._outcome.parked:
            return  # refused already
        local = locked.state(self._layout, row)
        remains = reuse.remains(item, local, is_here=row in locked.business)
        if row not in locked.busy and (remains is Remains.THERE or self._is_purged(row, locked)):
            parked.release(self._session, self._layout, [row], source=self._context.source)
            return  # what peers still have of it does not bring it back
        base = None if remains is Remains.HERE else local
        if reason := self._hindrance(item, base, locked, reuse):
            self._outcome.parked[row] = reason
            return
        try:
            state = _join(base, item.remote)
        except MergeRefused as error:
            self._outcome.parked[row] = Reason(error.reason, str(error), payload=item.text)
            return
        if state is None:
            return
        sent = None
        if item.remote is not None and item.lsn and state == item.remote and base is local:
            sent = Origin(self._context.source, self._context.incarnation, item.lsn)
        changed = state != local or row in locked.folded
        if changed or again or row in self._was:
            self._merged[row] = self._as_merged(state, changed=changed, origin=sent)

    def _hindrance(self, item: Item, local: RowState | None, locked: Locked, reuse: Reuse) -> Reason | None:
        """Why a row is not merged now, or at all."""
        row = item.row
        if row in locked.busy:
            return Reason(parked.LOCKED, "a writer holds the row", payload=item.text)
        if row in locked.versions and locked.state(self._layout, row) is None:
            return Reason("RowVanished", "the row went without being captured", payload=item.text)
        if item.remote is not None and (unwelcome := self._unwelcome(item.remote, local)):
            return Reason(*unwelcome, payload=item.text)
        return reuse.reason(item, local)

    def _as_merged(self, state: RowState, *, changed: bool, origin: Origin | None = None) -> Merged:
        return self._context.as_merged(state, changed=changed, origin=origin)

    def _is_purged(self, row: RowKey, locked: Locked) -> bool:
        """True for a row of an append-only entity that was visible and is gone."""
        is_hidden = self._was.get(row, parked.DEFERRED) not in parked.VISIBLE
        is_gone = row in locked.versions and row not in locked.business
        return is_gone and not is_hidden and self._layout.tables[row.entity].entity.append_only

    def _unwelcome(self, remote: RowState, local: RowState | None) -> tuple[str, str] | None:
        """Name and message of why a state is refused whole, its vector not joined."""
        if origin.is_implausible(remote, local):
            return parked.FORGED, "its counters are farther ahead than anybody can have written"
        accepted, source = self._context.rules[remote.entity].accept_from, self._context.source
        if accepted is None:
            return None
        own = self._context.tenure.region_id
        region = origin.unaccepted_region(remote, local, accepted=accepted, own=own, sender=source)
        return None if region is None else (parked.ORIGIN, f"acceptFrom does not name region {region}, which wrote it")

    # Versions, conflicts, parked rows

    def _finish(self, locked: Locked) -> None:
        layout, outcome, session = self._layout, self._outcome, self._session
        new = [
            version
            for version in fold.new_versions(layout, locked, self._context.rules)
            if version.row not in self._merged
        ]
        outcome.changed += len(new)
        for version in new:
            self._record_conflicts(version, locked)
        new += self._merged_versions(locked)
        changed = [version.row for version in new]
        self._park([*changed, *(row for row in self._merged if row in self._was)])
        outcome.opened_conflicts += clashes.check(
            session, layout, locked.folded, set(changed), source=self._context.source
        )
        fold.forget(session, layout, locked.entries)
        outcome.head = versions.write(session, layout, new)
        if new:
            incarnations.witness(session, layout, lsn=outcome.head)

    def _merged_versions(self, locked: Locked) -> list[NewVersion]:
        """Versions of merged rows: with values where the business row, read again, does not hold exactly them."""
        now = rows.read_keys(self._session, self._layout, self._merged)
        new = []
        for row, merged in self._merged.items():
            values = None
            if row in now and self._is_visible(row):
                values = self._layout.tables[row.entity].entity.values(now[row].columns, key=row.key)
            complete = not versions.fits(self._layout, merged.state, values)
            known = locked.versions.get(row)
            # A row that only becomes visible is still what its sender sent, and no news to it.
            origin = merged.origin if merged.changed or known is None else known.origin
            version = NewVersion(merged.state, complete, merged.projection.alive, origin)
            self._record_conflicts(version, locked)
            self._outcome.changed += merged.changed
            if merged.changed or known is None or known.complete != complete:
                new.append(version)
        return new

    def _is_visible(self, row: RowKey) -> bool:
        return self._outcome.parked.get(row, _VISIBLE).name in parked.VISIBLE

    def _record_conflicts(self, version: NewVersion, locked: Locked) -> None:
        """Only a state that a business row cannot hold can be, or have been, in conflict."""
        known = locked.versions.get(version.row)
        if version.complete or (known is not None and known.complete):
            projection = self._disagreements(version.state)
            self._outcome.opened_conflicts += conflicts.record(
                self._session, self._layout, version.state, projection, source=self._context.source
            )

    def _disagreements(self, state: RowState) -> Projection:
        """The projection with the conflicts that people have to know of: an alias's are those of its adopter."""
        projection = project(state, rules=self._context.rules[state.entity])
        references = {field.name: field.reference for field in self._layout.tables[state.entity].references}

        def is_one_row(conflict: FieldConflict) -> bool:
            entity = references.get(conflict.field)
            if entity is None or conflict.kind is not ConflictKind.VALUE:
                return False
            values = {str(pair.value) for pair in (conflict.winner, *conflict.losers)}
            return len({self._aliases.final(RowKey(entity, value)) for value in values}) == 1

        kept = () if state.alias is not None else tuple(c for c in projection.conflicts if not is_one_row(c))
        return replace(projection, conflicts=kept)

    def _park(self, changed: Collection[RowKey]) -> None:
        outcome, session, layout = self._outcome, self._session, self._layout
        freed = [row for row in self._merged if row in self._was and row not in outcome.parked]
        parked.release(session, layout, freed, source=self._context.source)
        outcome.shown += [row for row in self._merged if row not in outcome.parked]
        named = [row for row in self._merged if self._was.get(row) == parked.CLASH and self._is_visible(row)]
        conflicts.close_clashes(session, layout, named)
        conflicts.close_cycles(session, layout, [row for row in freed if self._was[row] == parked.CYCLE])
        for row, reason in outcome.parked.items():
            parked.park(session, layout, row, reason, source=self._context.source, parking=self._context.parking)
        waiting = parked.waiting_for(session, layout, [*changed, *outcome.raised])
        came = set(outcome.shown)  # also what a row that was parked just now waits for
        outcome.woken += [
            one for one in waiting if one.row not in outcome.parked or outcome.parked[one.row].waits_for in came
        ]


def _join(local: RowState | None, remote: RowState | None) -> RowState | None:
    if local is None or remote is None:
        return local if remote is None else remote
    return merge(local, remote)
