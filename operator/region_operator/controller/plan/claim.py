"""Whose region it is: the claim that a placement holds, and who wins when two Regions or peerings want the same.

Nothing is decided by age: after a restore all timestamps are new, and the younger would be the rightful one (rule 19).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from region_operator import naming
from region_operator.controller.facts import (
    Children,
    ConfigMapFacts,
    DuplicatePeering,
    Fact,
    IdHolder,
    Meta,
    PeerFacts,
    PeeringFacts,
    Unknown,
)
from region_operator.controller.plan.labels import Site, metadata, owned
from region_operator.controller.plan.steps import Manifest, Wait

TERMS_PER_EPOCH: Final = 10**9
"""A document's epoch is claim epoch * this + term of the leader, so agents refuse a hub and a leader of the past."""


@dataclass(frozen=True)
class HeldClaim:
    hub: str
    region: str  # namespace/name
    epoch: int


@dataclass(frozen=True)
class ClaimDecision:
    """What to do about the claim; ``epoch`` is the one that holds once it is done."""

    verdict: Literal["Ours", "Write", "Foreign"]
    epoch: int
    held: HeldClaim | None = None


def held_claim(seen: ConfigMapFacts | None) -> HeldClaim | None:
    """The claim as it is written, None when there is none; what cannot be read is a foreign claim of epoch 0."""
    if seen is None:
        return None
    epoch = seen.data.get("epoch", "")
    number = int(epoch) if re.fullmatch(r"[0-9]{1,6}", epoch) else 0
    return HeldClaim(seen.data.get("hub", ""), seen.data.get("region", ""), number)


def decide_claim(site: Site, seen: ConfigMapFacts | None, *, take_over: str) -> ClaimDecision:
    """Ours, unclaimed (to be written) or foreign; ``take_over`` is the annotation, it must name the other hub."""
    held = held_claim(seen)
    if held is None:
        return ClaimDecision("Write", 1)
    if held.hub == site.hub and held.region == site.owner:
        return ClaimDecision("Ours", max(1, held.epoch), held)
    if held.region == site.owner and held.hub and held.hub == take_over:
        return ClaimDecision("Write", held.epoch + 1, held)
    return ClaimDecision("Foreign", held.epoch, held)


def claim_manifest(site: Site, epoch: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(site, naming.claim(site.region), "region"),
        "data": {"hub": site.hub, "region": site.owner, "epoch": str(epoch)},
    }


def document_epoch(claim_epoch: int, term: int) -> int:
    """The epoch that agents compare: first the claim's, within it the leader's term."""
    return claim_epoch * TERMS_PER_EPOCH + min(term, TERMS_PER_EPOCH - 1)


def epoch_of_term(epoch: int, term: int) -> int:
    """The epoch of a document as the leader of ``term`` would send it; agents refuse one of the past."""
    return document_epoch(epoch // TERMS_PER_EPOCH, term)


def claimed_by_another(site: Site, held: HeldClaim) -> Wait:
    return Wait(
        "Claimed",
        "ClaimedByAnotherHub",
        f"ConfigMap {site.namespace}/{naming.claim(site.region)} says that hub {held.hub or '?'} commands this region "
        f"as {held.region or '?'}; nothing is written here. Delete the Region there, or set annotation "
        f"{naming.ANNOTATION_TAKE_OVER}: {held.hub or '<hub>'} here",
        stalled=True,
    )


# --- two of a kind ----------------------------------------------------------------------------------------------------


def id_clash(site: Site, *, holds_claim: bool, others: Fact[tuple[IdHolder, ...]]) -> Wait | None:
    """Whether this Region yields its id: who holds the claim wins; none does: the smaller namespace/name.

    Both hold one (two hubs' worth of Regions restored into one): the smaller name, so that exactly one goes on.
    """
    if isinstance(others, Unknown):
        return Wait("Claimed", "NotObserved", f"other Regions could not be listed: {others.message}", unknown=True)
    mine = (not holds_claim, site.owner)
    for other in sorted(others, key=lambda item: (item.namespace, item.name)):
        if isinstance(other.holds_claim, Unknown):
            if not holds_claim:
                message = f"{other.namespace}/{other.name} has id {site.region_id} too; its claim could not be read"
                return Wait("Claimed", "NotObserved", message, unknown=True)
            continue
        if (not other.holds_claim, f"{other.namespace}/{other.name}") < mine:
            message = (
                f"id {site.region_id} belongs to Region {other.namespace}/{other.name}; nothing is made or removed for "
                "this one. Delete it and make another with an id of its own"
            )
            return Wait("Claimed", "RegionIdClash", message, stalled=True)
    return None


def yields_to(peering: PeeringFacts) -> DuplicatePeering | None:
    """The other peering of the same two Regions that goes on instead of this one; one that leaves is no rival."""
    agents = [side.agent.last for side in peering.sides if isinstance(side, PeerFacts)]
    known = any(source.uid == peering.uid for agent in agents if agent is not None for source in agent.sources)
    rivals = [other for other in peering.duplicates if not other.deleting]
    return duplicate_of(f"{peering.namespace}/{peering.name}", known_to_agents=known, duplicates=rivals)


def duplicate_of(own: str, *, known_to_agents: bool, duplicates: Iterable[DuplicatePeering]) -> DuplicatePeering | None:
    """The peering to which ``own`` (namespace/name) yields: agents know it; none or both known: the smaller name."""
    mine = (not known_to_agents, own)
    rivals = [item for item in duplicates if (not item.known_to_agents, f"{item.namespace}/{item.name}") < mine]
    return min(rivals, key=lambda item: (not item.known_to_agents, item.namespace, item.name), default=None)


# --- what is there already --------------------------------------------------------------------------------------------


def collision(site: Site, children: Children, names: Iterable[tuple[str, str]]) -> Wait | None:
    """The first object of ``names`` (kind, name) that is there and is not ours; it is never forced (rule 6)."""
    present = {(meta.ref.kind, meta.ref.name): meta for meta in children.metas()}
    for key in names:
        meta = present.get(key)
        if meta is not None and not owned(site, meta.labels):
            message = (
                f"{key[0]} {site.namespace}/{key[1]} exists and is not a part of this Region; it is left as it is. "
                "Remove or rename it, or choose another name or placement"
            )
            return Wait("Claimed", "NameCollision", message, stalled=True)
    return None


def foreign_data(site: Site, found: Iterable[Meta]) -> Wait | None:
    """Retained volumes and Secrets are taken up only if namespace, name and id match (rule 13)."""
    for meta in found:
        if not owned(site, meta.labels) or meta.labels.get(naming.LABEL_REGION_ID) != str(site.region_id):
            keys = (naming.LABEL_REGION_NAMESPACE, naming.LABEL_REGION_NAME, naming.LABEL_REGION_ID)
            namespace, name, number = (meta.labels.get(key, "?") for key in keys)
            message = (
                f"{meta.ref.kind} {meta.ref.namespace}/{meta.ref.name} holds data of Region {namespace}/{name} with id "
                f"{number}; it is neither used nor removed. Move it away, or create the Region it belongs to"
            )
            return Wait("DatabaseReady", "RetainedDataOfAnotherRegion", message, stalled=True)
    return None
