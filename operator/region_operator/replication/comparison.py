"""What two regions tell each other of their rows to find out what a join would do, without exchanging the rows. Pure.

A row is told as a *sketch*: a digest of its state, the writes that it has seen, its birth, and the names that must be
unique. The other region says how it holds that row, and whether one of the names is taken there.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Literal

from region_operator.replication.model.identity import NaturalIdentity, could_be_reused
from region_operator.replication.model.state import Born, RowState, Scalar
from region_operator.replication.model.vectors import VersionVector

Relation = Literal["Absent", "Equal", "Newer", "Older", "Concurrent"]
"""How the asker's row stands to that of the one who answers: ``Absent`` = only the asker has it."""

SKETCHES_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Name:
    """Values that no two rows may share; ``columns`` as in ``catalog.Unique``, references stand as keys."""

    columns: tuple[str, ...]
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A row, told by what it can be compared by; ``size`` is that of its state as it would travel."""

    key: str
    digest: str
    size: int
    vector: VersionVector
    born: Born
    names: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a row that was sketched is held here.

    Attributes:
        size: of the state here.
        suspect: only what people know the two rows by can say whether they are one thing (``KeyReused``).
        clashes: one of its names belongs to another row here.
    """

    relation: Relation
    size: int = 0
    suspect: bool = False
    clashes: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """Some of an entity's rows, summed up; ``last``: the key they end with, "" when these were the last."""

    rows: int
    size: int
    last: str


def digest_of(text: str) -> str:
    """The same for equal states only: their text is canonical."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def identity_digest(identity: NaturalIdentity) -> str:
    """The same for what people know by the same name, up to the root; says nothing to who does not know the name."""
    return digest_of(json.dumps(identity, ensure_ascii=False))


def relation(asked: Sketch, *, here: RowState, digest: str) -> Verdict:
    """Say how a row that is here stands to the asker's; sizes and names are for who knows them."""
    if asked.digest == digest:
        return Verdict("Equal")
    newer, older = asked.vector.includes(here.vector), here.vector.includes(asked.vector)
    found: Relation = "Concurrent" if newer == older else "Newer" if newer else "Older"
    return Verdict(found, suspect=could_be_reused(asked.born, here.born))
