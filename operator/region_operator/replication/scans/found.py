"""What a chunk has seen. Pure."""

from dataclasses import dataclass, field

from region_operator.replication.scans.contents import Mended
from region_operator.replication.scans.digests import MODULUS, RowDigest
from region_operator.replication.scans.ports import EntityPart


@dataclass
class Seen:
    """Rows of one entity; pairs are (here, at the peer)."""

    entity: str
    rows: list[int] = field(default_factory=lambda: [0, 0])
    hashes: list[int] = field(default_factory=lambda: [0, 0])

    def same(self, rows: int, total: int) -> None:
        """So much is equal on both sides."""
        for side in (0, 1):
            self.rows[side] += rows
            self.hashes[side] = (self.hashes[side] + total) % MODULUS

    def one(self, ours: RowDigest | None, theirs: RowDigest | None) -> None:
        """A row that is not equal counts as it is."""
        for side, row in enumerate((ours, theirs)):
            if row is not None:
                self.rows[side] += 1
                self.hashes[side] = (self.hashes[side] + row.hash) % MODULUS

    def part(self) -> EntityPart:
        return EntityPart(self.entity, (self.rows[0], self.rows[1]), (self.hashes[0], self.hashes[1]))


@dataclass
class Found:
    """All of the chunk."""

    parts: list[EntityPart] = field(default_factory=list)
    compared: int = 0
    differing: int = 0
    repaired: int = 0
    waited_s: float = 0.0
    message: str = ""

    def mended(self, by: Mended) -> None:
        """These rows had drifted from what this very region knew of them."""
        self.differing += by.found
        self.repaired += by.repaired
        self.message = by.message or self.message
