"""What a transaction depends on, and what it did."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from memory_region.database import Origin, Server
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import RowKey
from region_operator.replication.model import EntityRuleSet, RowState
from region_operator.replication.store.parked import Parking, Reason, Waiting
from region_operator.replication.store.settling import Clash


@dataclass(frozen=True)
class Context:
    """What a transaction depends on; ``source`` 0 is the region itself."""

    region_id: int
    server: Server
    rules: Mapping[str, EntityRuleSet]
    mint: Callable[[], int]
    parking: Parking = field(default_factory=Parking)
    source: int = 0
    incarnation: str = ""

    @property
    def catalog(self) -> Mapping[str, Entity]:
        return self.server.catalog


@dataclass
class Merged:
    state: RowState
    changed: bool
    origin: Origin | None = None


@dataclass
class Outcome:
    """What a transaction did.

    Attributes:
        woken: parked rows whose wait has ended with it.
        clashes: rows whose name another row has, for the policy to settle.
    """

    changed: int = 0
    missing: list[RowKey] = field(default_factory=list)
    opened_conflicts: int = 0
    restored: bool = False
    parked: dict[RowKey, Reason] = field(default_factory=dict)
    shown: list[RowKey] = field(default_factory=list)
    woken: list[Waiting] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)

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
