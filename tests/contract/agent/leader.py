"""A leading operator, as far as full scans are concerned: it hears two agents and grants what is due."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.agent.regions import PEERING, Operator, Region, eventually
from region_operator.api.scan_policy import ScanPolicy
from region_operator.api.scan_terms import scan_terms
from region_operator.api.scans import ScanReport
from region_operator.controller.fleet import Fleet, entry_of
from region_operator.controller.observe.agents import AgentObserver
from region_operator.controller.observe.scans import ScanObserver, Subjects
from region_operator.controller.reconcile.scans import FULL_SCANS, Command, FullScansReconciler
from region_operator.controller.schedule.wants import Subject
from region_operator.controller.status.lag import shown
from region_operator.supervision.units import Key

TERM = 3
NOW = datetime.now(UTC)  # by the schedule, for as long as tests run: no slot comes due on the way
COORDINATOR = Key("Region", "clouds", "region-1")
OBJECT = Key("RegionPeering", "clouds", "p")


@dataclass
class Leader:
    """One that starts anew remembers nothing."""

    regions: tuple[Region, Region]
    operator: Operator
    term: int = TERM
    later: timedelta = timedelta(0)  # than NOW it is
    counted: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        client = self.operator.client
        self.agents = AgentObserver(client, on_news=lambda _: None, shown=shown)
        self.observer, self.subjects, fleet = ScanObserver(client, self.agents.endpoint), Subjects(), Fleet()
        for region in self.regions:
            meta = {"namespace": "clouds", "name": region.name}
            fleet.seen(entry_of({"kind": "Region", "metadata": meta, "spec": {"id": region.id}}), "1")
        self.reconciler = FullScansReconciler(
            Command("hub-1", self.term, 4, 5.0),
            fleet=fleet,
            subjects=self.subjects,
            observer=self.observer,
            agents=client,
            heard=self.agents,
            enqueue=lambda _: None,
            now=lambda: NOW + self.later,
            on_pass=lambda _, counted, **more: self.counted.append(more),
        )
        policy = ScanPolicy.model_validate({"mode": "Enabled", "jitterPercent": 0})
        terms, regions = scan_terms(policy), ("region-1", "region-2")
        self.subject = Subject(PEERING, "p", "default", regions, "region-1", terms, joined=True, startable=True)

    def learn(self, **changes: Any) -> None:
        """The pass over the peering found this."""
        self.subject = replace(self.subject, **changes)
        self.subjects.publish(OBJECT, self.subject)

    async def begin(self, **changes: Any) -> None:
        self.learn(**changes)
        for region in self.regions:
            await self.agents.watch(Key("Region", "clouds", region.name), self.operator.endpoint(region))

        async def answers() -> bool:
            status = self.agents.facts(COORDINATOR).last
            return status is not None and "scans" in status.features and status.claim is not None

        await eventually(answers)

    async def look(self) -> tuple[ScanReport, ...]:
        await self.reconciler.reconcile(Key(FULL_SCANS, "clouds", ""))
        return self.observer.facts(COORDINATOR, PEERING).reports

    async def answer(self) -> Any:
        """What came of the first grant."""

        async def told() -> Any:
            await self.look()
            return next((one for one in self.counted if one["granted"] or one["refused"]), None)

        return await eventually(told)

    async def reaches(self, **wanted: Any) -> ScanReport:
        async def last() -> ScanReport | None:
            found = [r for r in await self.look() if all(getattr(r, name) == value for name, value in wanted.items())]
            return found[-1] if found else None

        return await eventually(last)
