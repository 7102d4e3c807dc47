"""The document for a Region's agent (OPERATOR.md 16), from Region, peerings, peers and the policy's rules.

What is not known is left out, never guessed: a link that is not mentioned stays as it is (rule 8). A link is ended only
by an entry ``Leaving``, which comes from a RegionPeering that is being deleted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from region_operator import naming
from region_operator.api.agent import (
    AgentStatus,
    Claim,
    ConfigurationDocument,
    Link,
    LinkLimits,
    Peer,
    RegionIdentity,
    Rules,
    Source,
    document_etag,
)
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, PeeringFacts, PolicyFacts
from region_operator.controller.plan import dry_run
from region_operator.controller.plan.claim import yields_to
from region_operator.controller.plan.labels import Site
from region_operator.controller.plan.rewind import as_needed, peering_rewound, peering_source, policy_source

_ABSENT_URL = "https://absent.invalid:8443"  # of a peer whose Region is gone; a link that leaves dials nobody it lacks
_NOTHING_TO_DRAIN_S = 1


@dataclass(frozen=True)
class DocumentInputs:
    """What the document is built from, beside the peerings.

    Attributes:
        epoch: as agents compare it, see ``claim.document_epoch``.
        take_over_from: the hub whose claim ends, "" for none.
        source: the Region itself.
        policy: None keeps ``rules`` without naming a source (the SyncPolicy is gone, its rules stay in force).
        status: what the agent said last.
    """

    site: Site
    epoch: int
    source: Source
    management_endpoint: str
    rules: Rules
    fleet_uid: str
    trust: tuple[str, ...]
    status: AgentStatus
    policy: PolicyFacts | None = None
    take_over_from: str = ""


def configuration_document(inputs: DocumentInputs, peerings: Iterable[PeeringFacts]) -> ConfigurationDocument:
    """The one document of this agent; equal inputs make an equal document, whatever order they come in."""
    site = inputs.site
    sources, links = [inputs.source], []
    if inputs.policy and inputs.policy.uid:
        sources.append(policy_source(inputs.policy))
    for peering in sorted(peerings, key=lambda item: item.uid):
        link = _link(inputs, peering)
        if link is not None:
            links.append(link)
            sources.append(peering_source(peering))
    return ConfigurationDocument(
        claim=Claim(hub=site.hub, region=site.owner, epoch=inputs.epoch, take_over_from=inputs.take_over_from),
        sources=[as_needed(source, inputs.status) for source in sources],
        requires=_requires(links, take_over=bool(inputs.take_over_from)),
        region=RegionIdentity(id=site.region_id, name=site.region, management_endpoint=inputs.management_endpoint),
        rules=inputs.rules,
        links=_one_per_peer(links),
        trust=list(inputs.trust),
    )


def etag_of(document: ConfigurationDocument) -> str:
    """The etag that an agent gives this document."""
    return document_etag(document.model_dump(mode="json", by_alias=True))


def _link(inputs: DocumentInputs, peering: PeeringFacts) -> Link | None:
    """The entry for ``peering``, None to leave it as it is."""
    if (peering.paused and not peering.abandon) or peering_rewound(peering):
        return None
    side = peering.other_side(inputs.site.region)
    peer = _peer(inputs, side) if isinstance(side, PeerFacts) else None
    if peering.deleting:
        return _leaving(inputs, peering, peer)
    ready = peering.finalizer and peering.uid not in inputs.status.left_peerings
    if not ready or peer is None or not isinstance(side, PeerFacts) or not peer.url or not peer.management_endpoint:
        return None
    if side.stalled or side.deleting or yields_to(peering) or not _keys_agree(inputs.status, peering, side):
        return None
    return Link(
        peering_uid=peering.uid,
        peer=peer,
        state=peering.mode,
        plan_token=_plan_token(inputs, peering),
        drain_timeout_seconds=peering.drain_timeout_s,
        link=_limits(peering.policy) if isinstance(peering.policy, LinkPolicyFacts) else _limits(LinkPolicyFacts()),
    )


def _plan_token(inputs: DocumentInputs, peering: PeeringFacts) -> str:
    """What this agent is to work out of a dry run; "" for all others, and for the agent that only answers."""
    side = dry_run.planner(peering) if peering.mode == "Plan" else None
    return dry_run.token(peering) if side is not None and side.name == inputs.site.region else ""


def _leaving(inputs: DocumentInputs, peering: PeeringFacts, peer: Peer | None) -> Link | None:
    held = next((link for link in inputs.status.links if link.peering_uid == peering.uid), None)
    known = held is not None or any(source.uid == peering.uid for source in inputs.status.sources)
    if not known or (peer is None and held is None):
        return None
    if peer is None or not peer.url:
        number = peer.id if peer else held.peer_id if held else 0
        other = next(name for name in peering.regions if name != inputs.site.region)
        peer = Peer(
            id=number,
            name=other,
            url=_ABSENT_URL,
            server_name=naming.agent_server_name(number, inputs.fleet_uid),
            management_endpoint="",
        )
    wired = peering.mode != "Plan"  # which it never becomes again, so nothing was ever exchanged or registered
    drain_s = 0 if peering.abandon or not wired else min(peering.drain_timeout_s, _drain_limit_s(inputs, peering))
    return Link(peering_uid=peering.uid, peer=peer, state="Leaving", drain_timeout_seconds=drain_s, wired=wired)


def _drain_limit_s(inputs: DocumentInputs, peering: PeeringFacts) -> int:
    """A peer that answers and never had the link gives nothing to wait for; it was deleted before both were wired."""
    side = peering.other_side(inputs.site.region)
    if not isinstance(side, PeerFacts) or not isinstance(side.agent.status, AgentStatus):
        return peering.drain_timeout_s
    told = side.agent.status
    knows = (
        *(source.uid for source in told.sources),
        *(link.peering_uid for link in told.links),
        *told.left_peerings,
    )
    return peering.drain_timeout_s if peering.uid in knows else _NOTHING_TO_DRAIN_S


def _peer(inputs: DocumentInputs, side: PeerFacts) -> Peer:
    return Peer(
        id=side.id,
        name=side.name,
        url=side.url,
        server_name=naming.agent_server_name(side.id, inputs.fleet_uid),
        certificate_fingerprint=side.certificate_fingerprint,
        management_endpoint=side.management_endpoint,
    )


def _keys_agree(own: AgentStatus, peering: PeeringFacts, side: PeerFacts) -> bool:
    """Whether both have the same database key, else users' secret keys could not be read over there.

    Before the first wiring both must have told it; later only a difference that was seen counts.
    """
    theirs = side.agent.last.database_key_fingerprint if side.agent.last else ""
    if own.database_key_fingerprint and theirs:
        return own.database_key_fingerprint == theirs
    return any(link.peering_uid == peering.uid for link in own.links)


def _limits(policy: LinkPolicyFacts) -> LinkLimits:
    return LinkLimits(
        batch_rows=policy.batch_rows,
        batch_kilobytes=policy.batch_kilobytes,
        max_kilobytes_per_second=policy.max_kilobytes_per_second,
        parking_retry_max_seconds=policy.parking_retry_max_s,
        parking_dead_letter_after_seconds=policy.parking_dead_letter_after_s,
        parking_max_rows=policy.parking_max_rows,
    )


def _one_per_peer(links: Iterable[Link]) -> list[Link]:
    """An agent refuses two live links to one peer; the first by uid stays, what leaves is always told."""
    seen: set[int] = set()
    kept: list[Link] = []
    for link in links:
        if link.state == "Leaving" or link.peer.id not in seen:
            kept.append(link)
        if link.state != "Leaving":
            seen.add(link.peer.id)
    return kept


def _requires(links: Iterable[Link], *, take_over: bool) -> list[str]:
    features = {"feed", "registration"} if any(True for _ in links) else set()
    if any(link.state == "Leaving" for link in links):
        features.add("drain-timeout")
    if any(link.state == "Plan" or not link.wired for link in links):
        features.add("plan")
    if take_over:
        features.add("take-over")
    return sorted(features)
