"""What a full scan reads of this region's store to compare it with a peer's."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.scans.contents import AT_ONCE, Mended, Walked
from region_operator.replication.scans.digests import Digest, RowDigest
from region_operator.replication.scans.sides import Range
from region_operator.replication.store import content_sums, contents, digests, mending
from region_operator.replication.store.connections import Readers, Session
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.intake import Item
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import chunks, marks
from region_operator.replication.store.writer import Writer


class Comparing:
    """Base of `RegionStore`: digests of rows, each from one snapshot."""

    _writer: Writer
    _readers: Readers
    on_fold: Callable[[], None]

    @property
    def _layout(self) -> Layout:
        return self._writer.layout

    def exchanged(self) -> list[str]:
        """The entities that go to peers and come from them, parents first."""
        return [name for name in self._layout.tables if self._layout.exchanges(name)]

    def known_rows(self, entities: Collection[str]) -> int:
        """How many rows of these entities there are, dead ones included."""
        names = sorted(entities)
        if not names:
            return 0
        row = self._readers.select(
            f"SELECT COUNT(*) FROM {self._layout.own('row_version')} WHERE entity IN ({marks(names)}) "
            "AND lsn IS NOT NULL",
            names,
        )
        return int(row[0][0])

    def digest(self, entity: str, *, after: str, upto: str, limit: int, contents: bool = False) -> Digest | None:
        """Of at most ``limit`` rows after a key, up to another ("" is the end); None for what is not exchanged."""
        if not self._layout.exchanges(entity):
            return None
        with self._readers.snapshot() as session:
            found = digests.digest(session, self._layout, entity, after=after, upto=upto, limit=limit)
            if not contents:
                return found
            end = found.last if found.cut else upto
            looked = content_sums.are_as_versioned(session, self._layout, entity, after=after, upto=end)
            return replace(found, as_versioned=looked)

    def parts(self, entity: str, *, after: str, upto: str, rows: int) -> list[Digest]:
        """The same range as ranges of so many rows, one after the other."""
        if not self._layout.exchanges(entity):
            return []
        with self._readers.snapshot() as session:
            return list(digests.parts(session, self._layout, entity, after=after, upto=upto, rows=rows))

    def digests(self, entity: str, *, after: str, ends: Sequence[str]) -> list[Digest]:
        """Of ranges, one after the other, that end with these keys."""
        if not self._layout.exchanges(entity):
            return []
        with self._readers.snapshot() as session:
            return list(digests.ranges(session, self._layout, entity, after=after, ends=ends))

    def hashes(self, entity: str, ranges: Sequence[Range], *, limit: int) -> dict[str, int]:
        """Of rows one by one, at most ``limit`` of each range."""
        found = dict[str, int]()
        if self._layout.exchanges(entity):
            with self._readers.snapshot() as session:
                for after, upto in ranges:
                    found |= digests.hashes(session, self._layout, entity, after=after, upto=upto, limit=limit)
        return found

    def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]:
        """Rows by key, those that wait unmerged too; others that are not known are left out."""
        if not self._layout.exchanges(entity):
            return []
        with self._readers.snapshot() as session:
            return digests.rows_of(session, self._layout, entity, keys)

    # What was changed behind the triggers

    def drifted(self, entity: str, *, after: str, upto: str) -> list[str]:
        """Keys of a range whose rows are not as they were versioned, the first ones; what lacks a hash gets one."""
        found, at = list[str](), after
        while self._layout.exchanges(entity):
            with self._readers.snapshot() as session:
                looked = contents.look(session, self._layout, entity, after=at, upto=upto, limit=AT_ONCE)
            found += [one.key for one in looked if not one.unknown]
            unknown = [RowKey(entity, one.key) for one in looked if one.unknown]
            if unknown:
                self._writer.write(partial(self._take_as_they_are, rows=unknown))
            if len(looked) < AT_ONCE or len(found) >= AT_ONCE:
                break
            at = looked[-1].key
        return found[:AT_ONCE]

    def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        """Capture what drifted, or put back what it was; see ``scans.contents``."""
        if not self._layout.exchanges(entity):
            return Mended()
        drift = mending.Drift(entity)

        def work(session: Session) -> Outcome:
            nonlocal drift
            drift = mending.find(session, self._layout, entity, keys, peers=rows)
            self._take_as_they_are(session, rows=[RowKey(entity, key) for key in drift.unchanged])
            if capture:
                names = mending.capture(session, self._layout, drift)
                return self._writer.fold_within(session, names)
            left = drift.whole.keys() - mending.put_back(session, self._layout, drift)
            names = mending.revert(session, self._layout, drift, left)
            if not names:
                return Outcome()
            return self._writer.application(session).run([Item(row) for row in names], {}, again=True)

        self._followed(self._writer.write(work))
        return self._mended(entity, drift.keys)

    def name(self, entity: str, *, after: int, limit: int) -> Walked:
        """Capture rows that no version names, among the next ones after a local id."""
        if not self._layout.exchanges(entity):
            return Walked(None)
        with self._readers.snapshot() as session:
            last, keys = contents.unnamed(session, self._layout, entity, after=after, limit=limit)
        for piece in chunks(keys, AT_ONCE):
            self._followed(self._writer.write(partial(self._name, entity=entity, keys=piece)))
        if not keys:
            return Walked(last)
        with self._readers.snapshot() as session:
            _, still = contents.unnamed(session, self._layout, entity, after=after, limit=limit)
        left = len(set(still) & set(keys))
        message = f"{left} of entity {entity} could not be versioned" if left else ""
        return Walked(last, Mended(len(keys), len(keys) - left, message))

    def _name(self, session: Session, *, entity: str, keys: Sequence[str]) -> Outcome:
        contents.record(session, self._layout, entity, dict.fromkeys(keys, ()), op="I")
        return self._writer.fold_within(session, [RowKey(entity, key) for key in keys])

    def _take_as_they_are(self, session: Session, *, rows: Sequence[RowKey]) -> None:
        contents.keep(session, self._layout, contents.hashes(session, self._layout, rows))

    def _followed(self, outcome: Outcome) -> None:
        if outcome.changed:
            self.on_fold()
        self._writer.retry(outcome.woken)

    def _mended(self, entity: str, keys: Sequence[str]) -> Mended:
        with self._readers.snapshot() as session:
            still = contents.drifted(session, self._layout, entity, keys)
        if not still:
            return Mended(len(keys), len(keys))
        message = f"{len(still)} of entity {entity} that were changed behind the triggers, the first is {still[0]}: "
        message += "the other region does not hold them under the same writes, or they are being written"
        return Mended(len(keys), len(keys) - len(still), message)
