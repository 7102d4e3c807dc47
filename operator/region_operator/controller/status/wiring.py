"""Are both sides of a peering wired for its generation? Judged from what both agents acknowledge; pure.

Wired means: each agent's document was built from this generation of the RegionPeering, each agent's own management
server lists the other region, and both hold the same database key (else secret keys of users could not be read).
"""

from dataclasses import dataclass
from typing import Literal

from region_operator.api.agent import AgentStatus
from region_operator.controller.facts import PeerFacts, PeeringFacts, Unknown
from region_operator.controller.plan.claim import yields_to
from region_operator.controller.status.directions import link_of


@dataclass(frozen=True)
class Wiring:
    """Verdict for the condition ``Wired``; ``stalled``: only an edit helps."""

    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    stalled: bool = False


def wiring(peering: PeeringFacts, *, evidence_max_age_s: int) -> Wiring:
    """Judge; the first thing that is missing is told. A short silence of an agent proves nothing."""
    if peering.deleting:
        return Wiring("False", "Leaving", "both sides are being unwired")
    winner = yields_to(peering)
    if winner is not None:
        told = f"RegionPeering {winner.name} joins the same two Regions already; delete one of the two"
        return Wiring("False", "DuplicatePeering", told, stalled=True)
    sides = [side for side in peering.sides if isinstance(side, PeerFacts)]
    if len(sides) < 2:
        missing = [name for name, s in zip(peering.regions, peering.sides, strict=True) if not isinstance(s, PeerFacts)]
        return Wiring("False", "RegionNotReady", f"Region {', '.join(missing)} is not there or not looked at yet")
    for side, other in (sides, sides[::-1]):
        verdict = _side(peering, side, other=other, evidence_max_age_s=evidence_max_age_s)
        if verdict is not None:
            return verdict
    refused = _same_key(*sides)
    if refused is None and peering.mode == "Plan":
        return Wiring("False", "Planned", "spec.mode is Plan: both agents know of each other, and nothing is wired")
    return refused or Wiring("True", "Wired", "both agents acknowledge this generation of the peering")


def _side(peering: PeeringFacts, side: PeerFacts, *, other: PeerFacts, evidence_max_age_s: int) -> Wiring | None:
    """What ``side`` lacks, None when it is wired."""
    if side.stalled and side.stalled != "HubRewound":  # then nothing is changed there, what is wired stays wired
        told, stalled = f"Region {side.name} is stalled: {side.stalled}", side.stalled == "RegionIdClash"
        return Wiring("False", "RegionIdClash" if stalled else "RegionNotReady", told, stalled=stalled)
    agent = side.agent
    if agent.last is None:
        return Wiring("False", "RegionNotReady", f"the agent of Region {side.name} has not been heard yet")
    if isinstance(agent.status, Unknown) and agent.age_s > evidence_max_age_s:
        return Wiring("Unknown", "AgentUnreachable", f"Region {side.name}: {agent.status.message}")
    missing = _acknowledged(peering, side, agent.last)
    if missing is not None or peering.mode == "Plan":
        return missing
    return _registered(peering, side, agent.last, other)


def _acknowledged(peering: PeeringFacts, side: PeerFacts, agent: AgentStatus) -> Wiring | None:
    if peering.uid in agent.left_peerings:
        told = f"the agent of Region {side.name} has left this peering for good; delete it and create another"
        return Wiring("False", "PeeringWasLeft", told)
    if side.agent.refusal is not None:
        told = f"the agent of Region {side.name} refuses its configuration: {side.agent.refusal.message}"
        return Wiring("False", "ConfigurationRefused", told)
    if not any(s.uid == peering.uid and s.generation >= peering.generation for s in agent.sources):
        told = f"the agent of Region {side.name} does not have generation {peering.generation} of this peering yet"
        return Wiring("False", "ConfigurationPending", told)
    return None


def _registered(peering: PeeringFacts, side: PeerFacts, agent: AgentStatus, other: PeerFacts) -> Wiring | None:
    link = link_of(peering, agent, other.id)
    if link is not None and link.registered:
        return None
    why = link.registered_message if link is not None else "the link is not there yet"
    told = f"the management server of Region {side.name} does not list {other.name} yet: {why}".rstrip(": ")
    return Wiring("False", "NotRegistered", told)


def _same_key(one: PeerFacts, other: PeerFacts) -> Wiring | None:
    keys = [side.agent.last.database_key_fingerprint if side.agent.last else "" for side in (one, other)]
    if all(keys) and keys[0] != keys[1]:
        told = (
            f"Regions {one.name} and {other.name} have different database keys; "
            "make both hold the same Secret (spec.databaseKeySecretRef)"
        )
        return Wiring("False", "KeyMismatch", told, stalled=True)
    return None
