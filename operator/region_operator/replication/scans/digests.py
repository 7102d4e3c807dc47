"""What two regions tell each other of their rows to find out where they differ: digests of ranges of keys. Pure.

A row is hashed by its *names* alone: who wrote what when, without the values. A dot names one value for ever, and a
state is kept with its values in one region and without them in another (they are in the business row). A digest of a
range is its number of rows, the XOR and the sum of their hashes: free of order, and not linear, so two rows that
swapped something do not cancel out (ENGINE 27).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from region_operator.replication.model import codec
from region_operator.replication.model.state import Pair, RowState

MODULUS: Final = 2**64
HASH_HEX_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Digest:
    """Some rows of one entity, in the order of their keys.

    Attributes:
        total: sum of the hashes, modulo 2**64.
        last: the greatest key among them; "" without rows.
        cut: there are more, which the limit left out.
        as_versioned: business rows and versions are the same rows, as they were versioned; False where nobody can tell.
    """

    rows: int = 0
    xor: int = 0
    total: int = 0
    last: str = ""
    cut: bool = False
    as_versioned: bool = False

    @property
    def content(self) -> tuple[int, int, int]:
        """The same for equal rows."""
        return self.rows, self.xor, self.total

    def plus(self, hashes: Iterable[int]) -> "Digest":
        """The same rows, some of which were counted without their hashes."""
        xor, total = self.xor, self.total
        for number in hashes:
            xor, total = xor ^ number, (total + number) % MODULUS
        return replace(self, xor=xor, total=total)


@dataclass(frozen=True, slots=True)
class RowDigest:
    """One row.

    Attributes:
        hash: of the names of its state; 0 for a row of which no state was joined.
        lsn: of its last change, here.
        aside: what is known here is not all that was sent, or is not sent on, and that has a reason: the row is parked
            unmerged, or it was purged.
    """

    key: str
    hash: int
    lsn: int
    aside: bool = False


def hash_of_text(text: str) -> int:
    """Of the text of a state without values, as SQL computes it: ``CONV(LEFT(MD5(state), 16), 16, 10)``."""
    digest = hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return int(digest[:HASH_HEX_DIGITS], 16)


def hash_of(state: RowState) -> int:
    """Of a state, however it is kept."""
    registers = {name: tuple(Pair(pair.dot, None) for pair in register) for name, register in state.registers.items()}
    return hash_of_text(codec.encode(replace(state, registers=registers)))
