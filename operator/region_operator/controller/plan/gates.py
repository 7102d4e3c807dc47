"""What must hold before anything is made: a usable place, an id and a claim of our own (rules 6, 8, 13, 19)."""

from collections.abc import Mapping

from region_operator import naming
from region_operator.controller.facts import Invalid, PolicyFacts, SecretFacts, Unknown
from region_operator.controller.plan.claim import (
    claim_manifest,
    claimed_by_another,
    collision,
    decide_claim,
    foreign_data,
    held_claim,
    id_clash,
)
from region_operator.controller.plan.context import Context
from region_operator.controller.plan.labels import owned
from region_operator.controller.plan.reads import child_names, secret_names
from region_operator.controller.plan.rewind import HUB_REWOUND, policy_source, rewound
from region_operator.controller.plan.steps import CreateOnly, Patch, Step, Wait


def placement_gate(context: Context) -> list[Step]:
    """Whether the placement can be reached, is the one it was, and may be used."""
    place, region = context.facts.placement, context.region
    if context.facts.hub.namespace_terminating:
        message = f"namespace {region.metadata.namespace} is being deleted: nothing is created any more"
        return [Wait("PlacementReachable", "NamespaceTerminating", message)]
    if isinstance(place.cluster, Invalid):
        if place.cluster.reason == "KubeconfigRefused":
            return [Wait("PlacementReachable", "KubeconfigRefused", place.cluster.message, stalled=True)]
        return [Wait("ReferencesResolved", place.cluster.reason, place.cluster.message)]
    if isinstance(place.cluster, Unknown):
        return [Wait("PlacementReachable", place.cluster.reason, place.cluster.message, unknown=True)]
    noted = region.status.placement.cluster if region.status.placement else ""
    if noted and noted != place.cluster:
        message = (
            f"the kubeconfig leads to cluster {place.cluster}, the region runs in {noted}: nothing is done there. "
            "Put back the kubeconfig of that cluster; to move, make a new Region and peer it"
        )
        return [Wait("PlacementReachable", "ClusterChanged", message)]
    return _namespace_gate(context) or _children_gate(context)


def _namespace_gate(context: Context) -> list[Step]:
    place, name = context.facts.placement, context.site.namespace
    if isinstance(place.namespace, Unknown):
        return [Wait("PlacementReachable", place.namespace.reason, place.namespace.message, unknown=True)]
    if place.namespace is None:
        message = f"namespace {name} does not exist in the region's cluster; create it"
        return [Wait("PlacementReachable", "NamespaceNotFound", message)]
    if place.namespace.terminating:
        message = f"namespace {name} is being deleted: nothing is created there any more"
        return [Wait("PlacementReachable", "NamespaceTerminating", message)]
    own = context.region.metadata.namespace
    foreign = place.same_cluster and name != own
    if foreign and own not in (place.namespace.consent or ()):
        message = (
            f"namespace {name} does not consent to Regions of namespace {own}: its owner creates ConfigMap "
            f"{naming.PLACEMENT_CONSENT_CONFIGMAP} there with data.from: {own}"
        )
        return [Wait("PlacementReachable", "PlacementNotPermitted", message, stalled=True)]
    return []


def _children_gate(context: Context) -> list[Step]:
    children = context.facts.children
    if isinstance(children, Unknown):
        return [Wait("PlacementReachable", children.reason, children.message, unknown=True)]
    return []


def rewind_gate(context: Context) -> list[Step]:
    """Whether this hub still knows what its Region was told last; a restored one only looks on (rule 8)."""
    policy, sources = context.facts.policy, [context.source]
    if isinstance(policy, PolicyFacts):
        sources.append(policy_source(policy))
    told = next(filter(None, (rewound(source, context.facts.agent.last) for source in sources)), "")
    return [Wait("Stalled", HUB_REWOUND, told, stalled=True)] if told else []


def claim_gate(context: Context) -> list[Step]:
    """Whether the id and the claim are ours, and nothing in the way is somebody else's; writes the claim."""
    site, children = context.site, context.children
    seen = children.config_maps.get(naming.claim(site.region))
    held = held_claim(seen)
    ours = held is not None and (held.hub, held.region) == (site.hub, site.owner)
    clash = id_clash(site, holds_claim=ours, others=context.facts.same_id)
    if clash:
        return [clash]
    take_over = context.region.metadata.annotations.get(naming.ANNOTATION_TAKE_OVER, "")
    decision = decide_claim(site, seen, take_over=take_over)
    if decision.verdict == "Foreign":
        assert decision.held is not None
        return [claimed_by_another(site, decision.held)]
    secrets = tuple(("Secret", name) for name in secret_names(context.region))
    blocked = _retained_gate(context) or collision(site, children, (*child_names(context.region), *secrets))
    if blocked:
        return [blocked]
    if decision.verdict == "Ours":
        return _relabelled(context)
    manifest = claim_manifest(site, decision.epoch)
    waiting = Wait("Claimed", "NotYetClaimed", "the claim is being written")
    return [CreateOnly(manifest) if seen is None else context.apply(manifest), waiting]


def _retained_gate(context: Context) -> Wait | None:
    """Data that is there already is taken up only if it was this Region's."""
    site, children = context.site, context.children
    volume = children.volume_claims.get(naming.database_volume(site.region))
    kept = [children.secrets.get(name) for name in (naming.database(site.region), naming.database_key(site.region))]
    found = [item.meta for item in kept if isinstance(item, SecretFacts) and _of_a_region(item.meta.labels)]
    if volume and context.region.spec.database.managed:
        found.insert(0, volume.meta)
    return foreign_data(site, found)


def _of_a_region(labels: Mapping[str, str]) -> bool:
    """Whether an object is a child of some Region; anything else under a child's name is a collision."""
    return naming.LABEL_REGION_ID in labels


def _relabelled(context: Context) -> list[Step]:
    """Volumes and Secrets are made once and not applied again, so after a take-over their hub label is mended here."""
    site = context.site
    kinds = ("PersistentVolumeClaim", "Secret")
    return [
        Patch(ref=item.ref, uid=item.uid, body={"metadata": {"labels": {naming.LABEL_HUB: site.hub}}})
        for item in context.children.metas()
        if item.ref.kind in kinds and owned(site, item.labels) and item.labels.get(naming.LABEL_HUB) != site.hub
    ]
