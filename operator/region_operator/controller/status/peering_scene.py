"""What the conditions of a RegionPeering are judged from."""

from dataclasses import dataclass

from region_operator.api.peering_status import JoinStatus, RegionPeeringStatus, ScanStatus
from region_operator.controller.facts import LinkPolicyFacts, PeerFacts, PeeringFacts
from region_operator.controller.status.directions import Direction
from region_operator.controller.status.wiring import Wiring


@dataclass(frozen=True)
class Scene:
    """All that the conditions of one peering are judged from."""

    peering: PeeringFacts
    before: RegionPeeringStatus
    directions: tuple[Direction, ...]
    wiring: Wiring
    join: JoinStatus
    limits: LinkPolicyFacts
    scan: ScanStatus | None = None
    lag_exceeded: bool = False

    @property
    def sides(self) -> tuple[PeerFacts, ...]:
        return tuple(side for side in self.peering.sides if isinstance(side, PeerFacts))

    def verdicts(self) -> set[str]:
        return {direction.verdict for direction in self.directions}
