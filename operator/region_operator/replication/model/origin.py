"""Whose writes a state brings: what a policy does not accept, and what nobody can have written.

A state is taken whole or not at all. One that is not taken leaves the vector as it is, so what is written here
meanwhile stays concurrent with it: when it is accepted later, both values stand side by side and none is gone.
"""

from collections.abc import Collection

from region_operator.replication.model.state import RowState
from region_operator.replication.model.vectors import EMPTY_VECTOR, region_of

MOST_WRITES_AT_ONCE = 2**40
"""Nobody writes a row a trillion times between two looks; a counter that claims so would use all counters up."""


def unaccepted_region(
    remote: RowState, local: RowState | None, *, accepted: Collection[int], own: int, sender: int
) -> int | None:
    """Return a region whose writes would be new here and are not accepted; None if there is none.

    Writes that somebody accepted has superseded do not count, only values that would come to stand in a register. What
    bears no region (rows older than capture, adoptions) counts as the sender's. ``own`` is always accepted.
    """
    known = local.vector if local is not None else EMPTY_VECTOR
    for register in (*remote.registers.values(), remote.deleted):
        for pair in register:
            if known.covers(pair.dot):
                continue
            region = region_of(pair.dot.actor)
            region = sender if region is None else region
            if region != own and region not in accepted:
                return region
    is_news = remote.alias is not None and (local is None or local.alias != remote.alias)
    return sender if is_news and sender not in accepted else None


def is_implausible(remote: RowState, local: RowState | None) -> bool:
    """Tell whether a counter of ``remote`` is farther ahead than anybody can have written."""
    known = local.vector.highest() if local is not None else 0
    return remote.vector.highest() - known > MOST_WRITES_AT_ONCE
