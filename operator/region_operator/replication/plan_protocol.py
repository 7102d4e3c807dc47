"""What two agents say to each other about a join that is only planned: how it looks on the wire. Pure.

    POST /v1/plan/totals      TotalsQuestion     -> TotalsAnswer
    POST /v1/plan/compare     CompareQuestion    -> CompareAnswer, a verdict for each sketch
    POST /v1/plan/identities  IdentitiesQuestion -> IdentitiesAnswer

An answer is one line of JSON, after a blank line each second while it is worked out; ``refusal`` in place of all else
when it could not be. Who may ask, headers and refusals as in ``peer_protocol``.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import Field

from region_operator.api.agent import Wire
from region_operator.errors import InvalidInput
from region_operator.replication.comparison import SKETCHES_AT_ONCE, Name, Relation, Sketch, Totals, Verdict
from region_operator.replication.model.state import Born
from region_operator.replication.model.vectors import VersionVector
from region_operator.replication.peer_protocol import LineAnswer

Key: TypeAlias = Annotated[str, Field(max_length=256)]
Scalars: TypeAlias = list[str | int | None]


class PlanQuestion(Wire):
    peering: str
    database_key: str
    entity: str


class TotalsQuestion(PlanQuestion):
    after: Key = ""


class WireSketch(Wire):
    key: Key
    digest: str
    vector: list[tuple[str, int]]
    born: tuple[int, str, str]
    names: list[tuple[list[str], Scalars]] = Field(default_factory=list)

    @classmethod
    def of(cls, sketch: Sketch) -> "WireSketch":
        return cls(
            key=sketch.key,
            digest=sketch.digest,
            vector=list(sketch.vector.items()),
            born=(sketch.born.counter, sketch.born.actor, sketch.born.key),
            names=[(list(name.columns), list(name.values)) for name in sketch.names],
        )

    def sketch(self) -> Sketch:
        names = tuple(Name(tuple(columns), tuple(values)) for columns, values in self.names)
        return Sketch(self.key, self.digest, 0, VersionVector(self.vector), Born(*self.born), names)


class CompareQuestion(PlanQuestion):
    rows: list[WireSketch] = Field(max_length=SKETCHES_AT_ONCE)


class IdentitiesQuestion(PlanQuestion):
    keys: list[Key] = Field(max_length=SKETCHES_AT_ONCE)


class PlanAnswer(LineAnswer):
    """To a question about a join."""


class TotalsAnswer(PlanAnswer):
    exchanged: bool = False
    rows: int = Field(default=0, ge=0)
    size: int = Field(default=0, ge=0)
    last: Key = ""

    @classmethod
    def of(cls, found: Totals | None) -> "TotalsAnswer":
        return cls() if found is None else cls(exchanged=True, rows=found.rows, size=found.size, last=found.last)

    def totals(self) -> Totals | None:
        return Totals(self.rows, self.size, self.last) if self.exchanged else None


class CompareAnswer(PlanAnswer):
    verdicts: list[tuple[Relation, int, bool, bool]] = Field(default_factory=list)

    @classmethod
    def of(cls, found: Sequence[Verdict]) -> "CompareAnswer":
        return cls(verdicts=[(one.relation, one.size, one.suspect, one.clashes) for one in found])

    def found(self, *, asked: int) -> list[Verdict]:
        """The verdicts; raises InvalidInput when they are not as many as asked for."""
        if len(self.verdicts) != asked:
            raise InvalidInput(
                field="verdicts",
                problem=f"are {len(self.verdicts)}, {asked} rows were told",
                remedy="compare the versions of both agents",
                reason="PeerRefused",
            )
        return [Verdict(*one) for one in self.verdicts]


class IdentitiesAnswer(PlanAnswer):
    identities: dict[str, str] = Field(default_factory=dict)
