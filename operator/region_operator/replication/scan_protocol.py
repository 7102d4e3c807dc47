"""What two agents say to each other to run a full scan: how it looks on the wire. Pure.

    POST /v1/scan/hold     HoldQuestion -> HoldAnswer: the region is held for a minute, and this is its load;
                                           refused with RegionBusy while another scan holds it
    POST /v1/scan/release  HoldQuestion -> HoldAnswer, empty

Answers, headers and refusals as in ``plan_protocol``. Only the region of the lower id asks.
"""

from pydantic import Field

from region_operator.api.agent import Refusal, Wire
from region_operator.replication.scans.ports import Held


class HoldQuestion(Wire):
    peering: str
    database_key: str
    scan: str = Field(min_length=1, max_length=64)


class HoldAnswer(Wire):
    refusal: Refusal | None = None
    number: int = 0
    load: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def of(cls, held: Held) -> "HoldAnswer":
        return cls(number=held.number, load=dict(held.gauges))

    def held(self) -> Held:
        return Held(self.number, self.load)
