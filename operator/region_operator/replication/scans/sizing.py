"""How many rows the next chunk asks for, so that a chunk takes the time it aims at. Pure."""

from dataclasses import dataclass, replace
from typing import Final

FIRST_ROWS: Final = 1000
LEAST_ROWS: Final = 100
GROWTH: Final = 4.0
"""At most, from one chunk to the next, either way: one quick chunk says little of the next."""


@dataclass(frozen=True, slots=True)
class ChunkSize:
    target_s: float
    max_rows: int
    rows: int

    @classmethod
    def first(cls, *, target_s: float, max_rows: int) -> "ChunkSize":
        return cls(target_s, max_rows, min(FIRST_ROWS, max_rows))

    def after(self, *, took_s: float, compared: int) -> "ChunkSize":
        """The size after a chunk; one that ended early, at the end of something, only tells when it was too slow."""
        if took_s <= 0 or (compared < self.rows // 2 and took_s <= self.target_s):
            return self
        factor = min(GROWTH, max(1 / GROWTH, self.target_s / took_s))
        return self._of(int(self.rows * factor))

    def halved(self) -> "ChunkSize":
        return self._of(self.rows // 2)

    def _of(self, rows: int) -> "ChunkSize":
        return replace(self, rows=min(self.max_rows, max(LEAST_ROWS, rows)))
