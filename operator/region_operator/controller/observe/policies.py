"""SyncPolicies as Regions and RegionPeerings need them; what is not accepted is Invalid, what is not there is None."""

from collections.abc import Mapping
from typing import Final

from region_operator.api.policy import SyncPolicy, SyncPolicySpec
from region_operator.api.policy_checks import EntityFields, check_policy
from region_operator.api.policy_rules import effective_rules, link_limits
from region_operator.api.scan_terms import scan_terms
from region_operator.controller.facts import Invalid, LinkPolicyFacts, PolicyFacts, Unknown, Usable
from region_operator.controller.plan.rewind import accepted
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster
from region_operator.replication.catalog import CATALOG, Entity


def _fields(entity: Entity) -> EntityFields:
    numbers = {"int", "bool", "decimal", "datetime"}
    return EntityFields(
        names=frozenset(field.name for field in entity.fields),
        ordered=frozenset(f.name for f in entity.fields if not f.is_group and f.columns[0].kind in numbers),
        ranked=frozenset(field.name for field in entity.fields if field.severity),
        parents=frozenset(entity.references.values()) - {entity.name},
    )


ENTITY_FIELDS: Final[Mapping[str, EntityFields]] = {name: _fields(entity) for name, entity in CATALOG.items()}


async def policy(hub: Cluster, namespace: str, name: str, *, poll_s: int) -> Usable[SyncPolicy | None]:
    """The policy of that name, judged; None when it does not exist."""
    try:
        body = await hub.get(kinds.SYNC_POLICY, namespace, name)
        return None if body is None else judged(SyncPolicy.parse(body), poll_s=poll_s)
    except (Unavailable, Refused) as error:
        return Unknown(error.reason, str(error))
    except InvalidInput as error:
        return Invalid(error.reason, str(error), error.field)


def judged(found: SyncPolicy, *, poll_s: int) -> SyncPolicy | Invalid:
    """The policy, or why it cannot be acted on."""
    try:
        check_policy(found.spec, entities=ENTITY_FIELDS, poll_seconds=poll_s)
    except InvalidInput as error:
        return Invalid(error.reason, f"SyncPolicy {found.metadata.name}: {error}", error.field)
    return found


def rules_of(found: Usable[SyncPolicy | None], *, named: bool) -> Usable[PolicyFacts | None]:
    """What a Region takes from its policy; the built-in rules when it names none."""
    if not named:
        return PolicyFacts(namespace="", name="", uid="", generation=0, rules=effective_rules(None))
    if not isinstance(found, SyncPolicy):
        return found
    meta = found.metadata
    return PolicyFacts(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        rules=effective_rules(found.spec),
        accept_rewind=accepted(meta.annotations),
    )


def limits_of(found: Usable[SyncPolicy | None], *, named: bool) -> Usable[LinkPolicyFacts | None]:
    """What a peering takes from its policy; the built-in limits when it names none."""
    if not named:
        return _limits("", "", 0, SyncPolicySpec())
    if not isinstance(found, SyncPolicy):
        return found
    return _limits(found.metadata.name, found.metadata.uid, found.metadata.generation, found.spec)


def _limits(name: str, uid: str, generation: int, spec: SyncPolicySpec) -> LinkPolicyFacts:
    link = link_limits(spec)
    return LinkPolicyFacts(
        name=name,
        uid=uid,
        generation=generation,
        lag_objective_s=spec.lag.objective_seconds,
        partition_detect_after_s=spec.partition.detect_after_seconds,
        partition_recover_after_s=spec.partition.recover_after_seconds,
        evidence_max_age_s=spec.partition.evidence_max_age_seconds,
        parking_retry_max_s=link.parking_retry_max_seconds,
        parking_dead_letter_after_s=link.parking_dead_letter_after_seconds,
        parking_max_rows=link.parking_max_rows,
        batch_rows=link.batch_rows,
        batch_kilobytes=link.batch_kilobytes,
        max_kilobytes_per_second=link.max_kilobytes_per_second,
        scan=scan_terms(spec.scan),
    )
