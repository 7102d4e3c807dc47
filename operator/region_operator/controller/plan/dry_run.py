"""A RegionPeering of mode Plan: which agent works the dry run out, and is its result what is asked for now; pure.

The agents do it among themselves, as everything between regions. The one of the lower id is given a token in its
document and tells it back with the result; another token (a Region's new generation, a person's request) asks anew.
"""

import hashlib

from region_operator.api.agent import LinkStatus, PlanReport
from region_operator.controller.facts import PeerFacts, PeeringFacts


def token(peering: PeeringFacts) -> str:
    """What the plan is asked for; "" while a Region is not known."""
    sides = _sides(peering)
    if len(sides) < 2:
        return ""
    asked = ".".join([*(f"{side.uid}:{side.generation}" for side in sides), peering.reconcile_token])
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


def planner(peering: PeeringFacts) -> PeerFacts | None:
    """The side that works it out."""
    return min(_sides(peering), key=lambda side: side.id, default=None)


def link(peering: PeeringFacts) -> LinkStatus | None:
    """What that side's agent said last of the link."""
    side = planner(peering)
    links = side.agent.last.links if side is not None and side.agent.last is not None else []
    return next((one for one in links if one.peering_uid == peering.uid), None)


def report(peering: PeeringFacts) -> PlanReport | None:
    """The result, if it is of what is asked for now."""
    found = link(peering)
    told = found.plan if found is not None else None
    return told if told is not None and told.token == token(peering) else None


def _sides(peering: PeeringFacts) -> list[PeerFacts]:
    return [side for side in peering.sides if isinstance(side, PeerFacts)]
