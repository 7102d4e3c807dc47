"""What a database server holds, as values: a transaction works on a copy and commits by putting it in place."""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from memory_region.indexed import Indexed
from region_operator.errors import Unavailable
from region_operator.replication.catalog import CATALOG, Column, Entity, Field
from region_operator.replication.feed import RowKey
from region_operator.replication.load import Counters
from region_operator.replication.model import START, Cursor, History, RowState, Scalar, Seen, encode, final_key, genesis
from region_operator.replication.records import ConflictRecord, StoredConfiguration
from region_operator.replication.scans.record import StoredScan

Columns = Mapping[str, Scalar]
NOWHERE: tuple[Cursor, History, Seen] = (START, (), Seen())
CREATED = "2026-01-01 00:00:00"
_DEFAULTS: Mapping[str, Scalar] = {"str": "", "int": 0, "bool": 0, "datetime": CREATED, "decimal": "0"}


@dataclass(frozen=True, slots=True)
class Captured:
    """What a trigger leaves of one write: operation, fields that changed, and of a deletion the old columns."""

    op: Literal["I", "U", "D"]
    changed: frozenset[str]
    old: Columns | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Origin:
    """From whom a row came exactly as it is, and where that stood in the sender's changes."""

    region: int
    incarnation: str
    lsn: int


@dataclass(frozen=True, slots=True)
class Version:
    """A row's state under its number; ``complete``: the business row does not hold exactly these values."""

    state: RowState
    text: str
    lsn: int
    complete: bool
    origin: Origin | None
    changed_s: float


@dataclass(frozen=True, slots=True)
class Parked:
    """A row that is not (or not wholly) visible; ``state`` is Parked, Dead or Skipped."""

    reason: str
    message: str
    waits_for: RowKey | None
    payload: str | None
    attempts: int
    parked_s: float
    next_try_s: float
    state: str = "Parked"


@dataclass(frozen=True, slots=True)
class ScanLease:
    """Which scan may look at the region, and until when."""

    holder: str = ""
    number: int = 0
    expires_s: float = 0.0


@dataclass
class Database:
    """One committed content. Nobody changes one that is committed; ``versions`` are in the order of their numbers.

    Attributes:
        aliases: adopted rows -> keys of their adopters.
        left_out: entities that are left out, up to now or until their rows are all on their way again.
        last_conflict: the number of the latest conflict.
    """

    business: Indexed[RowKey, Columns] = field(default_factory=Indexed)
    dirty: dict[RowKey, tuple[Captured, ...]] = field(default_factory=dict)
    versions: dict[RowKey, Version] = field(default_factory=dict)
    parked: Indexed[tuple[RowKey, int], Parked] = field(default_factory=Indexed)
    conflicts: Indexed[tuple[RowKey, str, str], ConflictRecord] = field(default_factory=Indexed)
    last_conflict: int = 0
    cursors: dict[int, tuple[Cursor, History, Seen]] = field(default_factory=dict)
    left: frozenset[int] = frozenset()
    history: History = ()
    last_lsn: int = 0
    history_intact: str = "Continuous"
    fencing_token: int = 0
    configuration: StoredConfiguration | None = None
    aliases: dict[RowKey, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    scans: dict[str, StoredScan] = field(default_factory=dict)
    scan_lease: ScanLease = ScanLease()

    def copy(self) -> "Database":
        return replace(
            self,
            business=self.business.copy(),
            dirty=dict(self.dirty),
            versions=dict(self.versions),
            parked=self.parked.copy(),
            conflicts=self.conflicts.copy(),
            cursors=dict(self.cursors),
            aliases=dict(self.aliases),
            scans=dict(self.scans),
        )

    def put_version(self, state: RowState, *, complete: bool, origin: Origin | None, now_s: float) -> None:
        """Give a state the next number."""
        row = RowKey(state.entity, state.key)
        self.last_lsn += 1
        self.versions.pop(row, None)
        self.versions[row] = Version(state, encode(state), self.last_lsn, complete, origin, now_s)

    def send_again(self, entities: Collection[str]) -> None:
        """Give all rows of these entities the next numbers."""
        for row, version in list(self.versions.items()):
            if row.entity in entities:
                self.last_lsn += 1
                del self.versions[row]
                self.versions[row] = replace(version, lsn=self.last_lsn)

    def is_purged(self, entity: Entity, row: RowKey) -> bool:
        """True for a row of an append-only entity that is gone, with its values."""
        known = self.versions.get(row)
        return entity.append_only and known is not None and not known.complete and row not in self.business

    def final(self, row: RowKey) -> RowKey:
        """The row that stands for ``row``; itself, if nobody adopted it."""
        return RowKey(row.entity, final_key(row.key, alias_of=lambda key: self.aliases.get(RowKey(row.entity, key))))


@dataclass
class Server:
    """A database server: committed content, a wall clock, and a memory that ends with the process.

    Attributes:
        clock: wall-clock time in seconds.
        running: the incarnation that this run of the server has seen begin; "" after a restart (ENGINE 11).
        on_commit: told of every commit, with the content before and after.
        load: what it tells of its load.
        before_commit: called with the number of the transaction; whatever it raises is a crash that rolls back.
    """

    clock: Callable[[], float] = lambda: 1_767_225_600.0
    catalog: Mapping[str, Entity] = field(default_factory=lambda: CATALOG)
    database: Database = field(default_factory=Database)
    running: str = ""
    down: bool = False
    load: Counters = field(default_factory=lambda: Counters(1, 0, 0))
    on_commit: Callable[[Database, Database], None] = lambda _before, _after: None
    before_commit: Callable[[], None] = lambda: None
    _one_at_a_time: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.database.business:
            self._install()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Database]:
        """Change a copy; it is the content once the block ends without an error."""
        with self._one_at_a_time:
            before = self.read()
            draft = before.copy()
            yield draft
            self.before_commit()
            self.database = draft
            self.on_commit(before, draft)

    def read(self) -> Database:
        if self.down:
            raise Unavailable(reason="ConnectionRefused", message="the database is down")
        return self.database

    def restart(self) -> None:
        self.running = ""

    def restore(self, backup: Database) -> None:
        """Put an older content in place, as from a copy of the volume."""
        self.database = backup
        self.restart()

    def time(self, *, seconds_ago: float = 0) -> str:
        """The wall clock as the cloud writes it."""
        return datetime.fromtimestamp(self.clock() - seconds_ago, UTC).strftime("%Y-%m-%d %H:%M:%S")

    def _install(self) -> None:
        """Rows that every cloud has, each with a version named after its content."""
        with self.transaction() as draft:
            for entity in self.catalog.values():
                for row in entity.well_known:
                    columns = {column.name: _default(f, column) for f in entity.fields for column in f.columns}
                    draft.business[RowKey(entity.name, row.key)] = {**columns, **row.match}
                    if row.synced:
                        values = entity.values({**columns, **row.match}, key=row.key)
                        state = genesis(entity=entity.name, key=row.key, values=values, deleted=False)
                        draft.put_version(state, complete=False, origin=None, now_s=self.clock())


def _default(field: Field, column: Column) -> Scalar:
    return field.placeholder if field.reference or column.nullable else _DEFAULTS[column.kind]
