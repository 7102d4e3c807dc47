"""What people ask of an agent, through a client with an operator's certificate: conflicts and parked rows.

    GET  /v1/conflicts?state=Open&before=N&limit=100   -> ConflictPage, the latest first; state=All for every state
    GET  /v1/conflicts/N                               -> Conflict
    POST /v1/conflicts/N/resolve   Decision            -> Decided: what is shown stays, as a new change
    POST /v1/conflicts/N/restore   RestoreDecision     -> Decided: one of the values is written back, as a new change
    GET  /v1/parked?state=Parked&after=X&limit=100     -> ParkedPage; state Parked, Dead or Skipped, none = first two
    POST /v1/parked/retry          RowsDecision        -> Decided: tried at once, dead letters and skipped rows too
    POST /v1/parked/skip           RowsDecision        -> Decided: not tried any more
    POST /v1/history/confirm       Decision            -> Decided: HistoryIntact is Continuous again

Every decision names who took it and why, and is written to table ``region_sync.audit`` with what it does. Refusals
(``api.agent.Refusal``) are 404 ``NotFound``, 409 (closed meanwhile, row being written), 422 (unusable), 503 (the
region's database is away). Secrets are shown as fingerprints, values that wait in parked rows not at all.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from region_operator.api.agent import Wire

MAX_PAGE = 1000
MAX_ROWS_PER_DECISION = 1000

_Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
_Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=900)]


class RowName(Wire):
    entity: str = Field(min_length=1, max_length=32)
    key: str = Field(min_length=1, max_length=128)


class ConflictValue(Wire):
    dot: str  # <counter>@<actor>, names the write
    value: str | int | list[str | int | None] | None
    region: int | None  # that wrote it; None: there before capture


class Conflict(Wire):
    id: int
    row: RowName
    field: str
    kind: Literal["Value", "Deletion", "UniqueClash", "Cycle"]
    rule: str
    state: Literal["Open", "Settled", "Closed"]
    values: list[ConflictValue]
    chosen: str  # the dot of the value that is shown
    vector: dict[str, int] = Field(default_factory=dict)  # actor -> counter
    other: RowName | None = None  # of two rows that clash
    source: int  # the peer whose change showed it; 0 = this region
    opened_at: str
    closed_at: str | None = None


class ConflictPage(Wire):
    conflicts: list[Conflict]
    next: int | None = None  # ``before`` of the next page


class ParkedRow(Wire):
    row: RowName
    source: int
    reason: str
    message: str
    waits_for: RowName | None = None
    attempts: int
    age_ms: int
    next_try_ms: int | None = None
    state: Literal["Parked", "Dead", "Skipped"]


class ParkedPage(Wire):
    rows: list[ParkedRow]
    next: str | None = None  # ``after`` of the next page


class Decision(Wire):
    by: _Who
    reason: _Why


class RestoreDecision(Decision):
    dot: str = Field(min_length=3, max_length=400)


class RowsDecision(Decision):
    rows: list[RowName] = Field(min_length=1, max_length=MAX_ROWS_PER_DECISION)


class Decided(Wire):
    rows: int  # how many rows the decision reached
