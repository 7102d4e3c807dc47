"""The two regions of a scan, as its coordinator reaches them."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Protocol

from region_operator.api.agent import Link
from region_operator.errors import RegionOperatorError
from region_operator.replication.scans.ports import Scanned
from region_operator.replication.scans.sides import Side

log = logging.getLogger(__name__)


class ScanPeer(Scanned, Side, Protocol):
    """A peer that is held and compared, with something to close."""

    async def close(self) -> None: ...


class ScanRegions:
    """Ours is the first of any two; whoever asks for both takes them in that order and waits for neither."""

    def __init__(self, region_id: int, *, here: Callable[[], Scanned], connect: Callable[[Link], ScanPeer]) -> None:
        self.own_id, self._here, self._connect = region_id, here, connect

    @contextlib.asynccontextmanager
    async def peer(self, link: Link) -> AsyncIterator[ScanPeer]:
        peer = self._connect(link)
        try:
            yield peer
        finally:
            await peer.close()

    def both(self, link: Link, peer: ScanPeer) -> Mapping[int, Scanned]:
        return {self.own_id: self._here(), link.peer.id: peer}

    async def hold(self, scan_id: str, link: Link) -> None:
        """Hold both; what was got is given back when the other refuses."""
        async with self.peer(link) as peer:
            await self._here().hold(scan_id)
            try:
                await peer.hold(scan_id)
            except RegionOperatorError:
                await self._here().release(scan_id)
                raise

    async def give_back(self, scan_id: str, link: Link | None) -> None:
        """Give both back; one that does not answer gives itself back within a minute."""
        with _may_fail():
            await self._here().release(scan_id)
        if link is not None:
            async with self.peer(link) as peer:
                with _may_fail():
                    await peer.release(scan_id)


@contextlib.contextmanager
def _may_fail() -> Iterator[None]:
    try:
        yield
    except RegionOperatorError as error:
        log.info("a region gives itself back within a minute: %s", error)
