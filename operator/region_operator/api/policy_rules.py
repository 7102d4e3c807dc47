"""What a SyncPolicy means for an agent: its rules and limits as the control API says them, and the hash of the rules.

Pure, so that a missing policy, an empty one and one that spells out the defaults are provably the same.
"""

import hashlib
import json

from region_operator.api.agent import EntityRules, FieldRule, LinkLimits, Rules
from region_operator.api.policy import EntityPolicy, SyncPolicySpec

DEFAULT_POLICY = SyncPolicySpec()
"""What holds where no policy is referred to."""


def effective_rules(spec: SyncPolicySpec | None) -> Rules:
    """The rules for a region's rows; None is the absence of a policyRef, never of the object it names."""
    policy = spec or DEFAULT_POLICY
    entities = sorted((_entity_rules(entity) for entity in policy.entities or ()), key=lambda entity: entity.name)
    rules = Rules(
        hash="",
        rule=policy.conflicts.rule,
        delete_rule=policy.conflicts.delete_rule,
        unique_clash=policy.conflicts.unique_clash,
        region_priority=list(policy.conflicts.region_priority or ()),
        retention_days=policy.conflicts.retention_days,
        entities=[entity for entity in entities if entity != EntityRules(name=entity.name)],
    )
    return rules.model_copy(update={"hash": rules_hash(rules)})


def rules_hash(rules: Rules) -> str:
    """Identity of a set of rules: equal for equal content, whatever order a user wrote it in."""
    content = rules.model_dump(mode="json", by_alias=True, exclude={"hash"}, exclude_none=True)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def link_limits(spec: SyncPolicySpec | None) -> LinkLimits:
    """The limits of a peering's links."""
    policy = spec or DEFAULT_POLICY
    return LinkLimits(
        batch_rows=policy.link.batch_rows,
        batch_kilobytes=policy.link.batch_kilobytes,
        max_kilobytes_per_second=policy.link.max_kilobytes_per_second,
        parking_retry_max_seconds=policy.parking.retry_max_seconds,
        parking_dead_letter_after_seconds=policy.parking.dead_letter_after_seconds,
        parking_max_rows=policy.parking.max_rows,
    )


def _entity_rules(entity: EntityPolicy) -> EntityRules:
    fields = sorted(entity.fields or (), key=lambda field: field.name)
    return EntityRules(
        name=entity.name,
        mode=entity.mode,
        rule=entity.rule,
        delete_rule=entity.delete_rule,
        unique_clash=entity.unique_clash,
        accept_from=None if entity.accept_from is None else sorted(entity.accept_from),
        fields=[FieldRule(name=field.name, rule=field.rule) for field in fields],
    )
