"""What a dry run found, as ``status.plan`` and as one sentence; pure."""

from region_operator.api.agent import PlannedAmount, PlanReport
from region_operator.api.conditions import Finding
from region_operator.api.peering_status import PlannedDirection, PlanStatus
from region_operator.controller.facts import PeerFacts, PeeringFacts
from region_operator.controller.plan import dry_run


def plan_status(peering: PeeringFacts, *, before: PlanStatus | None) -> PlanStatus | None:
    """The plan; until another one is worked out the last one stays, with the generations that it was made for."""
    if peering.mode != "Plan":
        return None
    told, sides = dry_run.report(peering), [side for side in peering.sides if isinstance(side, PeerFacts)]
    if told is None or len(sides) < 2:
        return before
    return PlanStatus(
        computed_at=told.computed_at,
        for_generations=(sides[0].generation, sides[1].generation),
        directions=tuple(
            PlannedDirection(source=source, target=target, rows=amount.rows, bytes=amount.size)
            for source, target, amount in _directions(peering, told)
        ),
        unique_clashes=told.unique_clashes,
        concurrent=told.concurrent,
        estimated_seconds=told.estimated_seconds,
    )


def ready(peering: PeeringFacts) -> Finding:
    """A dry run is as asked for when it tells its result."""
    told = dry_run.report(peering)
    if told is not None:
        return Finding("Ready", "True", "Planned", f"nothing was changed; {_sentence(peering, told)}")
    side, link = dry_run.planner(peering), dry_run.link(peering)
    fault = f": {link.message}" if link is not None and link.state == "Broken" else ""
    name = side.name if side is not None else "?"
    return Finding("Ready", "False", "Planning", f"the agent of Region {name} works out what a join would do{fault}")


def _sentence(peering: PeeringFacts, told: PlanReport) -> str:
    directions = _directions(peering, told)
    sent = ", ".join(f"{amount.rows} rows {source} -> {target}" for source, target, amount in directions)
    return (
        f"a join would send {sent}; equal on both sides: {told.equal}, concurrent: {told.concurrent}, names taken by "
        f"another row: {told.unique_clashes}, keys that mean two things (KeyReused): {told.reused_keys}"
    )


def _directions(peering: PeeringFacts, told: PlanReport) -> list[tuple[str, str, PlannedAmount]]:
    """Source, target and amount, in the order of the spec."""
    first, second = peering.regions
    side = dry_run.planner(peering)
    amounts = (told.sent, told.received) if side is not None and side.name == first else (told.received, told.sent)
    return [(first, second, amounts[0]), (second, first, amounts[1])]
