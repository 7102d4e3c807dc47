"""One pass over a Region: look, plan, do, publish; also tells others of its fleet what it saw."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from region_operator import mutual_tls, naming
from region_operator.api.agent import AgentStatus
from region_operator.api.conditions import condition, timestamp
from region_operator.api.policy import SyncPolicy
from region_operator.api.region import Region
from region_operator.controller import facts
from region_operator.controller.agent_client import AgentEndpoint
from region_operator.controller.execute import Executor, Site
from region_operator.controller.facts import Children, Fact, RegionFacts, Unknown
from region_operator.controller.fleet import REGION, Fleet, Sighting
from region_operator.controller.observe import policies, siblings
from region_operator.controller.observe import region as observe
from region_operator.controller.observe.agents import AgentObserver
from region_operator.controller.observe.peerings import PeeringObserver, age_s
from region_operator.controller.plan.claim import held_claim
from region_operator.controller.plan.context import PlanSettings, agent_endpoint, management_endpoint
from region_operator.controller.plan.region import plan_region
from region_operator.controller.plan.steps import Wait
from region_operator.controller.plan.x509 import describe
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.controller.reconcile.reading import read
from region_operator.controller.reconcile.rests import Rests
from region_operator.controller.status.region import region_status
from region_operator.errors import InvalidInput
from region_operator.kubernetes import kinds
from region_operator.kubernetes.clusters import Clusters
from region_operator.kubernetes.kinds import Kind
from region_operator.kubernetes.watch import Watches
from region_operator.supervision.results import After, Done, Failed, Result
from region_operator.supervision.units import Key

# What somebody waits for at this moment; figures may come later.
_URGENT = ("observedGeneration", "lastHandledReconcileAt", "agent", "database")

FIRST_PASSES = timedelta(seconds=30)


@dataclass(frozen=True)
class Hub:
    """What is the same for all passes."""

    id: str
    term: int
    settings: PlanSettings
    poll_s: int


@dataclass(frozen=True)
class Ports:
    """The outside world and the memories of a pass over a Region."""

    clusters: Clusters
    fleet: Fleet
    agents: AgentObserver
    peerings: PeeringObserver
    executor: Executor
    writer: StatusWriter
    watches: Watches  # of the children
    enqueue: Callable[[Key], None]
    now: Callable[[], datetime]
    generate: Callable[[], str]  # a random password


class RegionReconciler:
    """Passes over Regions."""

    def __init__(self, hub: Hub, ports: Ports) -> None:
        self._hub, self._ports = hub, ports
        self._started = ports.now()
        self._identities: dict[tuple[str, str], tuple[str, mutual_tls.Identity | None]] = {}
        self._looked_at: set[Key] = set()
        self._rests = Rests()

    async def reconcile(self, key: Key) -> Result:
        """Bring one Region on; raises like the Kubernetes door."""
        hub = self._ports.clusters.local
        body = await hub.get(kinds.REGION, key.namespace, key.name)
        if body is None:
            self._ports.writer.forget(key)
            self._looked_at.discard(key)
            self._rests.forget(key)
            await self._ports.agents.forget(key)
            return Done()
        region = await read(Region, kinds.REGION, body, writer=self._ports.writer, now=self._ports.now())
        if region is None:
            return Done()
        place = await observe.placement(self._ports.clusters, region, hub_id=self._hub.id)
        seen = await self._observe(region, place)
        plan = plan_region(region, seen, self._hub.settings, generate=self._ports.generate)
        outcome = await self._ports.executor.run(Site(region, hub, place.cluster), plan)
        if place.cluster is not None and isinstance(seen.children, Children):
            self._ports.watches.cover(place.cluster, place.namespace)
            self._looked_at.add(key)
        status = region_status(region, seen, plan, outcome, now=self._ports.now())
        wait_s = await self._ports.writer.publish(
            kinds.REGION, body, before=region.status, after=status, urgent=_URGENT
        )
        claimed = outcome.failure is None and any(
            stage == "claim" and not isinstance(step, Wait) for stage, step in plan.steps
        )
        self._publish(region.model_copy(update={"status": status}), seen, claimed=claimed)
        if outcome.failure is not None:
            return Failed(outcome.failure.reason, outcome.failure.message)
        if outcome.changed:
            return After(0.0)  # on with the next stage; mailboxes keep passes apart
        rests = [rest for rest in (wait_s, self._rests.next_s(key, plan.waits)) if rest]
        return After(min(rests)) if rests else Done()

    # --- observing ---------------------------------------------------------------------------------------------------

    async def _observe(self, region: Region, place: observe.Place) -> RegionFacts:
        ports, hub, meta = self._ports, self._ports.clusters.local, region.metadata
        key = Key(REGION, meta.namespace, meta.name)
        fleet = await observe.fleet(
            hub,
            region,
            key_taken=siblings.key_taken(ports.fleet, key),
            holders=siblings.trust_holders(ports.fleet, meta.namespace),
        )
        digest_key = observe.digest_key(fleet)
        children, references, policy, peerings, terminating = await asyncio.gather(
            observe.children(place, region, key=digest_key, now=ports.now(), names=self._names(region, place)),
            observe.references(hub, region, key=digest_key),
            self._policy(region),
            ports.peerings.of_region(meta.namespace, meta.name),
            self._terminating(meta.namespace, place),
        )
        seen = RegionFacts(
            hub=facts.HubFacts(self._hub.id, self._hub.term, terminating, ports.now() - self._started < FIRST_PASSES),
            fleet=fleet,
            placement=place.facts,
            children=children,
            references=references,
            policy=policies.rules_of(policy, named=region.spec.policy_ref is not None),
            peerings=peerings,
            same_id=siblings.same_id(ports.fleet, key),
            now=timestamp(ports.now()),
            deleting=meta.deletion_timestamp is not None,
            deleting_age_s=age_s(meta.deletion_timestamp),
            finalizer=naming.TEARDOWN_FINALIZER in meta.finalizers,
        )
        await self._watch_agent(key, region, seen)
        return replace(seen, agent=ports.agents.facts(key))

    def _names(self, region: Region, place: observe.Place) -> observe.Names:
        """What the watches know of this Region's children.

        Nothing, where a child may be that they do not see or that nobody else would ever ask for again: when the Region
        is looked at first, when it is removed, and when it may still bear the labels of another hub.
        """
        meta, cluster = region.metadata, place.cluster
        key = Key(REGION, meta.namespace, meta.name)
        taken_over = naming.ANNOTATION_TAKE_OVER in meta.annotations
        if cluster is None or key not in self._looked_at or meta.deletion_timestamp is not None or taken_over:
            return lambda _: None
        owner = (meta.namespace, meta.name)

        def names(kind: Kind) -> frozenset[str] | None:
            if kind == kinds.PERSISTENT_VOLUME_CLAIM:  # known by name, and nobody watches them
                return frozenset()
            return self._ports.watches.names(cluster, kind, place.namespace, owner)

        return names

    async def _terminating(self, namespace: str, place: observe.Place) -> bool:
        """Whether the Region's own namespace is being deleted; it is mostly the placement's, seen already."""
        hub, found = self._ports.clusters.local, place.facts.namespace
        if place.cluster is hub and place.namespace == namespace:
            return isinstance(found, facts.NamespaceFacts) and found.terminating
        body = await hub.get(kinds.NAMESPACE, None, namespace)
        return body is not None and "deletionTimestamp" in body["metadata"]

    async def _policy(self, region: Region) -> facts.Usable[SyncPolicy | None]:
        reference = region.spec.policy_ref
        if reference is None:
            return None
        hub, namespace = self._ports.clusters.local, region.metadata.namespace
        return await policies.policy(hub, namespace, reference.name, poll_s=self._hub.poll_s)

    async def _watch_agent(self, key: Key, region: Region, seen: RegionFacts) -> None:
        """Poll the agent as soon as its address and our certificate are there."""
        url = agent_endpoint(region, seen)
        external = region.spec.external_agent
        secret = external.tls_secret_ref.name if external else naming.OPERATOR_CLIENT_SECRET
        if not url or not seen.fleet.uid or (external is None and not _agent_runs(region, seen)):
            return
        found = seen.references.get(secret) if external else seen.fleet.operator_client
        identity = await self._identity(region.metadata.namespace, found)
        if identity is not None:
            name = naming.agent_server_name(region.spec.id, seen.fleet.uid)
            await self._ports.agents.watch(key, AgentEndpoint(url, name, identity))
            if _agent_is_up(region, seen):
                self._ports.agents.nudge(key)

    async def _identity(
        self, namespace: str, secret: facts.Usable[facts.SecretFacts | None]
    ) -> mutual_tls.Identity | None:
        """The identity in a Secret, one for all Regions that name it; read again when the Secret has changed."""
        if not isinstance(secret, facts.SecretFacts):
            return None
        name, version = secret.meta.ref.name, secret.meta.resource_version
        known = self._identities.get((namespace, name))
        if known is None or known[0] != version:
            found = await observe.secret_values(self._ports.clusters.local, namespace, name)
            known = self._identities[namespace, name] = (version, _usable(found))
        return known[1]

    # --- telling others ----------------------------------------------------------------------------------------------

    def _publish(self, region: Region, seen: RegionFacts, *, claimed: bool) -> None:
        """Tell others what this pass saw, and that it has just ``claimed`` its region: two of one id never both do."""
        meta = region.metadata
        ready, stalled = condition(region.status.conditions, "Ready"), condition(region.status.conditions, "Stalled")
        peer = facts.PeerFacts(
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            generation=meta.generation,
            id=region.spec.id,
            deleting=seen.deleting,
            url=agent_endpoint(region, seen),
            management_endpoint=management_endpoint(region, seen),
            agent=self._ports.agents.facts(Key(REGION, meta.namespace, meta.name)),
            ready=Unknown("NotObserved", "not observed yet")
            if ready is None or ready.status == "Unknown"
            else ready.status == "True",
            stalled=stalled.reason if stalled is not None and stalled.status == "True" else "",
            rules_hash=seen.policy.rules.hash if isinstance(seen.policy, facts.PolicyFacts) else "",
            drains=seen.deleting,
        )
        sighting = Sighting(
            peer, _trust(region, seen), claimed or _holds_claim(region, seen, self._hub.id), _holds_key(region, seen)
        )
        for key in self._ports.fleet.publish(sighting):
            self._ports.enqueue(key)


def _usable(secret: Mapping[str, bytes]) -> mutual_tls.Identity | None:
    """The identity in a Secret's values; None when there is none that works, which the plan says."""
    parts = [secret.get(name, b"").decode("utf-8", "replace") for name in ("ca.crt", "tls.crt", "tls.key")]
    identity = mutual_tls.Identity(*parts)
    try:
        mutual_tls.client_context(identity)
    except InvalidInput:
        return None
    return identity


def _agent_runs(region: Region, seen: RegionFacts) -> bool:
    """Whether there is an agent to ask; before its Deployment exists every call would only fail."""
    return isinstance(seen.children, Children) and naming.agent(region.metadata.name) in seen.children.deployments


def _agent_is_up(region: Region, seen: RegionFacts) -> bool:
    if not isinstance(seen.children, Children):
        return False
    deployment = seen.children.deployments.get(naming.agent(region.metadata.name))
    return deployment is not None and deployment.rolled_out


def _trust(region: Region, seen: RegionFacts) -> facts.TrustHolder:
    name = region.metadata.name
    answer = seen.agent.status
    trusted: Fact[frozenset[str]]
    if isinstance(answer, AgentStatus):
        trusted = frozenset(answer.certificate.ca_fingerprints)
    else:
        trusted = answer if isinstance(answer, Unknown) else frozenset()
    if isinstance(seen.children, Unknown):
        return facts.TrustHolder(name, trusted, seen.children)
    secret = seen.children.secrets.get(naming.agent_tls(name))
    leaf = describe(secret.values["tls.crt"]) if secret and "tls.crt" in secret.values else None
    authority = leaf.authority if isinstance(leaf, facts.CertificateFacts) else ""
    return facts.TrustHolder(name, trusted, authority)


def _holds_claim(region: Region, seen: RegionFacts, hub: str) -> Fact[bool]:
    if isinstance(seen.children, Unknown):
        return seen.children
    held = held_claim(seen.children.config_maps.get(naming.claim(region.metadata.name)))
    return held is not None and (held.hub, held.region) == (hub, f"{region.metadata.namespace}/{region.metadata.name}")


def _holds_key(region: Region, seen: RegionFacts) -> Fact[bool]:
    if isinstance(seen.children, Unknown):
        return seen.children if region.status.claim else False  # without a claim nothing was ever made there
    return naming.database_key(region.metadata.name) in seen.children.secrets
