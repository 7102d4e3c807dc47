"""What a dry run asks of this region: its store's part of a join plan behind the worker threads."""

from collections.abc import Sequence
from datetime import datetime

from region_operator.api.agent import Link, PlannedAmount, PlanReport
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.comparison import Sketch, Totals, Verdict
from region_operator.replication.join_plan import Amount, JoinPlan


class LocalPlan:
    """This region as it is compared with a peer, by its own agent (``join_plan.Here``) and by the peer's."""

    def __init__(self, region: LocalRegion) -> None:
        self._region = region

    async def entities(self) -> list[str]:
        await self._region.covering_head()
        return await self._region.read(lambda store: store.join_plan().entities())

    async def totals(self, entity: str, *, after: str) -> Totals | None:
        if not after:
            await self._region.covering_head()  # what was written before the question is part of the answer
        return await self._region.read(lambda store: store.join_plan().totals(entity, after=after))

    async def sketches(self, entity: str, *, after: str) -> tuple[list[Sketch], str]:
        return await self._region.read(lambda store: store.join_plan().sketches(entity, after=after))

    async def compare(self, entity: str, sketches: Sequence[Sketch]) -> list[Verdict]:
        return await self._region.read(lambda store: store.join_plan().compare(entity, sketches))

    async def identities(self, entity: str, keys: Sequence[str]) -> dict[str, str]:
        return await self._region.read(lambda store: store.join_plan().identities(entity, keys))


def report(plan: JoinPlan, link: Link, *, now: datetime) -> PlanReport:
    """The plan as the operator is told it."""
    return PlanReport(
        token=link.plan_token,
        computed_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        sent=_amount(plan.sent),
        received=_amount(plan.received),
        equal=plan.equal,
        concurrent=plan.concurrent,
        unique_clashes=plan.unique_clashes,
        reused_keys=plan.reused_keys,
        estimated_seconds=plan.estimated_s(link.link),
    )


def _amount(amount: Amount) -> PlannedAmount:
    return PlannedAmount(rows=amount.rows, size=amount.size)
