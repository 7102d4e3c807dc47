"""The full scans that this region coordinates, as supervised processes (OPERATOR.md 18).

What is granted is kept in the database before the operator is answered, and so is every step; an agent that takes the
database goes on with what was running there.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from region_operator.api.agent import Link
from region_operator.api.scans import ScanGrant, ScanReport, ScanReports
from region_operator.errors import Refused, RegionOperatorError, Unavailable
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.keeper import ConfigurationKeeper
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.agent.scan_grants import check_time, granted_link, left_s
from region_operator.replication.agent.scan_regions import ScanPeer, ScanRegions
from region_operator.replication.scans.counters import ScanCounters
from region_operator.replication.scans.ports import Chunks
from region_operator.replication.scans.record import StoredScan, superfluous
from region_operator.replication.scans.run import ScanRun
from region_operator.supervision import Backoff, Process, Supervisor

log = logging.getLogger(__name__)

Result = TypeVar("Result")

BACKOFF: Final = Backoff(base_s=0.5, cap_s=10.0)
CRASHES: Final = 5
"""That nobody foresaw, without a chunk between them: the scan has failed."""

GOING_ON: Final = ("Running", "Throttled")


class Compare(Protocol):
    """Gives what compares the chunks of one scan."""

    def __call__(self, region: LocalRegion, grant: ScanGrant, peer: ScanPeer) -> Chunks: ...


class Scans:
    """Runs what operators grant; knows every scan that is remembered while the database is ours."""

    def __init__(
        self,
        keeper: ConfigurationKeeper,
        *,
        regions: ScanRegions,
        compare: Compare | None,
        changed: Bell,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keeper, self._regions, self._compare = keeper, regions, compare
        self._changed, self._now = changed, now
        self._known: dict[str, StoredScan] = {}
        self._region: LocalRegion | None = None
        self._supervisor: Supervisor | None = None
        self._one_at_a_time, self._one_decision = asyncio.Lock(), asyncio.Lock()
        self._crashes = Counter[str]()
        self.counters = ScanCounters()

    # --- what operators ask --------------------------------------------------------------------------------------

    @property
    def known(self) -> list[StoredScan]:
        return [scan for _, scan in sorted(self._known.items())]

    def reports(self) -> ScanReports:
        """Raises Unavailable while the database is not ours."""
        self._at_hand()
        return ScanReports(scans=[scan.report for scan in self.known])

    async def grant(self, scan_id: str, grant: ScanGrant) -> ScanReport:
        """Begin a scan, or go on with one that was interrupted; any other repeat only tells how it stands.

        Raises:
            Refused: the link is not ours to scan, the epoch is old, or another scan holds one of the regions.
            Unavailable: a region does not answer; nothing is kept.
        """
        return await _whole(self._grant(scan_id, grant))

    async def _grant(self, scan_id: str, grant: ScanGrant) -> ScanReport:
        if self._compare is None:
            raise Refused(reason="NotYetSupported", message="this version of the agent cannot compare regions yet")
        async with self._one_decision:
            self._at_hand()
            link = granted_link(await self._keeper.read(), grant, region_id=self._regions.own_id)
            known = self._known.get(scan_id)
            if known is not None and known.report.state != "Interrupted":
                return known.report
            check_time(grant, now=self._now())
            await self._regions.hold(scan_id, link)
            scan = self._begun(scan_id, grant) if known is None else replace(known, grant=grant).told(state="Running")
            await self._keep(scan)
            await self._start(scan_id)
            log.info("scan granted", extra={"scan": scan_id, "peer": grant.peer, "verify": grant.verify})
            return self._known[scan_id].report

    async def abort(self, scan_id: str) -> ScanReport:
        """End a scan where it stands; raises Refused (``NotFound``)."""

        async def aborted() -> ScanReport:
            async with self._one_decision:
                self._at_hand()
                return await self._abort(scan_id, "aborted by the operator")

        return await _whole(aborted())

    # --- running -------------------------------------------------------------------------------------------------

    async def run(self, region: LocalRegion) -> None:
        """Go on with what was running, and run what is granted, until cancelled."""
        known = await region.read(lambda store: store.scans())
        async with Supervisor(backoff=BACKOFF) as supervisor:
            try:
                self._known = {scan.id: scan for scan in known}
                self._region, self._supervisor = region, supervisor
                for scan in known:
                    if scan.report.state in GOING_ON:
                        await self._start(scan.id)
                while True:
                    count = self._keeper.changed.count
                    settled = await self._end_orphans()
                    await self._keeper.changed.beyond(count, timeout_s=3600 if settled else 1)
            finally:
                self._region = self._supervisor = None

    async def _start(self, scan_id: str) -> None:
        if self._supervisor is None or self._compare is None:
            return  # a scan that an agent of another version began
        await self._supervisor.stop(scan_id)  # one that was interrupted may still be giving the regions back
        self._crashes.pop(scan_id, None)
        self._supervisor.spawn(scan_id, partial(self._process, scan_id))

    async def _process(self, scan_id: str, process: Process) -> None:
        scan, held = self._known[scan_id], await self._keeper.read()
        link = held.links.get(scan.report.peering_uid)
        if link is None or self._region is None or self._compare is None:
            return  # ended by ``_end_orphans``
        process.ready()
        async with self._regions.peer(link) as peer:
            run = ScanRun(
                scan,
                regions=self._regions.both(link, peer),
                chunks=self._compare(self._region, scan.grant, peer),
                keep=self._keep,
                now=self._time,
            )
            run.chunk_s = partial(self.counters.timed, link.peer.id)
            try:
                await run.run(left_s=left_s(scan.grant, now=self._now()))
            except RegionOperatorError:
                raise
            except Exception as error:
                if not self._has_failed(scan):
                    raise
                log.exception("scan failed", extra={"scan": scan_id})
                message = f"{type(error).__name__}; see the agent's log"
                await self._keep(self._known[scan_id].told(**self._ended("Failed", message)))
                await run.release()

    def _has_failed(self, begun: StoredScan) -> bool:
        """Whether it crashes again and again, since ``begun`` without a step forward."""
        went_on = begun.position != self._known[begun.id].position
        self._crashes[begun.id] = 1 if went_on else self._crashes[begun.id] + 1
        return self._crashes[begun.id] >= CRASHES

    async def _end_orphans(self) -> bool:
        """End scans whose peering is left; false when that could not be kept now."""
        links: Mapping[str, Link] = (await self._keeper.read()).links
        for scan_id, scan in list(self._known.items()):
            link = links.get(scan.report.peering_uid)
            if not scan.is_ended and (link is None or link.state == "Leaving"):
                try:
                    async with self._one_decision:
                        await self._abort(scan_id, "the peering is left")
                except Unavailable:
                    return False
        return True

    async def _abort(self, scan_id: str, message: str) -> ScanReport:
        scan = self._known.get(scan_id)
        if scan is None:
            raise Refused(reason="NotFound", message=f"no scan {scan_id} is known here")
        if not scan.is_ended:
            if self._supervisor is not None:
                await self._supervisor.stop(scan_id)
            await self._keep(self._known[scan_id].told(**self._ended("Aborted", message)))
            link = (await self._keeper.read()).links.get(scan.report.peering_uid)
            await self._regions.give_back(scan_id, link)
            log.info("scan aborted", extra={"scan": scan_id, "why": message})
        return self._known[scan_id].report

    # --- what is kept --------------------------------------------------------------------------------------------

    async def _keep(self, scan: StoredScan) -> None:
        """In the database, then in mind; whole and in order, also for a process that is being stopped."""

        async def kept() -> None:
            async with self._one_at_a_time:
                await self._at_hand().keep_scan(scan)
                self.counters.count(self._known.get(scan.id), scan)
                self._known[scan.id] = scan
                for gone in superfluous(self._known.values()) if scan.is_ended else ():
                    del self._known[gone]
            self._changed.ring()

        await _whole(kept())

    def _begun(self, scan_id: str, grant: ScanGrant) -> StoredScan:
        report = ScanReport(
            id=scan_id,
            peering_uid=grant.peering_uid,
            state="Running",
            started_at=self._time(),
            verify=grant.verify,
        )
        return StoredScan(grant, report)

    def _ended(self, result: str, message: str) -> dict[str, object]:
        return {
            "state": "Ended",
            "result": result,
            "message": message,
            "throttled_by": None,
            "ended_at": self._time(),
        }

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _at_hand(self) -> LocalRegion:
        if self._region is None:
            raise Unavailable(reason="DatabaseUnavailable", message="the region's database is not at hand")
        return self._region


async def _whole(work: Coroutine[Any, Any, Result]) -> Result:
    """Do all of ``work``, also when whoever waits for it goes away: a scan that is kept must be begun."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # told to nobody if nobody waits
    return await asyncio.shield(task)
