"""The full scans of one region: what its operator grants, again and again until it ends; the agent's own part that runs
it; the region as peers ask it. Questions and answers travel in their wire form, over the virtual network.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from region_operator.api.agent import Link, Wire
from region_operator.api.scans import ScanGrant
from region_operator.errors import RegionOperatorError
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.keeper import ConfigurationKeeper
from region_operator.replication.agent.load_meter import ApiLatency, ScannedHere
from region_operator.replication.agent.peer_client import PeerClient
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.agent.scan_answers import ANSWERS, ComparedHere
from region_operator.replication.agent.scan_regions import ScanPeer, ScanRegions
from region_operator.replication.agent.scans import Scans
from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.peer_protocol import LineAnswer
from region_operator.replication.scan_protocol import HoldAnswer, HoldQuestion
from region_operator.replication.scans.compare import Comparison
from simulation.network import Network, VirtualPeer

GRANTED_AGAIN_S = 2.0
DATABASE_KEY = "the key of the fleet"

Answer = TypeVar("Answer", bound=LineAnswer)


class VirtualScanPeer(PeerClient):
    """The real client, with another way for what it asks."""

    def __init__(self, network: Network, *, here: int, link: Link) -> None:
        super().__init__(
            link.peer, peering_uid=link.peering_uid, identity=lambda: NotImplemented, database_key=lambda: DATABASE_KEY
        )
        self._way = VirtualPeer(network, here=here, there=link.peer.id, peering=link.peering_uid)

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        return await self._way.rows(keys)

    async def _told(self, what: str, question: Wire, form: type[Answer]) -> Answer:
        return form.model_validate_json(await self._way.told(f"/v1/{what}", question.model_dump_json(by_alias=True)))


class Granted:
    """Runs beside the links of an agent; the operator's part knows no more than what the agent tells it."""

    def __init__(
        self,
        region: LocalRegion,
        keeper: ConfigurationKeeper,
        *,
        region_id: int,
        network: Network,
        now: Callable[[], datetime],
    ) -> None:
        self._region = region
        self._here = ScannedHere(region, api=ApiLatency(lambda: NotImplemented, clock=_now_s), clock=_now_s)
        self._scans = Scans(
            keeper,
            regions=ScanRegions(
                region_id,
                here=lambda: self._here,
                connect=lambda link: VirtualScanPeer(network, here=region_id, link=link),
            ),
            compare=_comparison,
            changed=Bell(),
            now=now,
        )

    async def run(self) -> None:
        await self._scans.run(self._region)

    async def grant(self, grants: Mapping[str, ScanGrant], told: Bell) -> None:
        """Grant what has not ended yet, for ever; ``told`` rings when there is another one."""
        while True:
            count = told.count
            ended = {scan.id for scan in self._scans.known if scan.is_ended}
            for scan_id in grants.keys() - ended:
                with contextlib.suppress(RegionOperatorError):
                    await self._scans.grant(scan_id, grants[scan_id])
            await told.beyond(count, timeout_s=GRANTED_AGAIN_S if grants.keys() - ended else 3600)

    async def answer(self, path: str, question: str, *, peer: int) -> bytes:
        """What ``peer_api`` answers to a peer that was admitted."""
        if path in ANSWERS:
            form, read = ANSWERS[path]
            answer = await read(ComparedHere(self._region, peer=peer), form.model_validate_json(question))
        else:
            scan = HoldQuestion.model_validate_json(question).scan
            if path == "/v1/scan/hold":
                answer = HoldAnswer.of(await self._here.hold(scan))
            else:
                await self._here.release(scan)
                answer = HoldAnswer()
        return answer.model_dump_json(by_alias=True).encode()


def _comparison(region: LocalRegion, grant: ScanGrant, peer: ScanPeer) -> Comparison:
    """As ``scan_answers.comparison``, in virtual time."""
    drift = grant.drift if grant.verify == "Content" else None
    return Comparison(ComparedHere(region, peer=grant.peer), peer, entities=grant.entities, drift=drift, clock=_now_s)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
