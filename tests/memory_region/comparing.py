"""What a full scan reads of a region in memory: the part of the port that is `store.comparing`."""

from collections.abc import Collection

from memory_region.database import Database, Server
from region_operator.replication.feed import RowKey
from region_operator.replication.scans.digests import Digest, RowDigest, hash_of


class Comparing:
    """Base of `MemoryRegion`."""

    server: Server

    def exchanged(self) -> list[str]:
        return [name for name in self.server.catalog if name not in self.server.read().left_out]

    def known_rows(self, entities: Collection[str]) -> int:
        return sum(row.entity in entities for row in self.server.read().versions)

    def digest(self, entity: str, *, after: str, upto: str, limit: int) -> Digest | None:
        if entity not in self.exchanged():
            return None
        rows = self.row_digests(entity, after=after, upto=upto, limit=limit)
        last = rows[-1].key if rows else ""
        cut = len(rows) >= limit and (not upto or last < upto)
        return Digest(rows=len(rows), last=last, cut=cut).plus(row.hash for row in rows)

    def row_digests(self, entity: str, *, after: str, upto: str, limit: int) -> list[RowDigest]:
        content = self.server.read()
        if entity not in self.exchanged():
            return []
        keys = sorted(
            row.key
            for row in content.versions
            if row.entity == entity and after < row.key and (not upto or row.key <= upto)
        )
        return [self._row(content, RowKey(entity, key)) for key in keys[:limit]]

    def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]:
        content = self.server.read()
        wanted = [RowKey(entity, key) for key in sorted(set(keys))] if entity in self.exchanged() else []
        return [self._row(content, row) for row in wanted if row in content.versions or _is_unmerged(content, row)]

    def _row(self, content: Database, row: RowKey) -> RowDigest:
        known, aside = content.versions.get(row), _is_unmerged(content, row)
        if known is None:
            return RowDigest(row.key, 0, 0, aside)
        purged = content.is_purged(self.server.catalog[row.entity], row)
        return RowDigest(row.key, hash_of(known.state), known.lsn, aside or purged)


def _is_unmerged(content: Database, row: RowKey) -> bool:
    return any(of == row and parked.payload is not None for (of, _), parked in content.parked.items())
