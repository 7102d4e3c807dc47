"""A dry run of a join: what would be sent each way, and what would meet there, counted without changing anything.

    for each entity: the peer sums its rows up; we tell it ours as sketches, page by page, and it says how it holds them

What the peer has and we have not needs no look: it is what is left of its sum. The plan knows neither HTTP nor SQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from region_operator.api.agent import LinkLimits
from region_operator.replication.comparison import Sketch, Totals, Verdict

ROWS_PER_SECOND: Final = 10_000
"""Assumed, for a rough figure: between what `make bench` measures of a first copy and of catching up."""

_BYTES_PER_KILOBYTE: Final = 1024


class Peer(Protocol):
    """The region that would be joined; raises Unavailable, or Refused with its own reason."""

    async def totals(self, entity: str, *, after: str) -> Totals | None:
        """Some of its rows of an entity, summed up; None when it does not exchange the entity."""

    async def compare(self, entity: str, sketches: Sequence[Sketch]) -> list[Verdict]: ...

    async def identities(self, entity: str, keys: Sequence[str]) -> dict[str, str]: ...


class Here(Protocol):
    """This region; raises Unavailable while its database is not at hand."""

    async def entities(self) -> list[str]: ...

    async def sketches(self, entity: str, *, after: str) -> tuple[list[Sketch], str]: ...

    async def identities(self, entity: str, keys: Sequence[str]) -> dict[str, str]: ...


@dataclass
class Amount:
    """Rows and the bytes of their states."""

    rows: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        self.rows, self.size = self.rows + 1, self.size + size

    def take(self, size: int) -> None:
        self.rows, self.size = max(0, self.rows - 1), max(0, self.size - size)


@dataclass
class JoinPlan:
    """What a join would do.

    Attributes:
        sent: rows of ours that the peer does not hold, or holds otherwise.
        received: the same of the peer's.
        ours, theirs: all rows; a join tells them all, and what is equal changes nothing.
        equal: rows that both hold in one state, write for write.
        concurrent: rows that both hold in states neither of which has seen the other.
        unique_clashes: rows of ours of which another row there has a name.
        reused_keys: keys that mean another thing on each side; such rows are never merged.
    """

    sent: Amount = field(default_factory=Amount)
    received: Amount = field(default_factory=Amount)
    ours: Amount = field(default_factory=Amount)
    theirs: Amount = field(default_factory=Amount)
    equal: int = 0
    concurrent: int = 0
    unique_clashes: int = 0
    reused_keys: int = 0

    def count(self, sketch: Sketch, verdict: Verdict, *, reused: bool) -> None:
        self.ours.add(sketch.size)
        if verdict.relation in ("Absent", "Newer", "Concurrent"):
            self.sent.add(sketch.size)
        if verdict.relation in ("Equal", "Newer"):
            self.received.take(verdict.size)
        self.equal += verdict.relation == "Equal"
        self.reused_keys += reused
        self.concurrent += verdict.relation == "Concurrent" and not reused
        self.unique_clashes += verdict.clashes and not reused

    def estimated_s(self, limits: LinkLimits) -> int:
        """How long the join would take; both directions run at once."""
        return max(_direction_s(amount, limits) for amount in (self.ours, self.theirs))


def _direction_s(amount: Amount, limits: LinkLimits) -> int:
    seconds = amount.rows / ROWS_PER_SECOND
    if limits.max_kilobytes_per_second:
        seconds = max(seconds, amount.size / _BYTES_PER_KILOBYTE / limits.max_kilobytes_per_second)
    return -int(-seconds // 1)


async def plan_join(here: Here, peer: Peer) -> JoinPlan:
    """Compare both regions; exact for what does not change meanwhile."""
    plan = JoinPlan()
    for entity in await here.entities():
        if await _sum_up(plan, peer, entity):
            await _compare(plan, here, peer, entity)
    return plan


async def _sum_up(plan: JoinPlan, peer: Peer, entity: str) -> bool:
    """Add what the peer has; whether it exchanges the entity at all."""
    after = ""
    while (found := await peer.totals(entity, after=after)) is not None:
        for amount in (plan.theirs, plan.received):
            amount.rows, amount.size = amount.rows + found.rows, amount.size + found.size
        after = found.last
        if not after:
            return True
    return False


async def _compare(plan: JoinPlan, here: Here, peer: Peer, entity: str) -> None:
    after = ""
    while True:
        sketches, after = await here.sketches(entity, after=after)
        verdicts = await peer.compare(entity, sketches) if sketches else []
        pairs = list(zip(sketches, verdicts, strict=True))
        suspects = [sketch.key for sketch, verdict in pairs if verdict.suspect]
        reused = await _reused(here, peer, entity, suspects) if suspects else frozenset()
        for sketch, verdict in pairs:
            plan.count(sketch, verdict, reused=sketch.key in reused)
        if not after:
            return


async def _reused(here: Here, peer: Peer, entity: str, keys: Sequence[str]) -> frozenset[str]:
    """The keys that people know two different things by."""
    ours, theirs = await here.identities(entity, keys), await peer.identities(entity, keys)
    return frozenset(key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key])
