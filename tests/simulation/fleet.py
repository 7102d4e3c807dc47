"""Runs one plan: regions, network, people and misfortunes; then heals everything and checks the contract."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from memory_region import Database, MemoryRegion
from memory_region.database import NOWHERE
from region_operator.api.agent import Link, Rules
from region_operator.replication.feed import ApplyOutcome, FeedPage, FeedRequest, FetchedRows
from region_operator.replication.model import Cursor
from simulation import scans, verdict
from simulation.network import Network
from simulation.node import ASKED_S, EPOCH_S, Node, link_to
from simulation.oracle import Knowledge, Oracle, Violation
from simulation.peerings import Peerings
from simulation.people import People
from simulation.plans import PARTIAL, RULES, WRITES, Event, Plan, pick, rules_named, rules_of

REST_LIMIT_S = 240.0
LOOK_S = 4.0
QUIET_S = 30.0
QUIET_TRIES = 4
APART = 0.3
"""Share of the peerings that are left although the fleet falls apart; they are made anew in the end."""
KILLED = 0.5
"""Share of the scans whose agent is killed at one of its next ten commits."""


@dataclass(frozen=True)
class Backup:
    content: Database
    knowledge: Knowledge


class Traced(MemoryRegion):
    """Tells the oracle which rows arrive and which leave."""

    oracle: Oracle

    def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        self.oracle.arriving(self.region_id, source, page.rows, incarnation=page.incarnation)
        try:
            return super().apply(source, page)
        finally:
            self.oracle.arrived(self.region_id)

    def apply_rows(self, source: int, rows: FetchedRows) -> ApplyOutcome:
        self.oracle.arriving(self.region_id, source, rows.rows, incarnation=rows.incarnation)
        try:
            return super().apply_rows(source, rows)
        finally:
            self.oracle.arrived(self.region_id)

    def read_feed(self, request: FeedRequest) -> FeedPage:
        page = super().read_feed(request)
        self.oracle.sent(self.region_id, request.peer, page.rows, asked_s=ASKED_S.get())
        return page


class Fleet:
    """All regions of one history, inside a running virtual loop.

    Attributes:
        is_quiet: everything is healed and has come to rest.
        told: all rules that regions were given on the way.
        peerings: who is peered with whom.
        scans: full scans that were granted, with the region whose agent runs it.
    """

    def __init__(self, plan: Plan, *, chance: random.Random, store: type[Traced] = Traced) -> None:
        self.plan, self._store = plan, store
        self.oracle = Oracle()
        self.is_quiet = False
        self._network = Network(chance, usual_s=plan.usual_s, loss=plan.loss)
        self.nodes = {number: self._node(number, chance) for number in range(1, plan.regions + 1)}
        self._people = {number: People(number, node.cloud) for number, node in self.nodes.items()}
        self.peerings = Peerings.of(plan)
        self.rules: dict[int, Rules] = dict.fromkeys(self.nodes, RULES[0])
        self.told: list[Rules] = []
        self.scans: dict[str, int] = {}
        self._backups: dict[int, list[Backup]] = {number: [] for number in self.nodes}

    async def run(self) -> None:
        """Live the plan through, then check; raises Violation."""
        for node in self.nodes.values():
            self._instruct(node.id)
            node.start()
        loop = asyncio.get_running_loop()
        self._people[1].populate(self.plan.people)
        for event in self.plan.events:
            await asyncio.sleep(max(0.0, event.at_s - loop.time()))
            node = self.nodes[event.region]
            if event.kind in WRITES:
                self._write(node, event)
            else:
                getattr(self, f"_{event.kind}")(node, event)
            self._check_faults()
        self._heal_everything()
        await self._come_to_rest()
        self.is_quiet = True
        await self._stay_quiet()
        self._check_faults()
        verdict.check(self)
        scans.check_granted(self)
        await scans.check(self)
        self._check_faults()

    def peered(self) -> list[tuple[int, int]]:
        """The pairs of regions that are peered now, the lower id first."""
        return self.peerings.pairs()

    def kill(self, node: Node, *, starts_after_s: float) -> None:
        """Kill the agent now; it starts anew a while later."""
        node.kill()
        self._later_do(starts_after_s, lambda: self._start(node))

    def kill_in_commit(self, node: Node, *, commits: int, starts_after_s: float) -> None:
        """Kill the agent in the middle of one of its next commits."""
        node.dies_in = commits
        node.on_death = lambda: self._later_do(starts_after_s, lambda: self._start(node))

    def stop(self) -> None:
        for node in self.nodes.values():
            node.kill()

    def contents(self) -> dict[int, Database]:
        return {number: node.server.database for number, node in self.nodes.items()}

    def _node(self, number: int, chance: random.Random) -> Node:
        node = Node(number, network=self._network, chance=chance)
        node.offset_s = self.plan.clocks_s[number - 1]
        open_store = node.open_store

        def traced(server: object) -> MemoryRegion:
            store = open_store(node.server)
            store.__class__ = type("Store", (self._store,), {"oracle": self.oracle})
            return store

        node.open_store = traced
        node.server.on_commit = lambda before, after: self._committed(node, before, after)
        return node

    def _committed(self, node: Node, before: Database, after: Database) -> None:
        self.oracle.committed(node.id, before, after, now_s=asyncio.get_running_loop().time())
        if after.dirty != before.dirty:
            node.written()

    # Events

    def _write(self, node: Node, event: Event) -> None:
        if not node.server.down:
            self._people[node.id].write(event.kind, event.draws)

    def _cut(self, node: Node, event: Event) -> None:
        other = pick(event.draws[0], [number for number in self.nodes if number != node.id])
        self._network.cut |= {(node.id, other), (other, node.id)}

    def _cut_one_way(self, node: Node, event: Event) -> None:
        self._network.cut.add((node.id, pick(event.draws[0], [n for n in self.nodes if n != node.id])))

    def _heal(self, node: Node, event: Event) -> None:
        if event.draws[0] < 0.5:
            self._network.cut.clear()
        else:
            self._network.cut = {way for way in self._network.cut if node.id not in way}

    def _kill(self, node: Node, event: Event) -> None:
        self.kill(node, starts_after_s=event.draws[0] * 2)

    def _kill_in_commit(self, node: Node, event: Event) -> None:
        self.kill_in_commit(node, commits=1 + int(event.draws[0] * 4), starts_after_s=3 * event.draws[1])

    def _restart_database(self, node: Node, event: Event) -> None:
        node.server.down = True
        self._later_do(event.draws[0] * 2, lambda: self._database_is_back(node))

    def _database_is_back(self, node: Node) -> None:
        node.server.down = False
        node.server.restart()

    def _backup(self, node: Node, event: Event) -> None:
        if not node.server.down:
            self._backups[node.id].append(Backup(node.server.database, self.oracle.backup(node.id)))

    def _restore(self, node: Node, event: Event) -> None:
        backup = pick(event.draws[0], self._backups[node.id])
        if backup is not None and not node.server.down:
            node.kill()
            node.dies_in = None
            node.server.restore(backup.content)
            self.oracle.restored(node.id, backup.knowledge)
            self._later_do(event.draws[1] * 2, lambda: self._start(node))

    def _jump(self, node: Node, event: Event) -> None:
        node.offset_s += (event.draws[0] * 2 - 1) * self.plan.jumps_s

    def _rules_change(self, node: Node, event: Event) -> None:
        self.rules[node.id] = rules_of(event.draws[0])
        self.told.append(self.rules[node.id])
        self._instruct(node.id)

    def _join(self, node: Node, event: Event) -> None:
        self._instruct(*(self.peerings.join(has_left=self._has_left) or ()))

    def _has_left(self, uid: str, pair: tuple[int, int]) -> bool:
        return all(self.nodes[number].has_left(uid) for number in pair)

    def _leave(self, node: Node, event: Event) -> None:
        self._instruct(*(self.peerings.leave(event.draws, apart=APART) or ()))

    def _scan(self, node: Node, event: Event) -> None:
        """Grant a full scan of a peering, to the agent of the lower id, which now and then is killed meanwhile."""
        uid = pick(event.draws[0], sorted(self.peerings.active()))
        if uid is not None:
            here, peer = sorted(self.peerings.links[uid])
            scan_id = f"scan {len(self.scans)} of {uid}"
            self.scans[scan_id] = here
            self.nodes[here].scan(scan_id, scans.grant(event.draws, peering=uid, peer=peer, now=_right_time()))
            if event.draws[4] < KILLED:
                self.kill_in_commit(self.nodes[here], commits=1 + int(event.draws[5] * 10), starts_after_s=1)

    # What the operator and the hosts do

    def _instruct(self, *regions: int) -> None:
        for number in regions:
            links: dict[str, Link] = {}
            for uid, pair in self.peerings.links.items():
                if number in pair:
                    other = pair[0] if pair[1] == number else pair[1]
                    state = "Leaving" if uid in self.peerings.left else "Active"
                    links[uid] = link_to(other, uid=uid, batch_rows=self.plan.batch_rows, state=state)
            self.nodes[number].want(links, self.rules[number])

    def _start(self, node: Node) -> None:
        if node.life is None:
            node.start()

    def _later_do(self, delay_s: float, what: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_s, what)

    def _heal_everything(self) -> None:
        self._network.cut.clear()
        self._network.loss = 0.0
        while self.peerings.later:
            self._instruct(*(self.peerings.join(has_left=self._has_left) or ()))
        for node in self.nodes.values():
            node.dies_in = None
            if node.server.down:
                self._database_is_back(node)
            self._start(node)
            node.extend_grants()
            if self.plan.last_rules or self.rules[node.id].hash in PARTIAL:
                self.rules[node.id] = rules_named(self.plan.last_rules or "default")
            self._instruct(node.id)

    # Rest

    async def _come_to_rest(self) -> None:
        """Wait until nothing has moved for a while, and the regions are equal."""
        before, waited_s = (-1, -1), 0.0
        while waited_s < REST_LIMIT_S:
            await asyncio.sleep(LOOK_S)
            waited_s += LOOK_S
            self._check_faults()
            if not self.peerings.is_connected():
                self._instruct(*(self.peerings.join(has_left=self._has_left) or ()))
            now = self._traffic()
            if now == before and not self._behind() and not scans.running(self) and not verdict.differences(self):
                return
            before = now
        problems = [*self._behind(), *scans.running(self), *verdict.differences(self)]
        raise Violation(f"the regions never come to rest: {problems[:3]}")

    async def _stay_quiet(self) -> None:
        """Nothing moves any more, but for parked rows that become visible when their time has come."""
        for _ in range(QUIET_TRIES):
            before = self._traffic()
            await asyncio.sleep(QUIET_S)
            if self._traffic() == before:
                return
        raise Violation(f"no rest: {self._traffic()} rows received, versions given, after {before}; nobody wrote")

    def _behind(self) -> list[str]:
        """Links that have not applied all that there is."""
        contents, found = self.contents(), []
        for pair in self.peerings.active().values():
            for reader, source in (pair, pair[::-1]):
                cursor, _, _ = contents[reader].cursors.get(source, NOWHERE)
                present = contents[source].history[-1].name if contents[source].history else ""
                if cursor != Cursor(present, contents[source].last_lsn):
                    found.append(f"region {reader} stands at {cursor} of region {source}")
        return found if self.peerings.is_connected() else [*found, "some have left and not joined again"]

    def _traffic(self) -> tuple[int, int]:
        """Rows received and numbers given so far; what is sent to who has given up asking is no traffic."""
        return self.oracle.received_rows, sum(content.last_lsn for content in self.contents().values())

    def _check_faults(self) -> None:
        faults = [*self.oracle.violations, *(fault for node in self.nodes.values() for fault in node.faults)]
        if faults:
            raise faults[0]


def _right_time() -> datetime:
    return datetime.fromtimestamp(EPOCH_S + asyncio.get_running_loop().time(), UTC)
