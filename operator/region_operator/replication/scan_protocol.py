"""What two agents say to each other to run a full scan: how it looks on the wire. Pure.

    POST /v1/scan/hold     HoldQuestion -> HoldAnswer: the region is held for a minute, and this is its load;
                                           refused with RegionBusy while another scan holds it
    POST /v1/scan/release  HoldQuestion -> HoldAnswer, empty
    POST /v1/scan/digest   RangeQuestion -> DigestAnswer: of a range of keys, and whether its rows are as versioned
    POST /v1/scan/digests  DigestsQuestion -> DigestsAnswer: of ranges of it, one after the other
    POST /v1/scan/hashes   HashesQuestion -> HashesAnswer: of the rows of ranges, one by one
    POST /v1/scan/rows     RowsQuestion -> RowsAnswer: digests of rows by key
    POST /v1/scan/standing ScanQuestion -> StandingAnswer: how far the region is, and how far with us
    POST /v1/scan/drifted  DriftedQuestion -> DriftedAnswer: rows of a range that were changed behind the triggers
    POST /v1/scan/mend     MendQuestion -> MendedAnswer: such rows, with what the asker holds of them, are mended
    POST /v1/scan/name     NameQuestion -> MendedAnswer: rows that no version names are captured
    POST /v1/scan/take     TakeQuestion -> TakeAnswer: states of the asker's rows, to be joined there

Answers, headers and refusals as in ``plan_protocol``. Only the region of the lower id asks. Hashes travel as hex: they
have 64 bits, and not every reader of JSON keeps those.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import Field

from region_operator.api.agent import Wire
from region_operator.replication.feed import FeedRow, FetchedRows, RowKey
from region_operator.replication.model.lag import START, Cursor
from region_operator.replication.peer_protocol import (
    MAX_ROWS_ASKED,
    LineAnswer,
    WireHistory,
    history_from_wire,
    history_to_wire,
)
from region_operator.replication.scans.contents import AT_ONCE, Mended, Walked
from region_operator.replication.scans.digests import Digest, RowDigest
from region_operator.replication.scans.narrowing import FAN_OUT, LEAF_ROWS, TOLD_ROWS
from region_operator.replication.scans.ports import Held
from region_operator.replication.scans.settling import SETTLED_ROWS
from region_operator.replication.scans.sides import Standing

Key: TypeAlias = Annotated[str, Field(max_length=256)]
Hash: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{1,16}$")]

MAX_ROWS_OF_A_DIGEST = 1_000_000
MAX_PARTS = 4 * FAN_OUT
"""Rows may have come since the digest was taken that says how many parts there are."""

MAX_ANSWER_BYTES = 1024 * 1024


class ScanQuestion(Wire):
    peering: str
    database_key: str


class HoldQuestion(ScanQuestion):
    scan: str = Field(min_length=1, max_length=64)


class RangeQuestion(ScanQuestion):
    entity: Key
    after: Key = ""
    upto: Key = ""
    limit: int = Field(ge=1, le=MAX_ROWS_OF_A_DIGEST)
    contents: bool = False


class DigestsQuestion(ScanQuestion):
    """``ends`` of the ranges, else the range up to a key in parts of so many rows."""

    entity: Key
    after: Key = ""
    ends: list[Key] | None = Field(default=None, max_length=MAX_PARTS)
    upto: Key = ""
    rows: int = Field(default=LEAF_ROWS, ge=1, le=MAX_ROWS_OF_A_DIGEST)


class HashesQuestion(ScanQuestion):
    """``ranges`` of keys, at most ``limit`` rows of each."""

    entity: Key
    ranges: list[tuple[Key, Key]] = Field(max_length=TOLD_ROWS)
    limit: int = Field(ge=1, le=2 * LEAF_ROWS)


class RowsQuestion(ScanQuestion):
    entity: Key
    keys: list[Key] = Field(max_length=SETTLED_ROWS)


class TakeQuestion(ScanQuestion):
    source: int
    history: WireHistory
    rows: list[tuple[int, str, Key, str]] = Field(max_length=MAX_ROWS_ASKED)

    @classmethod
    def of(cls, fetched: FetchedRows, *, peering: str, database_key: str) -> "TakeQuestion":
        return cls(
            peering=peering,
            database_key=database_key,
            source=fetched.source,
            history=history_to_wire(fetched.history),
            rows=[(row.lsn, row.entity, row.key, row.state) for row in fetched.rows],
        )

    def fetched(self) -> FetchedRows:
        rows = tuple(FeedRow(*row) for row in self.rows)
        return FetchedRows(self.source, history_from_wire(self.history), rows)


class DriftedQuestion(ScanQuestion):
    entity: Key
    after: Key = ""
    upto: Key = ""


class DriftedAnswer(LineAnswer):
    keys: list[Key] = Field(default_factory=list, max_length=AT_ONCE)


class MendQuestion(ScanQuestion):
    """``held``: rows of the asker; missing where the asker cannot tell anything."""

    entity: Key
    keys: list[Key] = Field(max_length=AT_ONCE)
    capture: bool
    held: TakeQuestion | None = None


class NameQuestion(ScanQuestion):
    entity: Key
    after: int = Field(ge=0)
    limit: int = Field(ge=1, le=MAX_ROWS_OF_A_DIGEST)


class MendedAnswer(LineAnswer):
    """``last``: of the local ids that were looked at; None at the end."""

    last: int | None = None
    found: int = 0
    repaired: int = 0
    message: str = ""

    @classmethod
    def of(cls, mended: Mended, *, last: int | None = None) -> "MendedAnswer":
        return cls(last=last, found=mended.found, repaired=mended.repaired, message=mended.message)

    def mended(self) -> Mended:
        return Mended(self.found, self.repaired, self.message)

    def walked(self) -> Walked:
        return Walked(self.last, self.mended())


class DigestAnswer(LineAnswer):
    exchanged: bool = False
    rows: int = Field(default=0, ge=0)
    xor: Hash = "0"
    total: Hash = "0"
    last: Key = ""
    cut: bool = False
    as_versioned: bool = False

    @classmethod
    def of(cls, found: Digest | None) -> "DigestAnswer":
        if found is None:
            return cls()
        return cls(
            exchanged=True,
            rows=found.rows,
            xor=f"{found.xor:x}",
            total=f"{found.total:x}",
            last=found.last,
            cut=found.cut,
            as_versioned=found.as_versioned,
        )

    def digest(self) -> Digest | None:
        if not self.exchanged:
            return None
        return Digest(self.rows, int(self.xor, 16), int(self.total, 16), self.last, self.cut, self.as_versioned)


class DigestsAnswer(LineAnswer):
    digests: list[DigestAnswer] = Field(default_factory=list)

    @classmethod
    def of(cls, found: Sequence[Digest]) -> "DigestsAnswer":
        return cls(digests=[DigestAnswer.of(one) for one in found])

    def found(self) -> list[Digest]:
        return [digest for one in self.digests if (digest := one.digest()) is not None]


class HashesAnswer(LineAnswer):
    hashes: dict[Key, Hash] = Field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, int]) -> "HashesAnswer":
        return cls(hashes={key: f"{number:x}" for key, number in found.items()})

    def found(self) -> dict[str, int]:
        return {key: int(text, 16) for key, text in self.hashes.items()}


class RowsAnswer(LineAnswer):
    rows: list[tuple[Key, Hash, int, bool]] = Field(default_factory=list)

    @classmethod
    def of(cls, found: Sequence[RowDigest]) -> "RowsAnswer":
        return cls(rows=[(row.key, f"{row.hash:x}", row.lsn, row.aside) for row in found])

    def digests(self) -> list[RowDigest]:
        return [RowDigest(key, int(hash_, 16), lsn, aside) for key, hash_, lsn, aside in self.rows]


class StandingAnswer(LineAnswer):
    head: int = 0
    history: WireHistory = Field(default_factory=list)
    applied: str = ""

    @classmethod
    def of(cls, standing: Standing) -> "StandingAnswer":
        history, applied = history_to_wire(standing.history), standing.applied
        return cls(head=standing.head, history=history, applied=str(applied) if applied != START else "")

    def standing(self) -> Standing:
        return Standing(self.head, history_from_wire(self.history), Cursor.parse(self.applied))


class TakeAnswer(LineAnswer):
    missing: list[tuple[str, str]] = Field(default_factory=list)

    @classmethod
    def of(cls, missing: Sequence[RowKey]) -> "TakeAnswer":
        return cls(missing=[(row.entity, row.key) for row in missing])

    def row_keys(self) -> list[RowKey]:
        return [RowKey(entity, key) for entity, key in self.missing]


class HoldAnswer(LineAnswer):
    number: int = 0
    load: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def of(cls, held: Held) -> "HoldAnswer":
        return cls(number=held.number, load=dict(held.gauges))

    def held(self) -> Held:
        return Held(self.number, self.load)
