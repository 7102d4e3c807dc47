"""The region's database: taken when it is there and ours, worked on by all parts together, given back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from region_operator.errors import Conflict, Unavailable
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.opening import wait_until_open
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.store.region_store import RegionStore

CLOSE_TIMEOUT_S = 4.0


class OwnedDatabase:
    """Gives the region to whoever asks, while its database is ours and resumed.

    Attributes:
        region: None at other times.
        changed: rings when the status may differ.
        head_moved: rings when there is something new for peers.
    """

    def __init__(self, open_store: Callable[[], RegionStore]) -> None:
        self._open_store = open_store
        self.changed, self.head_moved = Bell(), Bell()
        self.region: LocalRegion | None = None
        self._why_not = "not reached yet"

    @property
    def is_reachable(self) -> bool:
        return self.region is not None and self.region.reachable

    @property
    def message(self) -> str:
        """Why the database is not ours, or does not answer."""
        return self._why_not if self.region is None else self.region.message

    def at_hand(self) -> LocalRegion:
        """Return the region while its database is ours; raises Unavailable."""
        if self.region is None:
            raise Unavailable(reason="DatabaseUnavailable", message="the region's database is not at hand")
        return self.region

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[LocalRegion]:
        """Wait for the database and take it; nobody else is given the region before ``resumed``."""
        store = await wait_until_open(self._open_store, say=self._say)
        region = LocalRegion(store, head_moved=self.head_moved, changed=self.changed)
        try:
            yield region
        except Exception as error:
            self._say(str(error))
            raise
        finally:
            self.region = None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(region.close(), CLOSE_TIMEOUT_S)
            self.changed.ring()

    def resumed(self, region: LocalRegion) -> None:
        self.region = region
        self._say("")

    def _say(self, message: str) -> None:
        if message != self._why_not:
            self._why_not = message
            self.changed.ring()


async def until_fenced(region: LocalRegion) -> None:
    await region.fenced.wait()
    raise Conflict("another agent has taken the database")


async def until_one_fails(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts together; the first that ends ends all, with its own error."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
