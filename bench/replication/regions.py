"""Two regions over the two servers, each with its agent as a process of its own: mutual TLS and HTTP between them."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contract.agent.certificates import Authority
from contract.agent.databases import Database
from contract.agent.regions import Operator, Region, database_region, link_to
from contract.mariadb import MariaDBServer

LOOK_S = 0.02


class NotFinished(RuntimeError):
    """What was measured did not end in the time that was given to it."""


@dataclass
class Regions:
    """Region 1 is where data is; region 2 begins empty."""

    one: Region
    two: Region
    operator: Operator
    agents: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    epoch: int = 0

    @property
    def databases(self) -> tuple[Database, Database]:
        assert self.one.database is not None
        assert self.two.database is not None
        return self.one.database, self.two.database

    async def links(self, state: str) -> None:
        """Bring both directions into a state, as an operator would: Active or Suspended."""
        self.epoch += 1
        for region, other in ((self.one, self.two), (self.two, self.one)):
            await self.operator.configure(region, region.document(link_to(other, state=state), epoch=self.epoch))

    async def resting(self) -> None:
        """Suspend both directions and wait until agents say that they are."""
        await self.links("Suspended")
        for region in (self.one, self.two):
            while (link := await self.operator.link(region)) is None or link.state != "Suspended":
                await asyncio.sleep(LOOK_S)

    async def folded(self, *, limit_s: float) -> float:
        """Wait until both have versioned all that was captured; returns the seconds it took."""
        return await until(lambda: all(_captured(database) == 0 for database in self.databases), limit_s, self._where)

    async def equal(self, *, limit_s: float) -> float:
        """Wait until each has applied all that the other has; returns the seconds it took."""
        return await until(self._is_equal, limit_s, self._where)

    async def reached(self, database: Database, *, source: int, lsn: int, limit_s: float) -> None:
        """Wait until a region has applied another one up to ``lsn``, whatever is written meanwhile."""
        await until(lambda: applied(database, source=source) >= lsn, limit_s, self._where)

    @contextlib.contextmanager
    def no_agent_in_region_1(self) -> Iterator[None]:
        """Its process does nothing inside the block."""
        self.agents[0].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.agents[0].send_signal(signal.SIGCONT)

    def parked(self) -> int:
        return sum(int(_count(database, "parked")) for database in self.databases)

    def peak_mib(self) -> tuple[float, float]:
        """The most memory that each agent's process has had resident."""
        return peak_mib(self.agents[0]), peak_mib(self.agents[1])

    def forget_peaks(self) -> None:
        """From now on; the kernel begins anew with what is resident."""
        for agent in self.agents:
            Path(f"/proc/{agent.pid}/clear_refs").write_text("5")

    def _is_equal(self) -> bool:
        one, two = self.databases
        if applied(two, source=1) != one.head() or applied(one, source=2) != two.head():
            return False
        return _captured(one) == _captured(two) == 0

    def _where(self) -> str:
        one, two = self.databases
        return (
            f"region 2 stands at {applied(two, source=1):,} of {one.head():,}, "
            f"region 1 at {applied(one, source=2):,} of {two.head():,}; "
            f"captured and not versioned: {_captured(one):,} and {_captured(two):,}"
        )


@contextlib.asynccontextmanager
async def two_regions(
    servers: tuple[MariaDBServer, MariaDBServer], directory: Path, *, fill: Callable[[Database], object]
) -> AsyncIterator[Regions]:
    """Prepared and with running agents, not peered; ``fill`` writes what region 1 has had before that."""
    authority = Authority("benchmark fleet")
    async with contextlib.AsyncExitStack() as stack:
        databases = [
            Database(server, server.fresh_schemas(), number, directory / server.directory.name / f"{number}")
            for number, server in enumerate(servers, start=1)
        ]
        one, two = [await database_region(database, authority, stack) for database in databases]
        fill(databases[0])
        regions = Regions(one, two, Operator(authority))
        stack.push_async_callback(regions.operator.client.close)
        for region in (one, two):
            regions.agents.append(stack.enter_context(region.process()))
        yield regions


async def until(done: Callable[[], bool], limit_s: float, where: Callable[[], str], *, tell_s: float = 15.0) -> float:
    """Look until ``done``, telling ``where`` it stands; raises NotFinished."""
    began = told = time.perf_counter()
    while not done():
        now = time.perf_counter()
        if now - began > limit_s:
            raise NotFinished(f"not done after {limit_s:g} s: {where()}")
        if now - told > tell_s:
            told = now
            print(f"    {now - began:.0f} s: {where()}", flush=True)
        await asyncio.sleep(LOOK_S)
    return time.perf_counter() - began


def applied(database: Database, *, source: int) -> int:
    """How far a region has applied another one."""
    rows = database.run(f"SELECT lsn FROM `{database.schemas.sync}`.link_cursor WHERE source = %s", source)
    return int(rows[0][0]) if rows else 0


def conflicts(database: Database, field_name: str) -> int:
    """Rows of which a region has recorded that ``field_name`` was written concurrently."""
    found: Sequence[tuple[int]] = database.run(
        f"SELECT COUNT(DISTINCT entity_key) FROM `{database.schemas.sync}`.conflict WHERE field = %s", field_name
    )
    return int(found[0][0])


def peak_mib(process: "subprocess.Popen[bytes]") -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise NotFinished(f"process {process.pid} has ended")


def _captured(database: Database) -> int:
    return _count(database, "dirty")


def _count(database: Database, table: str) -> int:
    return int(database.run(f"SELECT COUNT(*) FROM `{database.schemas.sync}`.`{table}`")[0][0])
