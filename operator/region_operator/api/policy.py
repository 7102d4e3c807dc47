"""The kind SyncPolicy: what is exchanged, how conflicts are settled, how much lag is tolerated, when scans run."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from region_operator.api.agent import RuleName
from region_operator.api.common import INT32_MAX, EntityName, Int32, Int64, RegionId, ShortText, Timestamp
from region_operator.api.conditions import Conditions
from region_operator.api.scan_policy import ScanPolicy
from region_operator.api.schema import Cel, Manifest, Resource, listed

DeleteRule = Literal["DeleteWins", "UpdateWins"]
UniqueClash = Literal["Park", "Rename", "Adopt"]
_int32 = {"format": "int32"}
Seconds = Annotated[int, Field(ge=1, le=INT32_MAX, json_schema_extra=_int32)]
RegionIds = Annotated[tuple[RegionId, ...], Field(max_length=64)]


class FieldPolicy(Manifest):
    """How one field is settled."""

    name: EntityName = Field(description="Name of the field or field group, as in the catalog.")
    rule: RuleName = Field(description="Rule for this field.")


class EntityPolicy(Manifest):
    """How one entity is exchanged; what is absent follows spec.conflicts or the catalog."""

    name: EntityName = Field(description="Name of the entity, as in the catalog.")
    mode: Literal["Sync", "Off"] = Field(
        default="Sync", description="Off: rows of the entity are neither taken nor served."
    )
    rule: RuleName | None = Field(default=None, description="How concurrent changes of a field are settled.")
    delete_rule: DeleteRule | None = Field(
        default=None, description="How a delete against a concurrent update is settled."
    )
    unique_clash: UniqueClash | None = Field(
        default=None, description="How rows that two regions created under one unique name are settled."
    )
    accept_from: RegionIds | None = Field(
        default=None,
        description="Ids of regions whose own changes are accepted, beside this region's; default all.",
        json_schema_extra=listed("set"),
    )
    fields: Annotated[tuple[FieldPolicy, ...], Field(max_length=64)] | None = Field(
        default=None, description="Fields with a rule of their own.", json_schema_extra=listed("map", "name")
    )


class ConflictPolicy(Manifest):
    """Defaults of the fleet for all entities."""

    rule: RuleName = Field(default="HighestVersion", description="How concurrent changes of a field are settled.")
    delete_rule: DeleteRule = Field(
        default="DeleteWins", description="How a delete against a concurrent update is settled."
    )
    unique_clash: UniqueClash = Field(
        default="Park", description="How rows that two regions created under one unique name are settled."
    )
    region_priority: RegionIds | None = Field(
        default=None,
        description="Ids of regions, the first wins, for rule RegionPriority.",
        json_schema_extra=listed("atomic"),
    )
    retention_days: Annotated[int, Field(ge=1, le=3650, json_schema_extra=_int32)] = Field(
        default=90, description="How long closed conflict records are kept."
    )

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "self.rule != 'RegionPriority' || (has(self.regionPriority) && size(self.regionPriority) > 0)",
            "regionPriority is required with rule RegionPriority",
            lambda conflicts: conflicts.rule != "RegionPriority" or bool(conflicts.region_priority),
        ),
    )


class LagPolicy(Manifest):
    """How much lag is tolerated."""

    objective_seconds: Seconds = Field(
        default=60, description="Lag over this for two evaluations is LagExceeded; cleared at half of it."
    )


class PartitionPolicy(Manifest):
    """When a link counts as cut."""

    detect_after_seconds: Annotated[int, Field(ge=5, le=86_400, json_schema_extra=_int32)] = Field(
        default=30, description="Time without contact after which a partition is declared."
    )
    recover_after_seconds: Annotated[int, Field(ge=5, le=86_400, json_schema_extra=_int32)] = Field(
        default=30, description="Time of good contact after which it is cleared."
    )
    evidence_max_age_seconds: Annotated[int, Field(ge=5, le=86_400, json_schema_extra=_int32)] = Field(
        default=90, description="Older evidence makes the condition Unknown; at least twice the operator's poll."
    )


class ParkingPolicy(Manifest):
    """What happens to rows that wait for another row."""

    retry_max_seconds: Seconds = Field(default=300, description="Longest pause between two tries.")
    dead_letter_after_seconds: Seconds = Field(
        default=86_400, description="Time after which a row is not tried any more."
    )
    max_rows: Annotated[int, Field(ge=1, le=INT32_MAX, json_schema_extra=_int32)] = Field(
        default=100_000,
        description="Rows of one peer that may wait in a region; its link then takes no further page.",
    )


class LinkPolicy(Manifest):
    """Size and speed of the exchange."""

    batch_rows: Annotated[int, Field(ge=1, le=100_000, json_schema_extra=_int32)] = Field(
        default=2000, description="Rows of one batch."
    )
    batch_kilobytes: Annotated[int, Field(ge=16, le=65_536, json_schema_extra=_int32)] = Field(
        default=1024, description="Kilobytes of one batch."
    )
    max_kilobytes_per_second: Int32 = Field(default=0, description="Limit of speed; 0 is unlimited.")


_USES_PRIORITY = (
    "!has(self.entities) || !self.entities.exists(entity, (has(entity.rule) && entity.rule == 'RegionPriority') || "
    "(has(entity.fields) && entity.fields.exists(field, field.rule == 'RegionPriority')))"
)


class SyncPolicySpec(Manifest):
    """What the policy says; an empty one holds the defaults."""

    entities: Annotated[tuple[EntityPolicy, ...], Field(max_length=64)] | None = Field(
        default=None,
        description="Entities that differ from the catalog's defaults.",
        json_schema_extra=listed("map", "name"),
    )
    conflicts: ConflictPolicy = Field(default_factory=ConflictPolicy, description="Defaults for all entities.")
    lag: LagPolicy = Field(default_factory=LagPolicy, description="How much lag is tolerated.")
    partition: PartitionPolicy = Field(default_factory=PartitionPolicy, description="When a link counts as cut.")
    parking: ParkingPolicy = Field(default_factory=ParkingPolicy, description="Rows that wait for another row.")
    link: LinkPolicy = Field(default_factory=LinkPolicy, description="Size and speed of the exchange.")
    scan: ScanPolicy | None = Field(default=None, description="When and under what load full scans run.")

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            f"({_USES_PRIORITY}) || (has(self.conflicts) && has(self.conflicts.regionPriority) && "
            "size(self.conflicts.regionPriority) > 0)",
            "conflicts.regionPriority is required when entities use rule RegionPriority",
            lambda spec: not spec.uses_region_priority() or bool(spec.conflicts.region_priority),
        ),
    )

    def uses_region_priority(self) -> bool:
        rules = [rule for entity in self.entities or () for rule in (entity.rule, *_field_rules(entity))]
        return "RegionPriority" in rules


def _field_rules(entity: EntityPolicy) -> tuple[RuleName, ...]:
    return tuple(field.rule for field in entity.fields or ())


class InForceStatus(Manifest):
    """Where agents acknowledged the policy."""

    regions: Int32 = Field(default=0, description="Regions whose agent reports these rules.")
    of_regions: Int32 = Field(default=0, description="Regions that refer to the policy.")
    peerings: Int32 = Field(default=0, description="RegionPeerings where it holds.")
    of_peerings: Int32 = Field(default=0, description="RegionPeerings that refer to the policy.")


class ScansStatus(Manifest):
    """Full scans under the policy."""

    running: Int32 = Field(default=0, description="Scans that run.")
    overdue: Int32 = Field(default=0, description="RegionPeerings past the objective.")
    next_time: Timestamp | None = Field(default=None, description="When the next scan is due.")


class SyncPolicyStatus(Manifest):
    """What was observed; rebuilt at any time."""

    observed_generation: Int64 | None = Field(default=None, description="Generation of the spec that this is about.")
    conditions: Conditions = Field(default=(), description="What holds, and why.")
    rules_hash: ShortText = Field(default="", description="Hash that agents must report back.")
    in_force: InForceStatus | None = Field(default=None, description="Where agents acknowledged the policy.")
    scans: ScansStatus | None = Field(default=None, description="Full scans under the policy.")


class SyncPolicy(Resource):
    """What is exchanged, how conflicts are settled, how much lag is tolerated, and when full scans run."""

    spec: SyncPolicySpec = Field(description="What the policy says; an empty one holds the defaults.")
    status: SyncPolicyStatus = Field(
        default_factory=SyncPolicyStatus, description="What was observed; rebuilt at any time."
    )
