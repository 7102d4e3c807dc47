"""A Region that lives: passes of plan and status over the small world of the planning tests."""

import pickle
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

from region_operator.api.agent import AgentStatus, LinkStatus, ManagementStatus
from region_operator.api.conditions import Condition
from region_operator.api.region import Region
from region_operator.controller.facts import AgentFacts, PeeringFacts, PlacementFacts, Unknown
from region_operator.controller.outcome import Failure, Outcome
from region_operator.controller.plan.steps import RegionPlan
from region_operator.controller.status.region import region_status
from unit.controller.plan.regions import region
from unit.controller.plan.world import NOW, World

LOST = Unknown("ProbeTimeout", "no answer in time")
HEALTHY = ManagementStatus(reachable=True, version="4.19", regions=[1], own_region_listed=True)


@dataclass
class Life:
    """One Region through time; every pass feeds its status back."""

    world: World
    clock_s: float = 0.0
    seen: list[Region] = field(default_factory=list)

    @classmethod
    def of(cls, name: str = "minimal", **metadata: Any) -> "Life":
        return cls(World(region(name, **metadata)))

    @classmethod
    def ready(cls, name: str = "minimal") -> "Life":
        """One of its own for each test; it comes up once."""
        return pickle.loads(_ready(name))

    @property
    def region(self) -> Region:
        return self.world.region

    def run(self, *, failure: Failure | None = None, act: bool = True) -> Region:
        """One pass: look, plan, do, status."""
        self.clock_s += 1
        seen, plan = self.world.look(), self.world.plan()
        if failure is not None or not act:
            return self.judge(seen, plan, Outcome(failure=failure))
        return self.judge(seen, plan, Outcome(changed=sum(self.world.act(step) for step in plan.acts)))

    def judge(self, seen: Any, plan: RegionPlan, outcome: Outcome) -> Region:
        now = NOW + timedelta(seconds=self.clock_s)
        status = region_status(self.region, seen, plan, outcome, now=now)
        self.world.region = self.region.model_copy(update={"status": status})
        self.seen.append(self.region)
        return self.region

    def settle(self, *, passes: int = 25) -> Region:
        """Pass after pass while servers start and the agent comes up, until nothing changes any more."""
        for _ in range(passes):
            before = self.region.status.wire()
            self.run()
            started = self.world.start()
            if self.world.agent is not None and self.world.agent.management.reachable is None:
                self.agent(management=HEALTHY)
            if not started and self.region.status.wire() == before:
                return self.region
        raise AssertionError("the status does not come to rest")

    def agent(self, **said: Any) -> AgentStatus:
        """The agent says something else from now on."""
        assert self.world.agent is not None
        self.world.agent = self.world.agent.model_copy(update=said)
        return self.world.agent

    def edit(self, **spec: Any) -> None:
        """A user edits the spec: a new generation."""
        meta = self.region.metadata.model_copy(update={"generation": self.region.metadata.generation + 1})
        body = {
            "metadata": meta.wire(),
            "spec": {**self.region.spec.wire(), **spec},
            "status": self.region.status.wire(),
        }
        self.world.region = Region.parse(body)

    def condition(self, type_: str) -> Condition:
        return next(item for item in self.region.status.conditions if item.type == type_)

    def verdict(self, type_: str) -> tuple[str, str]:
        found = self.condition(type_)
        return found.status, found.reason


@cache
def _ready(name: str) -> bytes:
    life = Life.of(name)
    life.settle()
    return pickle.dumps(life)


def lost_cluster(life: Life) -> None:
    place = PlacementFacts(cluster=LOST, same_cluster=False, namespace=LOST)
    life.world.changes |= {"placement": place, "children": LOST}


def silent_agent(life: Life, *, age_s: float, heard: bool = True) -> None:
    last = life.world.agent if heard else None
    facts = AgentFacts(endpoint="https://agent:8443", status=LOST, age_s=age_s, last=last)
    life.world.changes |= {"agent": facts}


def with_children(life: Life, **groups: object) -> None:
    life.world.changes |= {"children": replace(life.world.look().children, **groups)}


def link(uid: str, **more: object) -> LinkStatus:
    said = {"state": "Streaming", "reason": "Connected", "contact_age_ms": 10, "good_age_ms": 9000, **more}
    return LinkStatus(peering_uid=uid, peer_id=2, since="2026-11-22T00:00:00Z", **said)


def peering(uid: str, **more: object) -> PeeringFacts:
    return PeeringFacts("clouds", f"p-{uid}", uid, 1, ("minimal", "other"), (None, None), **more)
