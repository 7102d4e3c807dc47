"""Regions for tests: an agent in this process, its own schemas, its certificates, its management server."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from contract.agent.cable import Cable
from contract.agent.certificates import FLEET_UID, Authority, mount
from contract.agent.databases import DATABASE_KEY, Database
from contract.agent.management import RegionList
from contract.mariadb import MariaDBServer
from contract.ports import free_port
from memory_region import Cloud, MemoryRegion, Server
from region_operator import naming
from region_operator.api.agent import (
    AgentStatus,
    Claim,
    ConfigurationDocument,
    Link,
    LinkLimits,
    LinkStatus,
    Peer,
    RegionIdentity,
    Rules,
    Source,
)
from region_operator.controller.agent_client import AgentClient, AgentEndpoint
from region_operator.errors import RegionOperatorError
from region_operator.replication.agent.agent import Agent, OpenStore
from region_operator.replication.agent.scan_answers import comparison
from region_operator.replication.agent.scans import Compare
from region_operator.replication.feed import ApplyOutcome, FeedPage
from region_operator.settings import AgentSettings

PEERING = "5b7c2f0e-4a70-4c1c-9a3e-6a1f2b7d9c10"


class Memory(Cloud):
    """A database in memory and the people who write to it; outlives the agent.

    Attributes:
        fails_from: region -> what goes wrong when its pages are applied.
    """

    def __init__(self) -> None:
        super().__init__(Server())
        self.fails_from: dict[int, Exception] = {}

    def open(self, **given: Any) -> MemoryRegion:
        store = MemoryRegion.open(self.server, **given)
        apply = store.apply

        def failing(source: int, page: FeedPage) -> ApplyOutcome:
            if source in self.fails_from:
                raise self.fails_from[source]
            return apply(source, page)

        store.apply = failing  # type: ignore[method-assign]
        return store


@dataclass
class Region:
    """One region; ``start`` and ``stop`` its agent as often as needed."""

    id: int
    directory: Path
    authority: Authority
    open_store: OpenStore
    management: RegionList
    memory: Memory | None = None
    database: Database | None = None
    compare: Compare | None = None
    port: int = field(default_factory=lambda: free_port())
    health_port: int = field(default_factory=lambda: free_port())
    agent: Agent | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None

    @property
    def name(self) -> str:
        return f"region-{self.id}"

    @property
    def endpoint(self) -> str:
        return f"http://cloud-{self.id}.test/client/"

    @property
    def key_file(self) -> Path:
        return self.directory / "key"

    def prepare_files(self) -> None:
        mount(self.authority.agent(self.id), self.directory / "tls")
        keys = self.directory / "management"
        keys.mkdir(exist_ok=True)
        (keys / "apiKey").write_text("api-key")
        (keys / "secretKey").write_text("secret-key")
        self.key_file.write_bytes(DATABASE_KEY)

    def settings(self) -> AgentSettings:
        return AgentSettings(
            region_id=self.id,
            region_name=self.name,
            listen_host="127.0.0.1",
            listen_port=self.port,
            health_port=self.health_port,
            tls_directory=self.directory / "tls",
            management_url=f"http://127.0.0.1:{self.management.port}/client/api",
            management_credentials_directory=self.directory / "management",
        )

    async def start(self) -> None:
        self._stop = asyncio.Event()
        self.agent = Agent(self.settings(), open_store=self.open_store, key_file=self.key_file, compare=self.compare)
        self._task = asyncio.create_task(self.agent.run(self._stop))

    async def ensure_running(self) -> None:
        if self._task is None:
            await self.start()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        self._stop.set()
        if self._task is not None:
            await asyncio.wait_for(self._task, 10)
            self._task = None

    @contextlib.contextmanager
    def process(self) -> "Iterator[subprocess.Popen[bytes]]":
        """The agent as a program of its own, killed without warning at the end of the block."""
        assert self.database is not None
        environment = {
            **os.environ,
            **_environment("AGENT_", self.settings()),
            **_environment("DATABASE_", self.database.settings()),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-m", "region_operator", "agent"]
        with (self.directory / "agent.log").open("ab") as log:
            running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield running
        finally:
            running.kill()
            running.wait()

    def peer(self, *, port: int) -> Peer:
        return Peer(
            id=self.id,
            name=self.name,
            url=f"https://127.0.0.1:{port}",
            server_name=naming.agent_server_name(self.id, FLEET_UID),
            management_endpoint=self.endpoint,
        )

    def document(
        self, *links: Link, epoch: int = 1, hub: str = "hub-1", trust: tuple[str, ...] = ()
    ) -> ConfigurationDocument:
        return ConfigurationDocument(
            claim=Claim(hub=hub, region=f"clouds/{self.name}", epoch=epoch),
            sources=[Source(kind="Region", namespace="clouds", name=self.name, uid=f"uid-{self.id}", generation=1)],
            region=RegionIdentity(id=self.id, name=self.name, management_endpoint=self.endpoint),
            rules=Rules(hash="sha256:rules"),
            links=list(links),
            trust=list(trust),
        )


@dataclass
class Operator:
    """What an operator does to agents, with the real client."""

    authority: Authority
    client: AgentClient = field(default_factory=AgentClient)

    def __post_init__(self) -> None:
        self.identity = self.authority.operator()

    def endpoint(self, region: Region) -> AgentEndpoint:
        return AgentEndpoint(
            url=f"https://127.0.0.1:{region.port}",
            server_name=naming.agent_server_name(region.id, FLEET_UID),
            identity=self.identity,
        )

    async def configure(self, region: Region, document: ConfigurationDocument) -> None:
        endpoint = self.endpoint(region)
        held = await eventually(lambda: self.client.get_configuration(endpoint))
        await self.client.put_configuration(endpoint, document, etag=held.etag)

    async def status(self, region: Region) -> AgentStatus:
        return await self.client.get_status(self.endpoint(region), wait_s=0)

    async def link(self, region: Region, peering_uid: str = PEERING) -> LinkStatus | None:
        status = await self.status(region)
        return next((link for link in status.links if link.peering_uid == peering_uid), None)


def link_to(
    region: Region, *, port: int | None = None, state: str = "Active", uid: str = PEERING, **limits: int
) -> Link:
    return Link(
        peering_uid=uid,
        peer=region.peer(port=port or region.port),
        state=state,
        drain_timeout_seconds=limits.pop("drain", 600),
        link=LinkLimits(**limits),
    )


@dataclass
class Pair:
    """Two peered regions; ``uid`` is that of their present peering."""

    one: Region
    two: Region
    operator: Operator
    cable: Cable
    uid: str = PEERING
    epoch: int = 0

    def links(self, state: str = "Active", **limits: int) -> tuple[Link, Link]:
        return (
            link_to(self.two, port=self.cable.port, state=state, uid=self.uid, **limits),
            link_to(self.one, state=state, uid=self.uid, **limits),
        )

    async def peer(self, state: str = "Active", **limits: int) -> None:
        self.epoch += 1
        of_one, of_two = self.links(state, **limits)
        await self.operator.configure(self.one, self.one.document(of_one, epoch=self.epoch))
        await self.operator.configure(self.two, self.two.document(of_two, epoch=self.epoch))
        if state == "Active":
            await self.in_sync()

    async def restore(self) -> None:
        """Bring the pair back to where a test may begin: running, peered, in sync."""
        self.cable.heal()
        for region in (self.one, self.two):
            if region.key_file.read_bytes() != DATABASE_KEY:  # read once, at the start of an agent
                await region.stop()
                region.key_file.write_bytes(DATABASE_KEY)
            await region.ensure_running()
        for region in (self.one, self.two):
            status = await eventually(lambda region=region: self.operator.status(region))
            if self.uid in status.left_peerings:
                self.uid += "+"
        await self.peer()

    async def in_sync(self, *, within_s: float = 30.0) -> None:
        for region in (self.one, self.two):
            await eventually(lambda region=region: self.is_in_sync(region), within_s=within_s)

    async def is_in_sync(self, region: Region) -> bool:
        link = await self.operator.link(region, self.uid)
        return link is not None and (link.state, link.lag_ms, link.pending_changes) == ("Streaming", 0, 0)

    async def link(self, region: Region) -> LinkStatus:
        link = await self.operator.link(region, self.uid)
        assert link is not None
        return link

    async def has_left(self, region: Region) -> bool:
        return self.uid in (await self.operator.status(region)).left_peerings


@contextlib.asynccontextmanager
async def running_pair(server: MariaDBServer, directory: Path) -> AsyncIterator[Pair]:
    """Two prepared regions over ``server`` with agents that run, not peered yet."""
    authority = Authority()
    operator = Operator(authority)
    async with contextlib.AsyncExitStack() as stack:
        databases = [Database(server, server.fresh_schemas(), number, directory / f"{number}") for number in (1, 2)]
        regions = [await database_region(database, authority, stack) for database in databases]
        cable = await Cable(regions[1].port).open()
        stack.push_async_callback(cable.close)
        stack.push_async_callback(operator.client.close)
        for region in regions:
            await region.start()
            stack.push_async_callback(region.stop)
        yield Pair(*regions, operator, cable)


async def database_region(database: Database, authority: Authority, stack: contextlib.AsyncExitStack) -> Region:
    """A prepared region that is not started; ``stack`` takes what is to be closed."""
    stack.callback(database.close)
    await asyncio.to_thread(database.prepare)
    number = database.region_id
    management = await RegionList((number, f"region-{number}", f"http://cloud-{number}.test/client/")).open()
    stack.push_async_callback(management.close)
    directory = database.directory / "agent-files"
    directory.mkdir()
    region = Region(number, directory, authority, database.open_store, management, database=database)
    region.compare = comparison
    region.prepare_files()
    return region


def _environment(prefix: str, settings: BaseSettings) -> dict[str, str]:
    return {prefix + name.upper(): str(value) for name, value in settings.model_dump(exclude_none=True).items()}


async def eventually(look, *, within_s: float = 90.0, step_s: float = 0.01):
    """Return the first true value of ``look`` (a function or coroutine function); errors of ours count as not yet."""
    deadline, last = time.monotonic() + within_s, None
    while time.monotonic() < deadline:
        with contextlib.suppress(RegionOperatorError):
            found = look()
            last = await found if asyncio.iscoroutine(found) else found
            if last:
                return last
        await asyncio.sleep(step_s)
    raise AssertionError(f"did not happen within {within_s} s; last seen: {last!r}")
