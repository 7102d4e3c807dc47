"""Full scans between operator and agent (OPERATOR.md 18): what an operator grants and what an agent reports.

    PUT    /v1/scans/{scanId}  ScanGrant -> 200 ScanReport, for a repeat too; an interrupted scan goes on
                                            404 Refusal (UnknownLink)
                                            409 Refusal (RegionBusy, StaleEpoch, NotCoordinator, LinkNotActive)
                                            422 Refusal (pointer, reason, message)
    GET    /v1/scans           -> 200 ScanReports: running and interrupted ones, and the last ended ones of each peering
    DELETE /v1/scans/{scanId}  -> 200 ScanReport, aborted, its position kept; 404 Refusal (NotFound)

The agent of the lower region id takes grants. A scan's id is the UUIDv5 of its peering's uid and its slot or request.
Times are RFC 3339 strings in UTC. Regions of pairs stand in the order of their ids.
"""

from typing import Annotated, Literal

from pydantic import Field

from region_operator.api.agent import Wire

FEATURE = "scans"
"""Among ``AgentStatus.features`` of an agent that takes grants."""

Marks = dict[str, Annotated[int, Field(ge=0)]]


class ChunkGrant(Wire):
    target_millis: int = Field(ge=1)
    max_rows: int = Field(ge=1)


class LoadGrant(Wire):
    """Marks by gauge (``scan_policy.GAUGES``); one that is not named does not count."""

    skip: Marks = Field(default_factory=dict)
    pause: Marks = Field(default_factory=dict)
    abort: Marks = Field(default_factory=dict)


class ScanGrant(Wire):
    peering_uid: str = Field(min_length=1, max_length=64)
    peer: int
    verify: Literal["Versions", "Content"]
    drift: Literal["Capture", "Revert"]
    chunk: ChunkGrant
    load: LoadGrant
    not_after: str  # then a scan that still runs is interrupted, with its position kept
    entities: list[str] | None = None  # None = all of the link
    epoch: int


class ThrottledByGauge(Wire):
    region: int
    gauge: str
    value: int
    limit: int


class EntityDigest(Wire):
    name: str
    rows: tuple[int, int]
    hash: str = ""
    equal: bool


class ScanReport(Wire):
    id: str
    peering_uid: str
    state: Literal["Running", "Throttled", "Interrupted", "Ended"]
    entity: str = ""
    percent: int = 0
    throttled_by: ThrottledByGauge | None = None
    started_at: str
    ended_at: str | None = None
    result: Literal["Clean", "Repaired", "SkippedHighLoad", "Aborted", "Failed"] | None = None
    rows_compared: int = 0
    differing: int = 0
    repaired: int = 0
    message: str = ""
    verify: Literal["Versions", "Content"]
    entities: list[EntityDigest] = Field(default_factory=list)


class ScanReports(Wire):
    scans: list[ScanReport] = Field(default_factory=list)
