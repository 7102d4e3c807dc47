"""Which regions are peered, as their operator declares it: some join later, some leave, and may join anew."""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulation.plans import Plan, pick

Pair = tuple[int, int]

HasLeft = Callable[[str, Pair], bool]
"""Whether both regions have left a peering for good."""


@dataclass
class Peerings:
    """Attributes: links: all that were declared, by uid; later: those to come; left: uids of those that ended."""

    regions: int
    links: dict[str, Pair]
    later: list[Pair]
    left: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, plan: Plan) -> "Peerings":
        return cls(plan.regions, {_uid(pair): pair for pair in plan.links}, list(plan.later))

    def active(self) -> dict[str, Pair]:
        return {uid: pair for uid, pair in self.links.items() if uid not in self.left}

    def pairs(self) -> list[Pair]:
        """The regions that are peered now, the lower id first."""
        return sorted({(min(pair), max(pair)) for pair in self.active().values()})

    def join(self, *, has_left: HasLeft) -> Pair | None:
        """Peer two regions that never were, else two that have left each other: by a peering made anew."""
        if self.later:
            pair = self.later.pop(0)
            self.links[_uid(pair)] = pair
            return pair
        again = [uid for uid in self.left if f"{uid}+" not in self.links and has_left(uid, self.links[uid])]
        if not again:
            return None
        uid = min(again)
        self.links[f"{uid}+"] = self.links[uid]
        return self.links[uid]

    def leave(self, draws: tuple[float, ...], *, apart: float) -> Pair | None:
        """End a peering; in a share ``apart`` of the cases also one without which the fleet falls apart."""
        active = self.active()
        if draws[0] >= apart:
            active = {uid: pair for uid, pair in active.items() if self._is_connected_without(uid)}
        uid = pick(draws[1], sorted(active))
        if uid is None:
            return None
        self.left.add(uid)
        return active[uid]

    def is_connected(self) -> bool:
        return self._is_connected_without("")

    def _is_connected_without(self, uid: str) -> bool:
        return _is_connected([pair for other, pair in self.active().items() if other != uid], self.regions)


def _uid(pair: Pair) -> str:
    return f"p{pair[0]}-{pair[1]}"


def _is_connected(links: list[Pair], regions: int) -> bool:
    reached, todo = {1}, [1]
    while todo:
        at = todo.pop()
        for a, b in links:
            for other in {a, b} - reached if at in (a, b) else ():
                reached.add(other)
                todo.append(other)
    return len(reached) == regions
