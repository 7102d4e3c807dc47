"""A RegionPeering and its two agents, and evaluations of it one after the other."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from region_operator.api.agent import AgentStatus, LinkStatus, Source
from region_operator.api.conditions import Condition
from region_operator.api.peering_status import DirectionStatus, RegionPeeringStatus
from region_operator.controller.facts import AgentFacts, LinkPolicyFacts, PeerFacts, PeeringFacts, Unknown
from region_operator.controller.status.lag import LagMemory
from region_operator.controller.status.peering import peering_status

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
UID = "0f7b8f52-6d9e-4d1b-9d55-3a8f1c2e4b60"
SILENT = Unknown("ProbeTimeout", "no answer in time")


def link(peer_id: int, **said: Any) -> LinkStatus:
    """A link that streams, in good contact for long."""
    usual = {
        "state": "Streaming",
        "reason": "Connected",
        "contact_age_ms": 100,
        "good_age_ms": 600_000,
        "lag_ms": 0,
        "pending_changes": 0,
        "registered": True,
    }
    since = "2026-11-22T00:00:00Z"
    return LinkStatus(peering_uid=said.pop("peering_uid", UID), peer_id=peer_id, since=since, **{**usual, **said})


def broken(peer_id: int, bad_s: float, reason: str = "ProbeTimeout") -> LinkStatus:
    bad_age_ms = int(bad_s * 1000)
    return link(peer_id, state="Broken", reason=reason, bad_age_ms=bad_age_ms, good_age_ms=None, lag_ms=None)


def agent(number: int, *links: LinkStatus, generation: int = 1, **said: Any) -> AgentStatus:
    sources = [Source(kind="RegionPeering", namespace="clouds", name="p", uid=UID, generation=generation)]
    usual = {
        "etag": "1",
        "version": "0.1.0",
        "api_versions": ["v1"],
        "schema_version": 1,
        "region_id": number,
        "incarnation": "a",
        "incarnations": 1,
        "rules_hash": "sha256:rules",
        "database_key_fingerprint": "sha256:key",
        "sources": sources,
        "links": list(links),
    }
    return AgentStatus(**{**usual, **said})


def side(number: int, said: AgentStatus | None = None, *, age_s: float = 0.0, silent: bool = False) -> PeerFacts:
    heard = AgentFacts(f"https://agent-{number}", status=SILENT if silent else said, age_s=age_s, last=said)
    name = {1: "a", 2: "b"}[number]
    return PeerFacts("clouds", name, f"uid-{name}", 1, number, False, f"https://{name}", f"http://{name}/", heard)


def peering(first: Any = None, second: Any = None, **more: Any) -> PeeringFacts:
    """Both sides wired, in contact and in sync, unless said otherwise."""
    sides = (first or side(1, agent(1, link(2))), second or side(2, agent(2, link(1))))
    usual = {"policy": LinkPolicyFacts(), "finalizer": True, "generation": 1}
    return PeeringFacts("clouds", "p", UID, regions=("a", "b"), sides=sides, **{**usual, **more})


@dataclass
class Watch:
    """Evaluations of one peering, each given what the one before left."""

    status: RegionPeeringStatus = field(default_factory=RegionPeeringStatus)
    memory: LagMemory = field(default_factory=LagMemory)
    clock_s: float = 0.0

    def look(self, facts: PeeringFacts, *, after_s: float = 10.0, **more: Any) -> RegionPeeringStatus:
        self.clock_s += after_s
        now = NOW + timedelta(seconds=self.clock_s)
        self.status, self.memory = peering_status(facts, before=self.status, memory=self.memory, now=now, **more)
        return self.status

    def condition(self, type_: str) -> Condition:
        return next(item for item in self.status.conditions if item.type == type_)

    def verdict(self, type_: str) -> tuple[str, str]:
        found = self.condition(type_)
        return found.status, found.reason

    def direction(self, source: str) -> DirectionStatus:
        return next(item for item in self.status.directions if item.source == source)


def joined() -> Watch:
    watch = Watch()
    watch.look(peering())
    return watch


def both(first: LinkStatus, second: LinkStatus, **more: Any) -> PeeringFacts:
    """Region a says ``first`` of its link to b, and b ``second`` of its link to a."""
    return peering(side(1, agent(1, first)), side(2, agent(2, second)), **more)


def aged(facts: PeeringFacts, age_s: float, *, silent: bool) -> PeeringFacts:
    """The same, heard ``age_s`` ago from the agent of region b."""
    second = facts.sides[1]
    heard = replace(second.agent, age_s=age_s, status=SILENT if silent else second.agent.last)
    return replace(facts, sides=(facts.sides[0], replace(second, agent=heard)))
