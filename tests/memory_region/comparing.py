"""What a full scan reads of a region in memory: the part of the port that is `store.comparing`."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from memory_region.applying import Application
from memory_region.database import Database, Server
from memory_region.intake import Item
from memory_region.mending import Mending
from memory_region.records import row_of
from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.scans.contents import AT_ONCE, Mended, Walked
from region_operator.replication.scans.digests import Digest, RowDigest, hash_of
from region_operator.replication.scans.sides import Range
from region_operator.replication.store.context import Outcome


class Comparing:
    """Base of `MemoryRegion`."""

    server: Server
    on_fold: Callable[[], None]
    _write: Callable[[Callable[[Database], Any]], Any]
    _retry: Callable[[Any], Outcome]
    _application: Callable[[Database], Application]

    def exchanged(self) -> list[str]:
        return [name for name in self.server.catalog if name not in self.server.read().left_out]

    def known_rows(self, entities: Collection[str]) -> int:
        return sum(row.entity in entities for row in self.server.read().versions)

    def digest(self, entity: str, *, after: str, upto: str, limit: int, contents: bool = False) -> Digest | None:
        if entity not in self.exchanged():
            return None
        rows = self.hashes(entity, [(after, upto)], limit=limit)
        last = max(rows, default="")
        cut = len(rows) >= limit and (not upto or last < upto)
        as_versioned = contents and self._is_as_versioned(entity, after=after, upto=last if cut else upto)
        return Digest(rows=len(rows), last=last, cut=cut, as_versioned=as_versioned).plus(rows.values())

    def parts(self, entity: str, *, after: str, upto: str, rows: int) -> list[Digest]:
        found = list[Digest]()
        while (digest := self.digest(entity, after=after, upto=upto, limit=rows)) is not None:
            found.append(digest)
            if not digest.cut:
                break
            after = digest.last
        return found

    def digests(self, entity: str, *, after: str, ends: Sequence[str]) -> list[Digest]:
        found = [
            self.digest(entity, after=start, upto=end, limit=len(self.server.read().versions) + 1)
            for start, end in zip([after, *ends], ends, strict=False)
        ]
        return [digest for digest in found if digest is not None]

    def hashes(self, entity: str, ranges: Sequence[Range], *, limit: int) -> dict[str, int]:
        content = self.server.read()
        known = (
            sorted(row.key for row in content.versions if row.entity == entity) if entity in self.exchanged() else []
        )
        return {
            key: self._row(content, RowKey(entity, key)).hash
            for after, upto in ranges
            for key in [key for key in known if after < key and (not upto or key <= upto)][:limit]
        }

    def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]:
        content = self.server.read()
        wanted = [RowKey(entity, key) for key in sorted(set(keys))] if entity in self.exchanged() else []
        return [self._row(content, row) for row in wanted if row in content.versions or _is_unmerged(content, row)]

    # What was changed behind everybody's back

    def drifted(self, entity: str, *, after: str, upto: str) -> list[str]:
        if entity not in self.exchanged():
            return []
        keys = sorted(self._mending(self.server.read(), entity).drifted())
        return [key for key in keys if after < key and (not upto or key <= upto)][:AT_ONCE]

    def _is_as_versioned(self, entity: str, *, after: str, upto: str) -> bool:
        mending = self._mending(self.server.read(), entity)
        others = {*mending.drifted(), *mending.unnamed()}
        return mending.entity.is_hashed and not any(after < key and (not upto or key <= upto) for key in others)

    def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        if entity not in self.exchanged():
            return Mended()
        found: list[str] = []

        def work(draft: Database) -> Outcome:
            mending = self._mending(draft, entity)
            found[:] = sorted(set(mending.drifted()) & set(keys))
            was = mending.told(found, rows)
            if capture:
                names = [RowKey(entity, key) for key in found if mending.capture(key, was.get(key))]
                return self._application(draft).fold(names)
            known = [Item(RowKey(entity, key)) for key in found if key in was]
            return self._application(draft).run(known, {}, again=True)

        self._followed(self._write(work))
        still = set(self._mending(self.server.read(), entity).drifted()) & set(found)
        return Mended(len(found), len(found) - len(still), f"{len(still)} of entity {entity}" if still else "")

    def name(self, entity: str, *, after: int, limit: int) -> Walked:
        """Rows have no local ids here: all are looked at at once."""
        keys = list(self._mending(self.server.read(), entity).unnamed()) if entity in self.exchanged() else []

        def work(draft: Database) -> Outcome:
            for key in keys:
                self._mending(draft, entity).name(key)
            return self._application(draft).fold([RowKey(entity, key) for key in keys])

        if keys:
            self._followed(self._write(work))
        return Walked(None, Mended(len(keys), len(keys)))

    def _followed(self, outcome: Outcome) -> None:
        if outcome.changed:
            self.on_fold()
        self._retry(outcome.woken)

    def _mending(self, content: Database, entity: str) -> Mending:
        return Mending(self.server, content, self.server.catalog[entity])

    def _row(self, content: Database, row: RowKey) -> RowDigest:
        known, aside = content.versions.get(row), _is_unmerged(content, row)
        if known is None:
            return RowDigest(row.key, 0, 0, aside)
        purged = content.is_purged(self.server.catalog[row.entity], row)
        return RowDigest(row.key, hash_of(known.state), known.lsn, aside or purged)


def _is_unmerged(content: Database, row: RowKey) -> bool:
    return any(content.parked[key].payload is not None for key in content.parked.where(row_of, row))
