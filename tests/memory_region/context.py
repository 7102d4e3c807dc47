"""What a transaction depends on; what it did is told as the real store tells it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from memory_region.database import Origin, Server
from region_operator.replication.catalog import Entity
from region_operator.replication.model import EntityRuleSet, RowState
from region_operator.replication.store.parked import Parking


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
