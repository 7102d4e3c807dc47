"""Who is the operator: an elector over a Lease that never believes to lead longer than it can prove.

The client library's own elector goes on leading after a network exception and compares wall clocks. Here time is
monotonic and counted from before the request, any exception is a failed try, and whoever loses the Lease ends.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from region_operator.kubernetes.kinds import Manifest
from region_operator.kubernetes.leases import LeaseDoor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    lease_s: float = 15.0  # others wait so long after the last sign of life they saw
    renew_within_s: float = 10.0  # we stop writing so long after the last renewal that we know of
    retry_s: float = 2.0
    request_s: float = 3.0
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)  # only for people, and for the term
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    random: Callable[[], float] = random.random


class Elector:
    """Competes for a Lease: ``await acquire()``, then ``await keep()`` beside the work, ``await release()`` at the end.

    ``identity`` is of this process alone, not of its Pod; when ``on_lost`` is called, the process must exit.
    """

    def __init__(
        self, door: LeaseDoor, identity: str, *, on_lost: Callable[[], None], timing: Timing | None = None
    ) -> None:
        self.identity, self.term = identity, 0
        self._door, self._on_lost, self._timing = door, on_lost, timing or Timing()
        self._renewed: float | None = None  # when the request was sent that last renewed the Lease; None: not leading
        self._seen: tuple[object, float] = (None, 0.0)  # the last sign of life of another holder, and when we saw it

    def may_write(self) -> bool:
        """Whether nobody else can lead right now, by our own clock alone."""
        return self._left_s() > 0

    async def acquire(self) -> int:
        """Wait until we lead; returns the term, which is higher than that of every leader before."""
        while not await self._try():
            await self._timing.sleep(self._timing.retry_s * (1 + 0.5 * self._timing.random()))
        return self.term

    async def keep(self) -> None:
        """Renew until leadership is lost (then ``on_lost`` was called) or the task is cancelled."""
        while (left_s := self._left_s()) > 0:
            await self._timing.sleep(min(left_s, self._timing.retry_s * (1 + 0.2 * self._timing.random())))
            await self._try()
        self._renewed = None
        self._on_lost()

    async def release(self) -> None:
        """Hand over at once instead of letting others wait; call it when nothing is being written any more."""
        leading, self._renewed = self._renewed is not None, None
        if leading:
            await self._attempt(self._hand_over)

    def _left_s(self) -> float:
        return -1.0 if self._renewed is None else self._renewed + self._timing.renew_within_s - self._timing.clock()

    async def _try(self) -> bool:
        """Take or renew the Lease; false when it is somebody else's, or nobody can say."""
        sent = self._timing.clock()
        renewed = await self._attempt(self._take)
        if renewed is not None:
            self._renewed = sent if renewed else None
        return bool(renewed)

    async def _attempt(self, step: Callable[[], Awaitable[bool]]) -> bool | None:
        try:
            async with asyncio.timeout(self._timing.request_s):
                return await step()
        except Exception as error:
            log.warning("a try for the Lease failed: %s", str(error) or type(error).__name__)
            return None

    async def _hand_over(self) -> bool:
        lease = await self._door.read()
        if lease and lease["spec"].get("holderIdentity") == self.identity:
            await self._door.replace({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})
        return True

    async def _take(self) -> bool:
        lease = await self._door.read()
        spec = (lease or {}).get("spec") or {}
        ours = self._renewed is not None and spec.get("holderIdentity") == self.identity
        if not ours and (self._renewed is not None or not self._is_free(spec)):
            return False  # also when it was taken from us: this process never takes it back
        wall = self._timing.wall()
        now, minutes = wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), int(wall.timestamp() // 60)
        # By minutes, so that a Lease deleted or restored from a backup does not bring back an old term.
        term = self.term if ours else max(int(spec.get("leaseTransitions") or 0) + 1, minutes)
        mine = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(self._timing.lease_s),
            "acquireTime": (ours and spec.get("acquireTime")) or now,
            "renewTime": now,
            "leaseTransitions": term,
        }
        await (self._door.replace({**lease, "spec": mine}) if lease else self._door.create(mine))
        self.term = term
        return True

    def _is_free(self, spec: Manifest) -> bool:
        """Never held, released, ours by a try whose answer was lost, or without a sign of life for its duration."""
        life = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if life != self._seen[0]:
            self._seen = (life, self._timing.clock())
        duration_s = float(spec.get("leaseDurationSeconds") or self._timing.lease_s)
        return life[0] in (None, "", self.identity) or self._timing.clock() > self._seen[1] + duration_s
