"""Where everything is measured: the servers, the regions on them, the data set, and how long anything may take."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench.replication.cost import Cost, Meter
from bench.replication.data import Size, digest, fill
from bench.replication.native import GtidReplication, dump_and_load, empty
from bench.replication.regions import NotFinished, Regions, two_regions
from bench.replication.servers import two_servers
from contract.agent.databases import Database
from contract.mariadb import MariaDBServer


@dataclass
class Bed:
    """What every measurement is given.

    Attributes:
        limit_s: how long any one step may take.
        first_versions_s: how long it took to give each row of the data set its first version.
        joined: both regions hold the data set and have been peered.
        native: MariaDB's own replication of the same data, once somebody has asked for it.
    """

    servers: tuple[MariaDBServer, MariaDBServer]
    regions: Regions
    size: Size
    limit_s: float
    first_versions_s: float = 0.0
    joined: bool = False
    native: GtidReplication | None = None

    @property
    def schema(self) -> str:
        """The business schema, of one name in both regions."""
        return self.regions.databases[0].schemas.business

    def meter(self) -> Meter:
        """Start to measure what servers, agents and programs that end meanwhile use up."""
        return Meter((*(server.pid for server in self.servers), *(agent.pid for agent in self.regions.agents)))

    async def copy(self) -> Cost:
        """Peer the regions and wait until region 2 has all; returns what it cost, after looking that it is all."""
        meter = self.meter()
        await self.regions.links("Active")
        await self.regions.equal(limit_s=self.limit_s)
        cost = meter.read()
        self.joined = True
        await self.check()
        return cost

    async def join(self) -> None:
        """Bring the regions where a measurement of live replication begins."""
        if not self.joined:
            tell(f"first copy: {(await self.copy()).seconds:.1f} s")
        await self.regions.links("Active")
        await self.regions.equal(limit_s=self.limit_s)

    async def replicate_natively(self) -> GtidReplication:
        """Set up MariaDB's own replication of the same data, once; it is stopped."""
        if self.native is None:
            native = GtidReplication(*self.servers)
            for server in self.servers:
                empty(server)
                await asyncio.to_thread(
                    dump_and_load, self.servers[0], server, schema=self.schema, log=server is not self.servers[0]
                )
            native.set_up()
            self.native = native
        return self.native

    async def check(self) -> None:
        """Both regions are equal on synced columns and nothing is parked; else what was measured is worth nothing."""
        one, two = [await asyncio.to_thread(digest, database) for database in self.regions.databases]
        if one != two or self.regions.parked():
            raise NotFinished(f"the regions differ: {one} and {two}, {self.regions.parked()} rows are parked")


@contextlib.asynccontextmanager
async def bed(size: Size, *, limit_s: float) -> AsyncIterator[Bed]:
    """Servers and regions; region 1 holds the data set, region 2 is empty, they are not peered."""
    seconds = 0.0

    def old_rows(database: Database) -> None:
        nonlocal seconds
        tell(f"making {size.rows:,} rows")
        fill(database, size)
        tell("preparing: each row gets its first version")
        began = time.perf_counter()
        database.prepare()
        seconds = time.perf_counter() - began

    with two_servers() as servers, tempfile.TemporaryDirectory(prefix="bench-regions-") as name:
        async with two_regions(servers, Path(name), fill=old_rows) as regions:
            yield Bed(servers, regions, size, limit_s, first_versions_s=seconds)


def tell(text: str) -> None:
    print(f"  {text}", flush=True)
