"""Rows that another row has adopted: their writes join the adopter's, their visible row becomes the adopter's."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from memory_region.context import Context, Merged
from memory_region.database import Database
from memory_region.records import Conflicts
from region_operator.replication.catalog import Field
from region_operator.replication.feed import RowKey
from region_operator.replication.model import MergeRefused, RowState, absorb, local_write, merge
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.parked import LOCKED, Reason


class Adoptions:
    """The aliases of one transaction; ``merged`` are the rows that it writes, which is added to."""

    def __init__(
        self,
        draft: Database,
        context: Context,
        outcome: Outcome,
        *,
        conflicts: Conflicts,
        merged: dict[RowKey, Merged],
        state_of: Callable[[RowKey], RowState | None],
    ) -> None:
        self._draft, self._context, self._outcome = draft, context, outcome
        self._conflicts, self._merged, self._state_of = conflicts, merged, state_of

    def absorb(self, folded: Collection[RowKey]) -> None:
        """Join what was written to aliases into the rows that adopted them."""
        todo = [row for row, merged in self._merged.items() if merged.state.alias is not None]
        for row in todo:  # grows along chains of aliases
            alias = self._merged[row].state
            assert alias.alias is not None
            adopter = RowKey(row.entity, alias.alias.key)
            if self._draft.aliases.get(row) != adopter.key:
                self._draft.aliases[row] = adopter.key
                self._conflicts.record_adoption(row, adopter)
            known = self._merged.get(adopter)
            state = known.state if known is not None else self._state_of(adopter)
            if state is None:
                message = f"{adopter.key} adopted it and is not here"
                self._outcome.parked[row] = Reason("AdopterMissing", message, adopter)
                self._outcome.missing.append(adopter)
                continue
            try:
                joined = absorb(state, alias)
            except MergeRefused as error:
                self._outcome.parked[row] = Reason(error.reason, str(error))
                continue
            changed = joined != state or adopter in folded or (known is not None and known.changed)
            origin = known.origin if known is not None and joined == state else None
            self._merged[adopter] = Merged(joined, changed, origin)
            if joined.alias is not None and adopter not in todo:
                todo.append(adopter)

    def exchange(self, *, actor: str) -> list[RowKey]:
        """Give the visible rows of aliases to their adopters; returns the rows that are to be shown themselves."""
        shown = []
        for row, merged in list(self._merged.items()):
            if merged.state.alias is None:
                shown.append(row)
            elif row not in self._outcome.parked and row in self._draft.business:
                children = list(self._children(row))
                if any(child in self._draft.dirty for child, _ in children):
                    self._outcome.parked[row] = Reason(LOCKED, "rows that refer to it are being written")
                    continue
                for child, field in children:
                    shown += self._lead(child, field, self._draft.final(row), actor=actor)
                columns = self._draft.business.pop(row)
                self._draft.business.setdefault(self._draft.final(row), columns)
        return list(dict.fromkeys(shown))

    def _children(self, row: RowKey) -> Iterator[tuple[RowKey, Field]]:
        for name, entity in self._context.catalog.items():
            for field in entity.fields:
                if field.reference == row.entity:
                    for child, columns in self._draft.business.items():
                        if child.entity == name and columns[field.name] == row.key:
                            yield child, field

    def _lead(self, child: RowKey, field: Field, adopter: RowKey, *, actor: str) -> list[RowKey]:
        """Let a row refer to the adopter; one that is named after the alias ends, and begins again."""
        columns = {**self._draft.business[child], field.name: adopter.key}
        entity = self._context.catalog[child.entity]
        if field.name not in entity.key_fields:
            self._draft.business[child] = columns
            if child in self._draft.versions:  # its state goes on to name the alias
                self._draft.versions[child] = replace(self._draft.versions[child], complete=True)
            return []
        del self._draft.business[child]
        state, values = self._state_of(child), entity.values(columns, key=child.key)
        renamed = RowKey(child.entity, str(entity.key_of(values)))
        if state is not None:
            ended = local_write(state, entity=child.entity, key=child.key, actor=actor, changes={}, deleted=True)
            self._merged[child] = Merged(ended, changed=True)
        if renamed in self._draft.business or state is None:
            return []
        self._draft.business[renamed] = columns
        known = self._state_of(renamed)
        begun = local_write(None, entity=child.entity, key=renamed.key, actor=actor, changes=values)
        self._merged[renamed] = Merged(begun if known is None else merge(known, begun), changed=True)
        return [renamed]


def adopters(draft: Database, aliases: Mapping[RowKey, str]) -> list[RowKey]:
    """All rows from the adopters of these aliases to the ones that stand for them."""
    found: dict[RowKey, None] = {}
    for row, adopter in aliases.items():
        key: str | None = adopter
        while key is not None and key != row.key and RowKey(row.entity, key) not in found:
            found[RowKey(row.entity, key)] = None
            key = draft.aliases.get(RowKey(row.entity, key))
    return list(found)
