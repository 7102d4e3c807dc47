"""Knows what may happen and what may not, from what it is told of commits and pages; knows nothing of merges.

It is naive on purpose. Every write of a field remembers the set of writes that its region had seen of that row; such
sets travel with the text of a state. So what must be in a register in the end is every write that no other write to
the field had seen: no less (nothing lost), no more (nothing comes back). The rest of the contract (docs/consistency.md)
is checked at each commit or each page:

    a dot names one value                       Oracle._dots
    what is committed is captured               Oracle._captured
    an older version never overwrites           Oracle._grown
    no dangling reference, no endless path      Oracle._whole
    what is purged stays so                     Oracle._purging
    no echo                                     Oracle.sent
"""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from memory_region import Database
from memory_region.database import Columns, Version
from region_operator.replication.catalog import CATALOG
from region_operator.replication.feed import FeedRow, RowKey
from region_operator.replication.model import DELETED_FIELD, Dot, Register, RowState, Value, region_of
from region_operator.replication.model.vectors import ALIAS_MARK

LONGEST_WAY_S = 10.0
"""From the moment at which a link looks up its own history until its question is read at the other end, at most."""


class Violation(AssertionError):
    """The consistency contract is broken."""


@dataclass(frozen=True, eq=False)
class Write:
    """A write of one field, and all writes to the row (and to rows that it adopted) that its region had seen."""

    region: int
    row: RowKey
    field: str
    dot: Dot
    value: Value
    seen: frozenset["Write"]


@dataclass(frozen=True)
class Arrival:
    """From whom, and from which of its incarnations, a row came exactly as it is."""

    source: int
    incarnation: str
    text: str


Seen = frozenset[Write]
NOTHING: Seen = frozenset()


@dataclass
class Knowledge:
    """What one region has seen, by row, what people wrote there that is not folded yet, and what they purged."""

    seen: dict[RowKey, Seen] = field(default_factory=dict)
    pending: dict[RowKey, dict[str, Value]] = field(default_factory=dict)
    came_from: dict[RowKey, "Arrival"] = field(default_factory=dict)
    purged: frozenset[RowKey] = frozenset()

    def copy(self) -> "Knowledge":
        pending = {row: dict(values) for row, values in self.pending.items()}
        return Knowledge(dict(self.seen), pending, dict(self.came_from), self.purged)


class Oracle:
    """Attributes:
    received_rows, commits: of all regions so far.
    lost: writes that a restore lost; purged: rows that a region has purged, which it need not have.
    """

    def __init__(self) -> None:
        self.regions: dict[int, Knowledge] = defaultdict(Knowledge)
        self.lost: set[Write] = set()
        self.purged: set[RowKey] = set()
        self.writes: list[Write] = []
        self.violations: list[Violation] = []
        self.received_rows = self.commits = 0
        self._values: dict[tuple[RowKey, str, Dot], Value] = {}
        self._noted: set[tuple[RowKey, str, Dot]] = set()
        self._seen_of: dict[tuple[RowKey, str], Seen] = {}
        self._arriving: dict[int, Mapping[RowKey, Arrival]] = {}
        self._began_s: dict[str, float] = {}
        self._names: dict[int, set[str]] = defaultdict(set)
        self._perhaps_lost: dict[int, set[str]] = defaultdict(set)

    # What the fleet tells

    def arriving(self, region: int, source: int, rows: tuple[FeedRow, ...], *, incarnation: str) -> None:
        """Region ``region`` is about to apply these rows of ``source``."""
        self.received_rows += len(rows)
        self._arriving[region] = {row.row_key: Arrival(source, incarnation, row.state) for row in rows}

    def arrived(self, region: int) -> None:
        self._arriving.pop(region, None)

    def sent(self, source: int, peer: int, rows: tuple[FeedRow, ...], *, asked_s: float) -> None:
        """A page for ``peer``, which asked for it then, leaves ``source``.

        Who asked just before a new incarnation of its own began has not told of it, so its writes may come back once.
        """
        for row in rows:
            arrival = self.regions[source].came_from.get(row.row_key)
            if arrival is None or (arrival.source, arrival.text) != (peer, row.state):
                continue
            if arrival.incarnation in self._perhaps_lost[peer]:
                continue
            if self._began_s.get(arrival.incarnation, 0.0) < asked_s - LONGEST_WAY_S:
                raise self._violated(f"echo: region {source} sends {row.row_key} back to region {peer} as it came")

    def backup(self, region: int) -> Knowledge:
        return self.regions[region].copy()

    def restored(self, region: int, knowledge: Knowledge) -> None:
        """The region is as it was then; what nobody else has seen is lost, and may be."""
        before, self.regions[region] = self.regions[region], knowledge.copy()
        for row, seen in before.seen.items():
            self.lost |= seen - frozenset().union(*(other.seen.get(row, NOTHING) for other in self.regions.values()))
        # It may have lost what it sent under these names, also what is on its way only: that may come back.
        self._perhaps_lost[region] |= self._names[region]

    def committed(self, region: int, before: Database, after: Database, *, now_s: float) -> None:
        self.commits += 1
        for incarnation in after.history:
            self._began_s.setdefault(incarnation.name, now_s)
            self._names[region].add(incarnation.name)
        if after.business is not before.business and after.business != before.business:
            self._whole(region, after)
            self._purging(region, before.business.keys(), after.business.keys())
        for row, captured in after.dirty.items():
            if before.dirty.get(row) != captured:
                self._note_pending(region, row, after)
        changed = {row: version for row, version in after.versions.items() if version is not before.versions.get(row)}
        for row, version in changed.items():
            self._learn(region, row, before.versions.get(row), version, self._joined(region, row, before, after))
        for row, version in changed.items():
            self._versioned(region, row, before.versions.get(row), version, after.aliases)
        for row in before.dirty:
            if row not in after.dirty:
                self._captured(region, row, after)

    # At each commit

    def _joined(self, region: int, row: RowKey, before: Database, after: Database) -> list[str]:
        """The states that were joined: what arrives, else what had waited; not what waits as it came."""
        waits = {(source, one.payload) for (of, source), one in after.parked.items() if of == row}
        arrival = self._arriving.get(region, {}).get(row)
        if arrival is not None:
            return [arrival.text] if (arrival.source, arrival.text) not in waits else []
        waited = [(source, one.payload) for (of, source), one in before.parked.items() if of == row]
        return [text for source, text in waited if text is not None and (source, text) not in waits]

    def _learn(self, region: int, row: RowKey, old: Version | None, new: Version, joined: list[str]) -> None:
        """Add what was written just now, and what the states that were joined had seen."""
        knowledge = self.regions[region]
        seen = knowledge.seen.get(row, NOTHING)
        seen |= self._dots(region, row, new.state, seen=seen)
        for text in joined:
            seen |= self._seen_of.get((row, text), NOTHING)
        knowledge.seen[row] = seen
        if old is None or old.text != new.text:
            knowledge.came_from.pop(row, None)
            arrival = self._arriving.get(region, {}).get(row)
            if arrival is not None and arrival.text in joined and arrival.text == new.text:
                knowledge.came_from[row] = arrival

    def _versioned(
        self, region: int, row: RowKey, old: Version | None, new: Version, aliases: Mapping[RowKey, str]
    ) -> None:
        knowledge = self.regions[region]
        seen = knowledge.seen[row] | self._adopted(row, new.state, knowledge, aliases)
        if self._seen_of.setdefault((row, new.text), seen) != seen:
            raise self._violated(f"region {region}: one state of {row} stands for two different pasts")
        knowledge.seen[row] = seen
        if old is not None and not new.state.vector.includes(old.state.vector):
            raise self._violated(f"region {region}: {row} forgot a write that it had seen")

    def _adopted(self, row: RowKey, state: RowState, knowledge: Knowledge, aliases: Mapping[RowKey, str]) -> Seen:
        """Writes to aliases that the state says it has seen, under the names that they have in it."""
        others = [alias for alias in aliases if alias.entity == row.entity and alias != row]
        writes = (write for alias in others for write in knowledge.seen.get(alias, NOTHING))
        return frozenset(
            write
            for write in writes
            if state.vector.covers(Dot(write.dot.counter, f"{write.dot.actor}{ALIAS_MARK}{write.row.key}"))
        )

    def _dots(self, region: int, row: RowKey, state: RowState, *, seen: Seen) -> Seen:
        """Check that a dot names one value, and note the writes that have just been made here."""
        made = []
        for name, register in registers(state):
            for pair in register:
                known = self._values.setdefault((row, name, pair.dot), pair.value)
                if known != pair.value:
                    raise self._violated(f"{row} {name}: dot {pair.dot} names {known!r} and {pair.value!r}")
                is_own = region_of(pair.dot.actor) == region and ALIAS_MARK not in pair.dot.actor
                if is_own and (row, name, pair.dot) not in self._noted:
                    self._noted.add((row, name, pair.dot))
                    made.append(Write(region, row, name, pair.dot, pair.value, seen))
        self.writes += made
        return frozenset(made)

    def _whole(self, region: int, content: Database) -> None:
        for row, columns in content.business.items():
            for name, target in _references(row, columns):
                if target not in content.business:
                    raise self._violated(f"region {region} shows {row}, whose {name} {target.key} is not there")
        for row in content.business:
            if row.entity == "domain" and _is_below_itself(row, content):
                raise self._violated(f"region {region} shows domain {row.key} below itself")

    def _purging(self, region: int, before: Set[RowKey], after: Set[RowKey]) -> None:
        """What people purge stays purged in their region, and nobody else has to know."""
        knowledge = self.regions[region]
        if back := knowledge.purged & (after - before):
            raise self._violated(f"region {region} shows {min(back, key=str)} again, which was purged there")
        purged = {row for row in before - after if CATALOG[row.entity].append_only}
        knowledge.purged |= purged
        self.purged |= purged

    def _note_pending(self, region: int, row: RowKey, content: Database) -> None:
        columns = content.business.get(row)
        entity, pending = CATALOG[row.entity], self.regions[region].pending.setdefault(row, {})
        if columns is None:
            pending.clear()
            if row in content.versions:
                pending[DELETED_FIELD] = 1
            return
        pending.pop(DELETED_FIELD, None)
        values = entity.values(columns, key=row.key)
        changed = content.dirty[row][-1].changed
        pending |= {name: values[name] for name in changed & values.keys()}

    def _captured(self, region: int, row: RowKey, content: Database) -> None:
        """What people wrote is a version now, whatever else the transaction did."""
        pending = self.regions[region].pending.pop(row, {})
        if row in self.purged and row not in content.business:
            return  # nobody has to know of it
        version = content.versions.get(row)
        held = dict(registers(version.state)) if version is not None else {}
        for name, value in pending.items():
            own = [pair for pair in held.get(name, ()) if region_of(pair.dot.actor) == region]
            if value not in [pair.value for pair in own]:
                raise self._violated(
                    f"region {region}: {name} = {value!r} was written to {row} and never became a version"
                )

    def _violated(self, what: str) -> Violation:
        """Kept, because whoever is told may take it for a fault of a peer and go on."""
        self.violations.append(Violation(what))
        return self.violations[-1]

    # In the end

    def expected(self, row: RowKey, name: str, seen: Seen) -> list[Value]:
        """The values of a register: of writes that no other write to the field had seen."""
        writes = [write for write in seen if write.field == name]
        superseded = frozenset().union(*(write.seen for write in writes))
        return sorted((write.value for write in writes if write not in superseded), key=repr)


def registers(state: RowState) -> list[tuple[str, Register]]:
    return [*state.registers.items(), (DELETED_FIELD, state.deleted)]


def _references(row: RowKey, columns: Columns) -> list[tuple[str, RowKey]]:
    return [
        (field.name, RowKey(str(field.reference), str(columns[field.name])))
        for field in CATALOG[row.entity].fields
        if field.reference is not None
        and columns[field.name] is not None
        and not CATALOG[field.reference].append_only  # people purge what others began
    ]


def _is_below_itself(row: RowKey, content: Database) -> bool:
    seen: set[RowKey] = set()
    current: RowKey | None = row
    while current is not None and current not in seen:
        seen.add(current)
        parent = content.business[current]["parent"]
        current = RowKey("domain", str(parent)) if parent is not None else None
    return current is not None
