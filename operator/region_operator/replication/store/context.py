"""What a transaction of the lane depends on, and what it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from region_operator.replication.feed import RowKey
from region_operator.replication.model.projection import Projection, project
from region_operator.replication.model.rules import EntityRuleSet
from region_operator.replication.model.state import RowState
from region_operator.replication.store.incarnations import Mint, Tenure
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.parked import Parking, Reason, Waiting
from region_operator.replication.store.settling import Clash
from region_operator.replication.store.versions import Origin

Rules = Mapping[str, EntityRuleSet]


@dataclass(frozen=True)
class Context:
    """Attributes: source: region whose rows are applied, 0 for our own; incarnation: the source's present one."""

    layout: Layout
    rules: Rules
    tenure: Tenure
    parking: Parking
    mint: Mint
    source: int = 0
    incarnation: str = ""

    def as_merged(self, state: RowState, *, changed: bool, origin: Origin | None = None) -> "Merged":
        return Merged(state, project(state, rules=self.rules[state.entity]), changed, origin)


@dataclass
class Outcome:
    """What a transaction did.

    Attributes:
        woken: parked rows whose wait has ended with it.
        shown: rows that were to be shown and are.
        raised: removed rows that are shown only because a child needs them.
        busy: rows that a writer holds.
        clashes: rows whose name another row has, for the policy to settle.
    """

    changed: int = 0
    missing: list[RowKey] = field(default_factory=list)
    opened_conflicts: int = 0
    restored: bool = False
    parked: dict[RowKey, Reason] = field(default_factory=dict)
    woken: list[Waiting] = field(default_factory=list)
    shown: list[RowKey] = field(default_factory=list)
    raised: list[RowKey] = field(default_factory=list)
    busy: set[RowKey] = field(default_factory=set)
    clashes: list[Clash] = field(default_factory=list)
    head: int = 0

    def add(self, later: "Outcome") -> None:
        """Count a later transaction in; a row that it has made visible is not parked any more."""
        self.changed += later.changed
        self.missing += later.missing
        self.opened_conflicts += later.opened_conflicts
        self.restored = self.restored or later.restored
        self.parked |= later.parked
        for row in later.shown:
            self.parked.pop(row, None)
            self.missing = [missing for missing in self.missing if missing != row]


@dataclass
class Merged:
    """A row's state and what is shown of it; ``origin`` if it is exactly what a peer sent."""

    state: RowState
    projection: Projection
    changed: bool
    origin: Origin | None = None
