"""One region of a simulated fleet: a database server in memory, its people, and its agent, which may die at any moment.

The agent is put together as `replication.agent.agent` does it, from the same parts: links under their supervisor, the
keeper of the configuration, the region behind (virtual) threads. What is left out speaks HTTP: listener, registrar.
"""

import asyncio
import contextvars
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from memory_region import Cloud, MemoryRegion, Server
from region_operator.api.agent import (
    Claim,
    ConfigurationDocument,
    Link,
    LinkLimits,
    Peer,
    RegionIdentity,
    Rules,
    Source,
)
from region_operator.api.scans import ScanGrant
from region_operator.errors import Refused, RegionOperatorError, Unavailable
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.configuration import Held, Rejected
from region_operator.replication.agent.keeper import ConfigurationKeeper, built_in_rules, rules_of
from region_operator.replication.agent.links import Links
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.model import Cursor
from simulation.granted import Granted
from simulation.loop import LIFE, Killed, Life
from simulation.network import Network, VirtualPeer

LONGEST_FOLD_PAUSE_S = 0.5
AGENT_RESTART_S = 0.5
EPOCH_S = 1_767_225_600.0
"""When histories begin, by clocks that are right."""

NEVER = "2100-01-01T00:00:00Z"

ASKED_S: contextvars.ContextVar[float] = contextvars.ContextVar("asked_s")
"""When the question arrived that is being worked on."""

OpenStore = Callable[[Server], MemoryRegion]


class Node:
    """One region.

    Attributes:
        offset_s: by how much its wall clock is wrong.
        wanted: what the operator wants of it: links by peering uid, and rules.
        grants: full scans that the operator wants of it, by id.
        resumed_scans: how often its agent began in the middle of a scan.
        dies_in: number of commits until the agent is killed in the middle of one; None: it is not.
        faults: what ended a task and nobody expected.
    """

    def __init__(self, region_id: int, *, network: Network, chance: random.Random) -> None:
        self.id, self._network, self._chance = region_id, network, chance
        self._mint = random.Random(chance.random())
        self.offset_s = 0.0
        self.server = Server(clock=lambda: EPOCH_S + self.offset_s + _now_s())
        self.server.before_commit = self._perhaps_die
        self.cloud = Cloud(self.server)
        self.life: Life | None = None
        self.dies_in: int | None = None
        self.on_death: Callable[[], None] = lambda: None
        self.faults: list[BaseException] = []
        self.wanted: tuple[dict[str, Link], Rules] = ({}, Rules(hash="built-in"))
        self.open_store = self._open_store
        self.grants: dict[str, ScanGrant] = {}
        self.resumed_scans = 0
        self._written, self._wanted, self._granted = Bell(), Bell(), Bell()
        self._parts: _Parts | None = None
        network.servers[region_id] = self

    # The agent's life

    def start(self) -> None:
        """Run the agent until it is killed; it starts anew by itself when it ends with an error, as a Pod does."""
        tasks: set[asyncio.Future[Any]] = set()
        self.life = life = Life(lambda: self._stop(life, tasks))
        self._tasks = tasks
        self._spawn(self._run_for_ever())

    def kill(self) -> None:
        if self.life is not None:
            self.life.end()

    def want(self, links: dict[str, Link], rules: Rules) -> None:
        """Tell what the operator wants from now on."""
        self.wanted = (links, rules)
        self._wanted.ring()

    def scan(self, scan_id: str, grant: ScanGrant) -> None:
        """Let the operator grant a full scan, again and again until it has ended."""
        self.grants[scan_id] = grant
        self._granted.ring()

    def extend_grants(self) -> None:
        """Let what was granted go on for as long as it takes, whatever the clock says."""
        for scan_id, grant in list(self.grants.items()):
            self.scan(scan_id, grant.model_copy(update={"not_after": NEVER}))

    def has_left(self, peering: str) -> bool:
        """Whether it will never take this peering up again."""
        stored = self.server.database.configuration
        return stored is not None and peering in Held.from_json(stored.text).left

    def written(self) -> None:
        """People have written something."""
        self._written.ring()

    def _stop(self, life: Life, tasks: "set[asyncio.Future[Any]]") -> None:
        for task in list(tasks):
            task.cancel()
        if self.life is life:
            self.life, self._parts = None, None

    def _perhaps_die(self) -> None:
        if self.dies_in is None or LIFE.get() is None:
            return
        self.dies_in -= 1
        if self.dies_in <= 0:
            self.dies_in = None
            self.on_death()
            raise Killed

    def _spawn(self, work: Awaitable[Any]) -> None:
        token = LIFE.set(self.life)
        try:
            task = asyncio.ensure_future(work)
        finally:
            LIFE.reset(token)
        tasks = self._tasks
        tasks.add(task)

        def ended(task: "asyncio.Future[Any]") -> None:
            tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self.faults.append(error)

        task.add_done_callback(ended)

    async def _run_for_ever(self) -> None:
        while True:
            try:
                await self._run()
            except* (RegionOperatorError, Rejected):
                self._parts = None
            await asyncio.sleep(AGENT_RESTART_S)

    async def _run(self) -> None:
        store = await asyncio.to_thread(self.open_store, self.server)
        region = LocalRegion(store, head_moved=Bell(), changed=Bell(), clock=_now_s)  # type: ignore[arg-type]
        keeper = ConfigurationKeeper(region_id=self.id, status_changed=Bell())
        links = Links(
            keeper=keeper,
            connect=lambda link: VirtualPeer(self._network, here=self.id, there=link.peer.id, peering=link.peering_uid),
            is_forgotten=lambda _uid, _region: True,
            changed=Bell(),
            order_changed=lambda: None,
            clock=_now_s,
        )
        held = await keeper.open(region)
        await region.set_rules(rules_of(held))
        scans = Granted(region, keeper, region_id=self.id, network=self._network, now=self._wall_clock)
        self.resumed_scans += sum(scan.position is not None and not scan.is_ended for scan in store.scans())
        self._parts = _Parts(region, keeper, links, scans)
        async with asyncio.TaskGroup() as group:
            for part in (
                self._capture(store),
                region.retry_parked(),
                links.run(region),
                scans.run(),
                scans.grant(self.grants, self._granted),
                self._obey(keeper),
            ):
                group.create_task(part)

    def _wall_clock(self) -> datetime:
        return datetime.fromtimestamp(self.server.clock(), UTC)

    def _open_store(self, server: Server) -> MemoryRegion:
        return MemoryRegion.open(
            server, region_id=self.id, rules=built_in_rules(), mint=lambda: self._mint.getrandbits(63)
        )

    async def _capture(self, store: MemoryRegion) -> None:
        """Fold as `LocalRegion.capture` does; told of writes, since looking for them every 10 ms is what costs."""
        while True:
            count = self._written.count
            await asyncio.sleep(self._chance.random() * LONGEST_FOLD_PAUSE_S)
            try:
                await asyncio.to_thread(store.fold)
            except Unavailable:
                await asyncio.sleep(1)
                continue
            await self._written.beyond(count, timeout_s=3600)

    async def _obey(self, keeper: ConfigurationKeeper) -> None:
        """Put what the operator wants, until it is stored."""
        while True:
            count = self._wanted.count
            held = await keeper.read()
            try:
                await keeper.put(self._document(held.left), if_match=held.etag)
            except Unavailable:
                await asyncio.sleep(1)
                continue
            await self._wanted.beyond(count, timeout_s=3600)

    def _document(self, left: frozenset[str]) -> bytes:
        links, rules = self.wanted
        document = ConfigurationDocument(
            claim=Claim(hub="hub", region=f"clouds/r{self.id}", epoch=1),
            sources=[Source(kind="Region", namespace="clouds", name=f"r{self.id}", uid=f"r{self.id}", generation=1)],
            region=RegionIdentity(id=self.id, name=f"r{self.id}", management_endpoint="http://cloud.test/"),
            rules=rules,
            links=[link for uid, link in links.items() if uid not in left],
        )
        return json.dumps(document.model_dump(mode="json", by_alias=True)).encode()

    # What peers ask (the admission of `peer_api`, its long poll)

    def serve(self, answer: Callable[[], Awaitable[bytes]], done: Callable[[bytes | Exception], None]) -> None:
        async def work() -> None:
            ASKED_S.set(_now_s())
            try:
                done(await answer())
            except Exception as error:
                done(error if isinstance(error, Refused) else Unavailable(reason="PeerRefused", message=str(error)))

        self._spawn(work())

    async def feed(self, peering: str, *, peer: int, request: FeedRequest, applied: Cursor, wait_s: float) -> bytes:
        parts = self._admit(peering, peer=peer)
        parts.links.acknowledged(peering, applied)
        until_s = _now_s() + wait_s
        while True:
            bell = parts.region.head_moved
            count = bell.count
            page, encoded = await parts.region.read_feed(request)
            if page.rows or page.rewound or page.next.lsn != request.after.lsn or _now_s() >= until_s:
                return encoded
            await bell.beyond(count, timeout_s=until_s - _now_s())
            parts = self._admit(peering, peer=peer)

    async def rows(self, peering: str, *, peer: int, keys: list[RowKey]) -> bytes:
        return await self._admit(peering, peer=peer).region.read_rows(keys)

    async def scanned(self, peering: str, *, peer: int, path: str, question: str) -> bytes:
        return await self._admit(peering, peer=peer).scans.answer(path, question, peer=peer)

    def _admit(self, peering: str, *, peer: int) -> "_Parts":
        parts = self._parts
        held = parts.keeper.held if parts is not None else None
        if parts is None or held is None:
            raise Unavailable(reason="DatabaseUnavailable", message="not at hand")
        if peering in held.left:
            raise Refused(reason="PeeringWasLeft", message=peering)
        link = held.links.get(peering)
        if link is None or link.peer.id != peer:
            raise Unavailable(reason="AuthFailed", message=f"region {peer} has no peering {peering} here")
        return parts

    @property
    def region(self) -> LocalRegion:
        """As its running agent has it."""
        assert self._parts is not None
        return self._parts.region


@dataclass(frozen=True)
class _Parts:
    region: LocalRegion
    keeper: ConfigurationKeeper
    links: Links
    scans: Granted


def link_to(peer: int, *, uid: str, batch_rows: int, state: str = "Active") -> Link:
    return Link(
        peering_uid=uid,
        peer=Peer(
            id=peer,
            name=f"r{peer}",
            url=f"https://agent-{peer}.test:8443",
            server_name=f"agent-{peer}.test",
            management_endpoint="http://cloud.test/",
        ),
        state=state,  # type: ignore[arg-type]
        link=LinkLimits(batch_rows=batch_rows),
    )


def _now_s() -> float:
    return asyncio.get_running_loop().time()
