"""Rows that were changed behind the captures of a region in memory, as `store.contents` and `store.mending` find them.

Versions have their values here, so nothing has to be kept to find such rows. What a row was is asked of the peer all
the same, as the other store has to.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from memory_region.database import Captured, Columns, Database, Server
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.model import RowState, Scalar, decode


@dataclass(frozen=True)
class Mending:
    """One entity of one content."""

    server: Server
    content: Database
    entity: Entity

    def drifted(self) -> Iterator[str]:
        """Keys of rows that say something else than their versions."""
        if not self.entity.is_hashed:
            return
        for row, version in self.content.versions.items():
            if row.entity != self.entity.name or self._is_well_known(row):
                continue
            if version.complete or row in self.content.dirty:
                continue
            if row not in self.content.business or self.changed(row, version.state):
                yield row.key

    def unnamed(self) -> Iterator[str]:
        for row in self.content.business:
            is_ours = row.entity == self.entity.name and self.entity.is_synced(row.key)
            if is_ours and row not in self.content.versions and row not in self.content.dirty:
                yield row.key

    def changed(self, row: RowKey, was: RowState) -> frozenset[str]:
        now = self.entity.values(self.content.business[row], key=row.key)
        return frozenset(name for name, value in now.items() if was.registers[name][0].value != value)

    def told(self, keys: Collection[str], peers: FetchedRows | None) -> Mapping[str, RowState]:
        """What rows were, if the peer can tell: it holds the field that is another one now under the same name."""
        found = {}
        for row in peers.rows if peers is not None else ():
            if row.key in keys:
                was, theirs = self.content.versions[row.row_key].state, decode(row.state)
                names = self.changed(row.row_key, was) if row.row_key in self.content.business else was.registers
                if all(was.registers[name] == theirs.registers.get(name) for name in names):
                    found[row.key] = was
        return found

    def capture(self, key: str, was: RowState | None) -> bool:
        """Write down what happened; False if nobody knows what it was."""
        row, now_s = RowKey(self.entity.name, key), self.server.clock()
        if row not in self.content.business:
            if was is not None:
                self.content.dirty[row] = (Captured("D", frozenset(), self._columns(was), now_s),)
            return was is not None
        fields = frozenset(self.entity.field_names) if was is None else self.changed(row, was)
        self.content.dirty[row] = (Captured("U", fields, None, now_s),)
        return True

    def name(self, key: str) -> None:
        fields = frozenset(self.entity.field_names)
        self.content.dirty[RowKey(self.entity.name, key)] = (Captured("I", fields, None, self.server.clock()),)

    def _columns(self, state: RowState) -> Columns:
        columns: dict[str, Scalar] = {}
        for field in self.entity.fields:
            value = state.registers[field.name][0].value
            columns |= {field.name: value} if field.reference is not None else field.arrives(value)  # type: ignore[dict-item]
        return columns

    def _is_well_known(self, row: RowKey) -> bool:
        return any(known.key == row.key for known in self.entity.well_known)
