"""Writes to adopted rows, joined into the rows that adopted them, whenever and from wherever they come."""

from collections.abc import Collection

from region_operator.replication.feed import RowKey
from region_operator.replication.model.identity import absorb as joined_with
from region_operator.replication.model.merge import MergeRefused
from region_operator.replication.store import conflicts
from region_operator.replication.store.aliases import Aliases
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context, Merged, Outcome
from region_operator.replication.store.fold import Locked
from region_operator.replication.store.intake import Item
from region_operator.replication.store.parked import Reason


def with_adopters(aliases: Aliases, items: Collection[Item]) -> list[RowKey]:
    """The rows to lock: those that arrive, and those that adopted some of them."""
    keys = dict.fromkeys(item.row for item in items)
    known = aliases.known(keys)
    known |= {i.row: i.remote.alias.key for i in items if i.remote is not None and i.remote.alias is not None}
    for row, adopter in known.items():
        keys |= dict.fromkeys(aliases.way(row, adopter))
    return list(keys)


def absorb(
    session: Session, context: Context, outcome: Outcome, *, merged: dict[RowKey, Merged], locked: Locked
) -> None:
    """Join what was written to the aliases among ``merged`` into their adopters, which are added to it."""
    aliases = Aliases(session, context.layout)
    todo = [row for row, one in merged.items() if one.state.alias is not None]
    for row in todo:  # grows along chains of aliases
        alias = merged[row].state
        assert alias.alias is not None
        adopter = RowKey(row.entity, alias.alias.key)
        if aliases.note(row, adopter.key):
            conflicts.record_adoption(session, context.layout, row, adopter, source=context.source)
        known = merged.get(adopter)
        state = known.state if known is not None else locked.state(context.layout, adopter)
        if state is None or adopter in locked.busy:
            message = f"{adopter.key} adopted it and is not here, or is being written"
            outcome.parked[row] = Reason("AdopterMissing", message, adopter)
            outcome.missing += [adopter] if state is None else []
            continue
        try:
            joined = joined_with(state, alias)
        except MergeRefused as error:
            outcome.parked[row] = Reason(error.reason, str(error))
            continue
        changed = joined != state or adopter in locked.folded or (known is not None and known.changed)
        origin = known.origin if known is not None and joined == state else None
        merged[adopter] = context.as_merged(joined, changed=changed, origin=origin)
        if joined.alias is not None and adopter not in todo:
            todo.append(adopter)
