"""When time alone may change what is said of a peering, so that nothing is looked at in between; pure.

An agent tells its news, and each piece of news is a pass. What no news announces is that patience runs out: contact
was lost or is back for long enough, evidence has become too old, a second evaluation confirms the first one.
"""

from collections.abc import Iterator

from region_operator.api.agent import AgentStatus
from region_operator.api.peering_status import RegionPeeringStatus
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, PeeringFacts
from region_operator.controller.status.directions import link_of
from region_operator.controller.status.lag import LagMemory


def look_again_s(
    peering: PeeringFacts, *, shown: RegionPeeringStatus, memory: LagMemory, poll_s: float
) -> float | None:
    """Seconds until another look at the same answers may say something else; None when only news can.

    ``shown`` is the status that this look gave; while something is under way it is looked at every ``poll_s``.
    """
    if _under_way(peering, shown, memory):
        return poll_s
    return min(_ends_of_patience(peering, shown), default=None)


def _under_way(peering: PeeringFacts, shown: RegionPeeringStatus, memory: LagMemory) -> bool:
    if peering.mode == "Plan" and not peering.deleting:
        return not any(item.type == "Ready" and item.status == "True" for item in shown.conditions)
    if peering.deleting or shown.join is None or not shown.join.completed_at:
        return True
    if not all(isinstance(side, PeerFacts) for side in peering.sides):
        return True
    calming = any(memory.before(direction.source) != direction.lag for direction in shown.directions)
    held_back = shown.conflicts is not None and shown.conflicts.parked > 0
    free = any(item.type == "ConflictFree" and item.status == "True" for item in shown.conditions)
    return calming or memory.over_objective == 1 or (held_back and free)


def _ends_of_patience(peering: PeeringFacts, shown: RegionPeeringStatus) -> Iterator[float]:
    limits = peering.policy if isinstance(peering.policy, LinkPolicyFacts) else LinkPolicyFacts()
    broken = {direction.source for direction in shown.directions if direction.state == "Broken"}
    first, second = (side for side in peering.sides if isinstance(side, PeerFacts))
    for source, target in ((first, second), (second, first)):
        agent = target.agent
        answers = isinstance(agent.status, AgentStatus)
        if not answers:
            yield from _left(limits.evidence_max_age_s, agent.age_s)
        link = link_of(peering, agent.last, source.id)
        since_s = agent.age_s if answers else 0.0
        if link is not None and link.bad_age_ms is not None:
            yield from _left(limits.partition_detect_after_s, link.bad_age_ms / 1000 + since_s)
        elif link is not None and source.name in broken:
            yield from _left(limits.partition_recover_after_s, (link.good_age_ms or 0) / 1000 + since_s)


def _left(patience_s: float, age_s: float) -> Iterator[float]:
    if age_s <= patience_s:
        yield patience_s - age_s + 0.1  # just past it
