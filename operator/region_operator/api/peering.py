"""The kind RegionPeering: two regions exchange data, both ways, under a policy."""

from typing import Annotated, Literal

from pydantic import Field

from region_operator.api.common import LocalRef, RegionRef
from region_operator.api.peering_status import RegionPeeringStatus
from region_operator.api.schema import Cel, Manifest, Resource, listed


class Leave(Manifest):
    """How the two regions part when the RegionPeering is deleted."""

    drain_timeout_seconds: Annotated[int, Field(ge=0, le=604_800, json_schema_extra={"format": "int32"})] = Field(
        default=600, description="How long a dead or slow peer is waited for; then the link is undone without it."
    )


class RegionPeeringSpec(Manifest):
    """What the peering shall be."""

    regions: Annotated[
        tuple[RegionRef, ...],
        Field(min_length=2, max_length=2),
        Cel("self[0].name != self[1].name", "regions must be two different Regions", lambda pair: pair[0] != pair[1]),
        Cel("self == oldSelf", "regions is immutable: delete this RegionPeering and make another"),
    ] = Field(description="The two Regions, of this namespace. Immutable.", json_schema_extra=listed("atomic"))
    mode: Annotated[
        Literal["Active", "Plan", "Suspended"],
        Cel("self != 'Plan' || oldSelf == 'Plan'", "mode may not go back to Plan: the regions are joined already"),
    ] = Field(
        default="Active",
        description="Active exchanges data; Plan is a dry run; Suspended stops data and keeps the cursors.",
    )
    paused: bool = Field(default=False, description="The operator changes nothing here; data keeps flowing.")
    policy_ref: LocalRef | None = Field(
        default=None,
        description="SyncPolicy whose lag, partition, parking, link and scan hold here; default that of regions[0].",
    )
    leave: Leave = Field(default_factory=Leave, description="How the two regions part.")


class RegionPeering(Resource):
    """Two regions exchange data, both ways, under a policy."""

    spec: RegionPeeringSpec = Field(description="What the peering shall be.")
    status: RegionPeeringStatus = Field(
        default_factory=RegionPeeringStatus, description="What was observed; rebuilt at any time."
    )
