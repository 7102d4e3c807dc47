"""The kind RegionPeering, status: join, directions, conflicts, scans; bucketed, so that it rests while data flows."""

from typing import Annotated, Literal

from pydantic import Field

from region_operator.api.common import EntityName, Int64, LongText, Percent, RegionName, ShortText, Timestamp
from region_operator.api.conditions import Conditions
from region_operator.api.schema import Manifest, listed

LagBucket = Literal["<1s", "1s", "5s", "10s", "30s", "1m", "5m", "15m", "1h", "6h", "1d", ">1d", "?"]
DirectionState = Literal["Connecting", "Copying", "CatchingUp", "Streaming", "Broken", "Suspended", "Unknown"]
JoinStage = Literal["Accepted", "Wired", "Copying", "CatchingUp", "Verifying", "InSync", "Draining", "Unwiring"]
VerifyKind = Literal["Versions", "Content"]


class JoinStatus(Manifest):
    """How far the two regions have joined, or parted."""

    stage: JoinStage = Field(description="Present stage; while the links tell nothing, the last one.")
    started_at: Timestamp | None = Field(default=None, description="When the join began.")
    completed_at: Timestamp | None = Field(default=None, description="When the join was complete.")
    for_uid: ShortText = Field(
        default="", alias="forUID", description="RegionPeering that joined; a new object joins anew."
    )


class CopyStatus(Manifest):
    """Progress of a first copy."""

    rows: Int64 = Field(description="Rows copied.")
    total_rows: Int64 = Field(description="Rows at the source.")
    percent: Percent = Field(description="Share of rows copied.")
    rows_per_second: Int64 = Field(description="Present speed.")
    eta_seconds: Int64 | None = Field(default=None, description="Estimated time left.")


class DirectionStatus(Manifest):
    """One direction of the exchange."""

    source: RegionName = Field(description="Region that data comes from.")
    target: RegionName = Field(description="Region that pulls and applies.")
    state: DirectionState = Field(description="What the direction does.")
    reason: ShortText = Field(default="", description="Constant: why; as condition Partitioned.")
    since: Timestamp | None = Field(default=None, description="When state was entered.")
    lag: LagBucket = Field(default="?", description="Age of the oldest change not applied, by the source's clock.")
    pending_changes: ShortText = Field(
        default="",
        description="Changes not applied, two significant digits; 0 while lag is <1s: those are on their way.",
    )
    copy_progress: CopyStatus | None = Field(
        default=None, alias="copy", description="Progress of the first copy, while it runs."
    )
    evidence_time: Timestamp | None = Field(
        default=None, description="When this was known; written when state changes or evidence is stale."
    )


class ConflictsStatus(Manifest):
    """Conflicts and held-back rows, counted; exact up to 100, then two digits."""

    open: Int64 = Field(default=0, description="Conflicts that nobody has settled.")
    parked: Int64 = Field(default=0, description="Rows that wait for another row.")
    dead_lettered: Int64 = Field(default=0, description="Rows that are not tried any more.")
    unique_clashes: Int64 = Field(default=0, description="Rows that two regions created under one unique name.")


class SchemaSkew(Manifest):
    """An entity that is held back."""

    entity: EntityName = Field(description="Name of the entity.")
    reason: ShortText = Field(description="Constant: why.")
    message: LongText = Field(default="", description="For people: what, and what to do.")


class VerifiedEntity(Manifest):
    """Proof that one entity is equal on both sides."""

    name: EntityName = Field(description="Name of the entity.")
    rows: Annotated[tuple[Int64, ...], Field(max_length=2)] = Field(
        description="Rows, in the order of spec.regions.", json_schema_extra=listed("atomic")
    )
    hash: ShortText = Field(default="", description="Digest over all rows.")
    equal: bool = Field(description="Whether both sides are equal.")


class VerificationStatus(Manifest):
    """Proof of the join, replaced by later clean scans."""

    scan_id: ShortText = Field(default="", alias="scanID", description="Scan that proved it.")
    completed_at: Timestamp | None = Field(default=None, description="When that scan ended.")
    verify: VerifyKind = Field(description="What was compared.")
    entities: Annotated[tuple[VerifiedEntity, ...], Field(max_length=64)] = Field(
        default=(), description="The entities.", json_schema_extra=listed("map", "name")
    )


class ThrottledBy(Manifest):
    """The gauge that holds a scan back."""

    region: RegionName = Field(description="Region that is busy.")
    gauge: ShortText = Field(description="Name of the gauge, as in SyncPolicy spec.scan.load.")
    value: Int64 = Field(description="What was read.")
    limit: Int64 = Field(description="The mark it is over.")


class LastScan(Manifest):
    """How the last scan ended."""

    id: ShortText = Field(description="The scan.")
    ended_at: Timestamp | None = Field(default=None, description="When it ended.")
    result: Literal["Clean", "Repaired", "SkippedHighLoad", "Aborted", "Failed"] = Field(description="How it ended.")
    rows_compared: Int64 = Field(default=0, description="Rows compared.")
    differing: Int64 = Field(default=0, description="Rows that differed for good, not merely in flight.")
    repaired: Int64 = Field(default=0, description="Rows repaired.")
    message: LongText = Field(default="", description="For people.")


class ScanStatus(Manifest):
    """The full scan of this peering."""

    state: Literal["Idle", "Running", "Throttled", "Interrupted"] = Field(default="Idle", description="What it does.")
    id: ShortText = Field(default="", description="The scan that runs.")
    entity: Annotated[str, Field(max_length=63)] = Field(default="", description="Entity that is compared.")
    percent: Percent | None = Field(default=None, description="Progress in steps of 10.")
    throttled_by: ThrottledBy | None = Field(default=None, description="What holds it back.")
    last_clean_time: Timestamp | None = Field(default=None, description="When a scan last ended clean.")
    last: LastScan | None = Field(default=None, description="How the last scan ended.")
    next_time: Timestamp | None = Field(default=None, description="When the next scan is due.")
    last_handled_request: ShortText = Field(
        default="", description="Echo of annotation region-operator.io/scan-requested-at."
    )


class PlannedDirection(Manifest):
    """What a join would copy in one direction."""

    source: RegionName = Field(description="Region that data would come from.")
    target: RegionName = Field(description="Region that would apply it.")
    rows: Int64 = Field(description="Rows to copy.")
    bytes: Int64 = Field(description="Bytes to copy.")


class PlanStatus(Manifest):
    """What a join would do, with mode Plan."""

    computed_at: Timestamp = Field(description="When this was computed.")
    for_generations: Annotated[tuple[Int64, ...], Field(max_length=2)] = Field(
        description="Generations of the two Regions it was computed for.", json_schema_extra=listed("atomic")
    )
    directions: Annotated[tuple[PlannedDirection, ...], Field(max_length=2)] = Field(
        default=(), description="The two directions.", json_schema_extra=listed("map", "source")
    )
    unique_clashes: Int64 = Field(default=0, description="Rows that clash by a unique name.")
    concurrent: Int64 = Field(default=0, description="Rows that both sides hold with different content.")
    estimated_seconds: Int64 = Field(default=0, description="Estimated duration.")


class RegionPeeringStatus(Manifest):
    """What was observed; rebuilt at any time."""

    observed_generation: Int64 | None = Field(
        default=None, description="Generation that both agents acknowledged, or that Wired says why not."
    )
    last_handled_reconcile_at: ShortText = Field(
        default="", description="Echo of annotation region-operator.io/reconcile-requested-at."
    )
    conditions: Conditions = Field(default=(), description="What holds, and why.")
    mode: Literal["Active", "Plan", "Suspended"] | None = Field(default=None, description="Mode that is in force.")
    join: JoinStatus | None = Field(default=None, description="How far the two regions have joined, or parted.")
    lag: LagBucket | None = Field(default=None, description="Lag of the worse direction.")
    directions: Annotated[tuple[DirectionStatus, ...], Field(max_length=2)] = Field(
        default=(), description="The two directions.", json_schema_extra=listed("map", "source")
    )
    conflicts: ConflictsStatus | None = Field(default=None, description="Conflicts and held-back rows, counted.")
    schema_skew: Annotated[tuple[SchemaSkew, ...], Field(max_length=64)] = Field(
        default=(),
        alias="schema",
        description="Entities that are held back.",
        json_schema_extra=listed("map", "entity"),
    )
    verification: VerificationStatus | None = Field(default=None, description="Proof of the join.")
    scan: ScanStatus | None = Field(default=None, description="The full scan of this peering.")
    plan: PlanStatus | None = Field(default=None, description="What a join would do, with mode Plan.")
