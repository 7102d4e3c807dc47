"""What is known of a RegionPeering: its object, its policy, and what the passes over its two Regions saw last."""

from dataclasses import replace
from datetime import UTC, datetime

from region_operator import naming
from region_operator.api.peering import RegionPeering
from region_operator.controller.facts import (
    DuplicatePeering,
    Fact,
    LinkPolicyFacts,
    PeerFacts,
    PeeringFacts,
    ScanFacts,
    Unknown,
    Usable,
)
from region_operator.controller.fleet import REGION, Fleet
from region_operator.controller.observe import policies
from region_operator.controller.observe.agents import AgentObserver
from region_operator.controller.observe.scans import ScanObserver
from region_operator.controller.plan.rewind import accepted
from region_operator.errors import InvalidInput
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster
from region_operator.supervision.units import Key


class PeeringObserver:
    """Looks at peerings; objects live, Regions through the fleet index and the agents' last answers."""

    def __init__(self, hub: Cluster, fleet: Fleet, agents: AgentObserver, *, scans: ScanObserver, poll_s: int) -> None:
        self._hub, self._fleet, self._agents, self._scans, self._poll_s = hub, fleet, agents, scans, poll_s

    async def of_region(self, namespace: str, region: str) -> Fact[tuple[PeeringFacts, ...]]:
        """Every peering that names ``region``; one that cannot be read makes the answer Unknown."""
        found = []
        for entry in self._fleet.peerings_of(namespace, region):
            body = await self._hub.get(kinds.REGION_PEERING, namespace, entry.key.name)
            if body is None:
                continue  # gone by now; its event is on the way
            try:
                found.append(await self.facts(RegionPeering.parse(body)))
            except InvalidInput as error:
                return Unknown(error.reason, f"RegionPeering {entry.key.name}: {error}")
        if not self._fleet.listed:
            return Unknown("NotObserved", "the peerings have not been listed yet")
        return tuple(found)

    async def facts(self, peering: RegionPeering) -> PeeringFacts:
        """Everything about one peering beside its own spec."""
        meta, spec = peering.metadata, peering.spec
        names = (spec.regions[0].name, spec.regions[1].name)
        policy = await self._limits(peering)
        sides = (self._side(meta.namespace, names[0]), self._side(meta.namespace, names[1]))
        return PeeringFacts(
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            generation=meta.generation,
            regions=names,
            sides=sides,
            mode=spec.mode,
            paused=spec.paused,
            policy=policy,
            deleting=meta.deletion_timestamp is not None,
            deleting_age_s=age_s(meta.deletion_timestamp),
            drain_timeout_s=spec.leave.drain_timeout_seconds,
            abandon=meta.annotations.get(naming.ANNOTATION_ABANDON) == "true",
            reconcile_token=meta.annotations.get(naming.ANNOTATION_RECONCILE, ""),
            accept_rewind=accepted(meta.annotations),
            finalizer=naming.TEARDOWN_FINALIZER in meta.finalizers,
            duplicates=self._duplicates(peering),
            scan_request=meta.annotations.get(naming.ANNOTATION_SCAN, ""),
            scans=self._scan_facts(meta.uid, sides),
        )

    def _side(self, namespace: str, name: str) -> Fact[PeerFacts | None]:
        key = Key(REGION, namespace, name)
        sighting = self._fleet.sighting(namespace, name)
        if sighting is not None:
            return replace(sighting.peer, agent=self._agents.facts(key))
        if self._fleet.get(key) is None and self._fleet.listed:
            return None
        return Unknown("NotObserved", f"Region {name} was not looked at yet")

    def _scan_facts(self, uid: str, sides: tuple[Fact[PeerFacts | None], ...]) -> ScanFacts:
        """What the side of the lower id says, whose agent runs the scans."""
        known = [side for side in sides if isinstance(side, PeerFacts)]
        if len(known) < len(sides):
            return ScanFacts()
        coordinator = min(known, key=lambda side: side.id)
        return self._scans.facts(Key(REGION, coordinator.namespace, coordinator.name), uid)

    async def _limits(self, peering: RegionPeering) -> Usable[LinkPolicyFacts | None]:
        """The limits of the policy that the peering names, else of that of its first Region."""
        namespace = peering.metadata.namespace
        name = peering.spec.policy_ref.name if peering.spec.policy_ref else ""
        if not name:
            first = self._fleet.get(Key(REGION, namespace, peering.spec.regions[0].name))
            name = first.policy if first else ""
        found = await policies.policy(self._hub, namespace, name, poll_s=self._poll_s) if name else None
        return policies.limits_of(found, named=bool(name))

    def _duplicates(self, peering: RegionPeering) -> tuple[DuplicatePeering, ...]:
        own = self._fleet.get(Key("RegionPeering", peering.metadata.namespace, peering.metadata.name))
        if own is None:
            return ()
        return tuple(
            DuplicatePeering(
                other.key.namespace,
                other.key.name,
                other.uid,
                self._known_to_agents(other.uid, other.refers_to, other.key.namespace),
                other.deleting,
            )
            for other in self._fleet.same_regions(own)
        )

    def _known_to_agents(self, uid: str, regions: tuple[str, ...], namespace: str) -> bool:
        answers = [self._agents.facts(Key(REGION, namespace, region)).last for region in regions]
        return any(source.uid == uid for answer in answers if answer is not None for source in answer.sources)


def age_s(timestamp: str | None) -> float:
    """Seconds since a time of the API server, for patience only; 0 when there is none."""
    if timestamp is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds())
