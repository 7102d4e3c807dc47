"""What the operator itself does about a RegionPeering: its finalizer, nothing else; pure.

Wiring is not done here. Each Region's pass puts the link into its agent's document, active or leaving, and the agents
do it; so this plan only says when both have finished leaving and the object may go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from region_operator.api.agent import AgentStatus
from region_operator.controller.facts import PeerFacts, PeeringFacts, Unknown
from region_operator.controller.plan.rewind import peering_rewound

Waited: TypeAlias = Literal["AgentUnreachable", "ClaimedByAnotherHub", "Draining", "Unwiring", "WaitingForPeer"]


@dataclass(frozen=True)
class Leaving:
    """How a deleted peering stands.

    Attributes:
        done: nothing is waited for any more: the finalizer goes.
        forced: it went without some side (named in ``message``), which will still hold the link.
    """

    done: bool
    reason: Waited | Literal["Paused", "HubRewound", "NotBlocked"]
    message: str
    forced: bool = False


ABANDON_S: Final = 60.0
"""With the annotation nobody is drained; a side that answers is still given this long to unwire itself."""

_UNREACHABLE: Final = "unreachable"
_UNWIRING: Final = "its management server still lists the other region"
_ANOTHER_HUB: Final = "another hub commands it and this one cannot make it leave"

Act = Literal["AddFinalizer", "RemoveFinalizer", "Nothing"]


def act(peering: PeeringFacts) -> Act:
    """What is to be done to the object itself now."""
    if peering.deleting:
        return "RemoveFinalizer" if peering.finalizer and leaving(peering).done else "Nothing"
    return "Nothing" if peering.finalizer or peering.paused else "AddFinalizer"


def leaving(peering: PeeringFacts) -> Leaving:
    """Whether a deleted peering may go, and what it waits for."""
    if peering.paused and not peering.abandon:
        return Leaving(False, "Paused", "spec.paused is true; set it to false, or abandon the peering by annotation")
    told = peering_rewound(peering)
    if told and not peering.abandon:
        return Leaving(False, "HubRewound", f"{told}; or abandon the peering by annotation")
    sides = zip(peering.regions, peering.sides, strict=True)
    open_sides = [(name, why) for name, side in sides if (why := _waiting(peering, side))]
    if not open_sides:
        return Leaving(True, "NotBlocked", "both agents have left")
    patience_s = ABANDON_S if peering.abandon else peering.drain_timeout_s
    told = "; ".join(f"{name}: {why}" for name, why in open_sides)
    reason = _reason([why for _, why in open_sides])
    if peering.deleting_age_s >= patience_s or (peering.abandon and reason == "AgentUnreachable"):
        return Leaving(True, "NotBlocked", f"went without {told}", forced=True)
    return Leaving(False, reason, f"{told}; spec.leave.drainTimeoutSeconds={peering.drain_timeout_s} bounds the wait")


def _reason(waiting: Sequence[str]) -> Waited:
    if _ANOTHER_HUB in waiting:
        return "ClaimedByAnotherHub"
    if all(why.startswith(_UNWIRING) for why in waiting):
        return "Unwiring"
    lost = [why.startswith(_UNREACHABLE) for why in waiting]
    if all(lost):
        return "AgentUnreachable"
    return "Draining" if len(lost) == 2 and not any(lost) else "WaitingForPeer"


def _waiting(peering: PeeringFacts, side: PeerFacts | Unknown | None) -> str:
    """What a side is waited for, "" when it has left or never had the link."""
    if side is None:
        return ""
    if isinstance(side, Unknown):
        return f"not looked at yet ({side.message})"
    if side.stalled and side.agent.last is None:
        return ""  # it was never provisioned, so it has nothing to leave
    if isinstance(side.agent.status, Unknown):
        return f"{_UNREACHABLE} ({side.agent.status.reason})"
    if side.stalled == "ClaimedByAnotherHub":
        return _ANOTHER_HUB
    status = side.agent.last
    if status is None:
        return "" if not side.agent.endpoint else f"{_UNREACHABLE} (not heard yet)"
    return "" if peering.uid in status.left_peerings else _still(peering.uid, status)


def _still(uid: str, status: AgentStatus) -> str:
    """What an agent that has not left yet is about, "" when it never had the link."""
    held = next((link for link in status.links if link.peering_uid == uid), None)
    if held is not None and held.unwiring:
        return f"{_UNWIRING}: {held.registered_message}".rstrip(": ")
    known = any(source.uid == uid for source in status.sources)
    return "leaving" if held is not None or known else ""
