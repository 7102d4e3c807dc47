"""The load of this region, as a scan asks for it: of its database and of its management server."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from region_operator.errors import RegionOperatorError, Unavailable
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.agent.registrar import OpenApi
from region_operator.replication.load import API_P95, Counters, gauges, percentile
from region_operator.replication.scans.ports import Held

log = logging.getLogger(__name__)

SAMPLES: Final = 20
SAMPLE_S: Final = 0.5
COUNTERS_S: Final = 2.0
RATE_LEAST_S: Final = 1.0
"""Of a shorter time a rate says little: one wait within a hundredth of it would be a hundred a second."""

WANTED_S: Final = 30.0  # after the last question; a scan that is paused asks more often


class ApiLatency:
    """Times a cheap call to the management server, again and again while somebody wants to know."""

    def __init__(self, open_api: OpenApi, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_api, self._clock = open_api, clock
        self._wanted, self._wanted_at = Bell(), float("-inf")
        self._taken_s: deque[float] = deque(maxlen=SAMPLES)

    def p95_s(self) -> float | None:
        """Of the last calls; None before the first has been answered."""
        if not self._is_wanted():
            self._taken_s.clear()  # they tell of another time
        self._wanted_at = self._clock()
        self._wanted.ring()
        return percentile(self._taken_s, 95)

    async def run(self) -> None:
        while True:
            count = self._wanted.count
            if self._is_wanted():
                await self._sample()
                await asyncio.sleep(SAMPLE_S)
            else:
                await self._wanted.beyond(count, timeout_s=3600)

    async def _sample(self) -> None:
        """Time calls until one fails; a server that is not there is no sign of load, one that is too slow is."""
        began = self._clock()
        try:
            async with self._open_api() as api:
                await api.list_capabilities()  # connects; clients keep their connections
                while self._is_wanted():
                    began = self._clock()
                    await api.list_capabilities()
                    self._taken_s.append(self._clock() - began)
                    await asyncio.sleep(SAMPLE_S)
        except RegionOperatorError as error:
            if getattr(error, "reason", "") == "ProbeTimeout":
                self._taken_s.append(self._clock() - began)
            log.debug("the latency of the management server is not known: %s", error)

    def _is_wanted(self) -> bool:
        return self._clock() - self._wanted_at <= WANTED_S


class ScannedHere:
    """This region as a scan holds it, whether we coordinate or the peer does (``scans.ports.Scanned``)."""

    def __init__(self, region: LocalRegion, *, api: ApiLatency, clock: Callable[[], float] = time.monotonic) -> None:
        self._region, self._api, self._clock = region, api, clock
        self._read: deque[tuple[float, Counters]] = deque(maxlen=2)

    async def hold(self, scan_id: str) -> Held:
        number = await self._region.hold_lease(scan_id)
        counters = await self._region.read(lambda store: store.load())
        now_s = self._clock()
        old_s, before = next((one for one in reversed(self._read) if now_s - one[0] >= RATE_LEAST_S), (now_s, None))
        read = gauges(before, counters, passed_s=now_s - old_s)
        if (p95_s := self._api.p95_s()) is not None:
            read[API_P95] = round(1000 * p95_s)
        return Held(number, read)

    async def run(self) -> None:
        """Read the counters now and then, so that whoever asks is told a rate at once; for ever."""
        while True:
            with contextlib.suppress(Unavailable):
                self._read.append((self._clock(), await self._region.read(lambda store: store.load())))
            await asyncio.sleep(COUNTERS_S)

    async def release(self, scan_id: str) -> None:
        await self._region.release_lease(scan_id)
