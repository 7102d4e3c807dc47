"""What a full scan reads of this region's store to compare it with a peer's."""

from collections.abc import Collection

from region_operator.replication.scans.digests import Digest, RowDigest
from region_operator.replication.store import digests
from region_operator.replication.store.connections import Readers
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import marks
from region_operator.replication.store.writer import Writer


class Comparing:
    """Base of `RegionStore`: digests of rows, each from one snapshot."""

    _writer: Writer
    _readers: Readers

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

    def digest(self, entity: str, *, after: str, upto: str, limit: int) -> Digest | None:
        """Of at most ``limit`` rows after a key, up to another ("" is the end); None for what is not exchanged."""
        if not self._layout.exchanges(entity):
            return None
        with self._readers.snapshot() as session:
            return digests.digest(session, self._layout, entity, after=after, upto=upto, limit=limit)

    def row_digests(self, entity: str, *, after: str, upto: str, limit: int) -> list[RowDigest]:
        """The rows of the same range, one by one."""
        if not self._layout.exchanges(entity):
            return []
        with self._readers.snapshot() as session:
            return digests.rows(session, self._layout, entity, after=after, upto=upto, limit=limit)

    def row_digests_of(self, entity: str, keys: Collection[str]) -> list[RowDigest]:
        """Rows by key, those that wait unmerged too; others that are not known are left out."""
        if not self._layout.exchanges(entity):
            return []
        with self._readers.snapshot() as session:
            return digests.rows_of(session, self._layout, entity, keys)
