"""What a region's store keeps for people and for its agent: conflicts, parked rows, findings, status. Pure values."""

from dataclasses import dataclass

from region_operator.replication.feed import RowKey
from region_operator.replication.model.lag import History


@dataclass(frozen=True, slots=True)
class Counts:
    """What needs a person; ``by_source`` of the store gives the share of one peer."""

    open_conflicts: int = 0
    unique_clashes: int = 0
    parked: int = 0
    dead_lettered: int = 0


@dataclass(frozen=True, slots=True, order=True)
class ParkedKey:
    """The place of a parked row in lists; ``source`` is the region that it came from."""

    entity: str
    key: str
    source: int


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A row that could not be made visible.

    Attributes:
        reason: CamelCase constant (MissingReference, UniqueClash, RowLocked, SchemaSkew, DotReuse, WriteRefused, ...).
        waits_for: the row whose change lets this one be tried again at once.
        next_try_ms: milliseconds until the next try by this database's clock; None for one that is not tried.
        state: Parked, Dead (not tried any more) or Skipped (given up by a person).
    """

    row: RowKey
    source: int
    reason: str
    message: str
    waits_for: RowKey | None
    attempts: int
    age_ms: int
    next_try_ms: int | None
    state: str

    @property
    def place(self) -> "ParkedKey":
        return ParkedKey(self.row.entity, self.row.key, self.source)


@dataclass(frozen=True, slots=True)
class ConflictValue:
    """One of the values of a conflict; secrets are shown as a short fingerprint."""

    dot: str
    value: str | int | list[str | int | None] | None
    region: int | None


@dataclass(frozen=True, slots=True)
class ConflictRecord:
    """Concurrent values of a field, or two rows with one name.

    Attributes:
        kind: Value, Deletion, UniqueClash, Cycle.
        state: Open, Settled (by a rule; kept for people) or Closed (a later write covers all values).
        chosen: the dot of the value that is shown here.
        vector: (actor, counter)...: the writes to the row that had been seen when the conflict was.
        other: the partner of a unique clash.
    """

    id: int
    row: RowKey
    field: str
    kind: str
    rule: str
    state: str
    values: tuple[ConflictValue, ...]
    chosen: str
    source: int
    opened_at: str
    closed_at: str | None = None
    other: RowKey | None = None
    vector: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """The agent's configuration as text of its own, and the claim in it, so that SQL users see who commands."""

    text: str
    etag: str = ""
    claim_hub: str = ""
    claim_region: str = ""
    claim_epoch: int = 0


@dataclass(frozen=True, slots=True)
class EntityFinding:
    """What is the matter with an entity in this region; ``held_back``: no row of it is exchanged."""

    entity: str
    reason: str
    message: str
    held_back: bool = True


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Facts for the agent's status."""

    schema_version: int
    region_id: int
    history: History = ()
    head: int = 0
    captured: int = 0
    history_intact: str = "Continuous"
    database_version: str = ""
    findings: tuple[EntityFinding, ...] = ()
