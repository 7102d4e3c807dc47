"""Random lives of one row in several regions, beside an oracle that knows of causality only sets of writes.

The oracle is deliberately naive: every write remembers the set of all writes that its region had seen. What must be in
a register in the end is every write to that field that no other write to it had seen: no less (nothing lost), no more
(nothing comes back).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from region_operator.replication.model import RowState, Value, absorb, actor_of, adopt, genesis, local_write, merge

FIELDS = ("name", "state", "keys")
DELETED = "deleted"


@dataclass(frozen=True)
class Write:
    number: int
    field: str
    value: Value
    seen: frozenset["Write"]


@dataclass
class Region:
    """One region's copy of some rows, with what it has seen of each."""

    id: int
    life: int = 0
    states: dict[str, RowState] = field(default_factory=dict)
    seen: dict[str, frozenset[Write]] = field(default_factory=dict)

    @property
    def actor(self) -> str:
        return actor_of(self.id, f"{self.life:016x}")

    def row(self, key: str) -> str:
        state = self.states.get(key)
        return state.alias_of or key if state is not None else key


class World:
    """Some regions and the random things that happen to them, repeatable by its seed."""

    def __init__(self, *, regions: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.regions = [Region(id + 1) for id in range(regions)]
        self.writes: list[Write] = []

    def _value(self, name: str) -> Value:
        number = len(self.writes)
        return (f"a{number}", f"b{number}") if name == "keys" else f"v{number}"

    def _record(self, region: Region, key: str, writes: dict[str, Value], *, seen: frozenset[Write]) -> None:
        new = [Write(len(self.writes) + n, name, value, seen) for n, (name, value) in enumerate(writes.items())]
        self.writes += new
        region.seen[key] = region.seen.get(key, frozenset()) | frozenset(new)

    def populate(self, key: str, *, equal: bool) -> None:
        """Give every region a row older than capture: one dump, or grown apart."""
        shared: list[Write] = []
        for region in self.regions:
            values = {name: f"old-{name}" if equal else f"old-{name}-{region.id}" for name in FIELDS}
            region.states[key] = genesis(entity="user", key=key, values=values, deleted=False)
            if not equal or not shared:
                self._record(region, key, dict(values), seen=frozenset())
                shared = list(region.seen[key])
            region.seen[key] = frozenset(shared)

    def write(self, region: Region, key: str) -> None:
        key = region.row(key)
        state, seen = region.states.get(key), region.seen.get(key, frozenset())
        names = FIELDS if state is None else self.random.sample(FIELDS, self.random.randint(1, len(FIELDS)))
        changes = {name: self._value(name) for name in names}
        deleted = self.random.choice([None, None, None, False, True])
        region.states[key] = written = local_write(
            state, entity="user", key=key, actor=region.actor, changes=changes, deleted=deleted
        )
        if written.deleted != (state.deleted if state is not None else ()):
            changes[DELETED] = int(bool(deleted))
        self._record(region, key, changes, seen=seen)

    def sync(self, source: Region, target: Region) -> None:
        for key, state in source.states.items():
            mine = target.states.get(key)
            target.states[key] = state if mine is None else merge(mine, state)
            target.seen[key] = target.seen.get(key, frozenset()) | source.seen[key]
        for region in (source, target):
            self.settle(region)

    def settle(self, region: Region) -> None:
        for alias in list(region.states.values()):
            winner = region.states.get(alias.alias_of) if alias.alias_of else None
            if winner is not None:
                region.states[winner.key] = absorb(winner, alias)
                region.seen[winner.key] |= region.seen[alias.key]

    def adopt(self, region: Region, *, loser: str, winner: str) -> None:
        rows = region.states
        if loser in rows and winner in rows and rows[loser].alias is None:
            rows[loser] = adopt(rows[loser], winner=rows[winner])
            self.settle(region)

    def step(self, *keys: str) -> None:
        region = self.random.choice(self.regions)
        match self.random.choices(("write", "sync", "restart"), (5, 4, 1))[0]:
            case "write":
                self.write(region, self.random.choice(keys))
            case "sync":
                self.sync(*self.random.sample(self.regions, 2))
            case _:
                region.life += 1

    def heal(self) -> None:
        """Let everybody hear of everything, in a random order."""
        for _ in range(3):
            pairs = [(a, b) for a in self.regions for b in self.regions if a is not b]
            self.random.shuffle(pairs)
            for source, target in pairs:
                self.sync(source, target)

    def expected(self, region: Region, key: str, name: str) -> list[Value]:
        """The values of a register by the oracle: writes that no other write to the field had seen."""
        writes = [write for write in region.seen[key] if write.field == name]
        return sorted((write.value for write in writes if not any(write in later.seen for later in writes)), key=str)

    def all_states(self, *, steps: int, key: str = "k") -> Iterator[RowState]:
        for _ in range(steps):
            self.step(key)
            yield from (region.states[key] for region in self.regions if key in region.states)


def values(state: RowState, name: str) -> list[Value]:
    register = state.deleted if name == DELETED else state.registers[name]
    return sorted((pair.value for pair in register), key=str)
