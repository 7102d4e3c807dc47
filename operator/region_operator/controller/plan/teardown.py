"""Takes a Region down in an order in which nobody loses what he still needs, and leaves what is to be kept (rule 13).

peerings leave -> management server -> agent -> Jobs -> database -> Services, policies, configuration -> Secrets and
volume, by deletionPolicy -> claim -> finalizer. Each group must be gone before the next is touched. Only what bears
this Region's labels is ever deleted.
"""

from collections.abc import Iterable

from region_operator import naming
from region_operator.api.region import Region
from region_operator.controller.facts import Children, Meta, ObjectRef, PeeringFacts, RegionFacts, Unknown
from region_operator.controller.plan.labels import Site, owned
from region_operator.controller.plan.steps import Delete, RemoveFinalizer, Step, Wait, Warn


def keeps_data(region: Region, facts: RegionFacts) -> bool:
    """Whether volume and generated Secrets stay; a protected Region is torn down as Retain where nothing refuses it."""
    unprotected = region.spec.deletion_protection and not facts.protected_by_admission
    return region.spec.deletion_policy == "Retain" or unprotected


def peerings_gate(facts: RegionFacts) -> Wait | None:
    """A Region waits for peerings that leave, and is blocked by those that stay (rule 20)."""
    if isinstance(facts.peerings, Unknown):
        message = f"RegionPeerings could not be listed: {facts.peerings.message}"
        return Wait("DeletionBlocked", "NotObserved", message, unknown=True)
    staying = _names(peering for peering in facts.peerings if not peering.deleting)
    if staying:
        message = f"RegionPeering {staying} still names this Region; delete it"
        return Wait("DeletionBlocked", "PeeringsExist", message)
    leaving = _names(peering for peering in facts.peerings if peering.finalizer)
    if leaving:
        message = f"RegionPeering {leaving} is leaving; at the latest after its drain time the teardown goes on"
        return Wait("DeletionBlocked", "PeeringsLeaving", message)
    return None


def abandon_steps(site: Site, children: Children | Unknown) -> list[Step]:
    """Give the Region up: nothing is removed, and what is left is listed."""
    if isinstance(children, Unknown):
        left = f"whatever there is in namespace {site.namespace}: it cannot be looked at ({children.reason})"
    else:
        left = ", ".join(f"{item.ref.kind}/{item.ref.name}" for item in _ours(site, children)) or "nothing"
    return [Warn("Abandoned", f"given up by annotation; nothing was removed, left behind: {left}"), RemoveFinalizer()]


def teardown_steps(site: Site, children: Children, *, keep_data: bool, copied_secrets: frozenset[str]) -> list[Step]:
    """Deletes of the first group that is not gone yet, or the finalizer.

    ``copied_secrets`` are names of Secrets that hold nothing but copies; they go in any case.
    """
    ours = _ours(site, children)
    kept = {item.ref for item in retained(site, children, copied_secrets=copied_secrets)} if keep_data else set()
    for group in _groups(site, ours):
        there = [item for item in group if item.ref not in kept]
        if there:
            left = ", ".join(f"{item.ref.kind}/{item.ref.name}" for item in there)
            deletes: list[Step] = [Delete(item.ref, item.uid) for item in there if not item.deleting]
            return [*deletes, Wait("DeletionBlocked", "ChildrenRemain", f"being removed: {left}")]
    return [RemoveFinalizer()]


def retained(site: Site, children: Children, *, copied_secrets: frozenset[str]) -> list[Meta]:
    """What deletionPolicy Retain leaves: the volume, and Secrets that were generated for it."""
    region = site.region
    generated = (naming.database, naming.database_key, naming.admin, naming.management_api)
    names = {("Secret", name(region)) for name in generated if name(region) not in copied_secrets}
    names.add(("PersistentVolumeClaim", naming.database_volume(region)))
    return [item for item in _ours(site, children) if (item.ref.kind, item.ref.name) in names]


def _groups(site: Site, ours: list[Meta]) -> list[list[Meta]]:
    """All of ``ours`` in the order in which they go; a kind that is not named goes with the Services."""
    region = site.region
    claim = ObjectRef("ConfigMap", site.namespace, naming.claim(region))
    order = {"Job": 3, "StatefulSet": 4, "Secret": 6, "PersistentVolumeClaim": 6}
    deployments = {naming.management(region): 1, naming.agent(region): 2}
    groups: list[list[Meta]] = [[] for _ in range(8)]
    for item in ours:
        place = order.get(item.ref.kind, 5)
        if item.ref.kind == "Deployment":
            place = deployments.get(item.ref.name, 1)
        if item.ref == claim:
            place = 7
        groups[place].append(item)
    return groups


def _ours(site: Site, children: Children) -> list[Meta]:
    mine = [item for item in children.metas() if owned(site, item.labels)]
    same_id = [item for item in mine if item.labels.get(naming.LABEL_REGION_ID) == str(site.region_id)]
    return sorted(same_id, key=lambda item: item.ref)


def _names(peerings: Iterable[PeeringFacts]) -> str:
    return ", ".join(sorted(peering.name for peering in peerings))
