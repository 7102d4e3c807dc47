"""A region that was cut off for months returns: by the feed alone all end alike, and nothing deleted comes back.

How much happened meanwhile is a number:
``ABSENCE_CHANGES=1000000 make test ARGS="tests/simulation/test_absence.py --timeout=7200"``.
A row is sent once, however often it was changed, so what is told of months is what differs in the end.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from memory_region import Cloud, Database, Server
from memory_region.database import NOWHERE
from region_operator.replication.feed import RowKey
from region_operator.replication.model import Cursor
from simulation.histories import quiet
from simulation.loop import VirtualLoop
from simulation.network import Network
from simulation.node import Node, link_to
from simulation.plans import RULES

CHANGES = int(os.environ.get("ABSENCE_CHANGES", "40000"))
"""On each of the two sides."""

DELETIONS = min(CHANGES // 100, 5000)
"""On each side."""

USERS = 3 * DELETIONS
EVENTS = DELETIONS // 4
AUTHORS = 5
"""Users whom events name, and who stay."""

AT_ONCE = max(CHANGES // 50, 5000)
REGIONS, AWAY = (1, 2, 3), 3
MONTHS_S = 90 * 86400.0
REST_LIMIT_S = 3600.0


class _Transaction(Server):
    """One transaction in which a cloud writes many rows."""

    def __init__(self, server: Server, draft: Database) -> None:
        super().__init__(clock=server.clock, catalog=server.catalog, database=draft)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Database]:
        yield self.database


@contextlib.contextmanager
def at_once(node: Node) -> Iterator[Cloud]:
    with node.server.transaction() as draft:
        yield Cloud(_Transaction(node.server, draft))


@dataclass
class Side:
    """Who writes in one region, and what they remember of it.

    Attributes:
        own: users of which only this side writes; both sides write the others.
        values: what was last written to each of its own.
    """

    node: Node
    own: list[str]
    shared: list[str]
    chance: random.Random
    values: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    purged: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    written: int = 0

    def write(self, number: int) -> None:
        """So many changes, in one transaction."""
        every = CHANGES // DELETIONS
        with at_once(self.node) as cloud:
            for _ in range(number):
                self.written += 1
                self._change(cloud)
                if self.written % every == 0:
                    self._delete(cloud)
                if self.written % (4 * every) == 0:
                    self._happen(cloud)

    def _change(self, cloud: Cloud) -> None:
        keys = self.own if self.chance.random() < 0.8 else self.shared
        key, value = self.chance.choice(keys), f"r{self.node.id}-{self.written}"
        cloud.update("user", key, email=value)
        self.values[key] = value

    def _delete(self, cloud: Cloud) -> None:
        """Sometimes what the other side goes on changing, or deletes too."""
        keys = self.own if self.chance.random() < 0.5 else self.shared
        key = keys.pop(self.chance.randrange(len(keys)))
        self.deleted.add(key)
        if self.chance.random() < 0.5:
            cloud.remove("user", key)
        else:
            cloud.erase("user", key)

    def _happen(self, cloud: Cloud) -> None:
        """An event is new, an older one is purged."""
        key = f"e{self.node.id}-{self.written}"
        cloud.add_event(key, account="a", user=f"author-{self.written % AUTHORS}")
        self.events.append(key)
        purged = self.events.pop(self.chance.randrange(len(self.events)))
        cloud.erase("event", purged)
        self.purged.add(purged)


def populate(node: Node) -> tuple[list[str], list[str]]:
    """Users and events that all regions have before the cut."""
    users, events = [f"u{number}" for number in range(USERS)], [f"e{number}" for number in range(EVENTS)]
    with at_once(node) as cloud:
        cloud.add_account("a")
        for key in (*(f"author-{number}" for number in range(AUTHORS)), *users):
            cloud.add_user(key, account="a")
        for key in events:
            cloud.add_event(key, account="a", user="author-0")
    return users, events


def started(network: Network, chance: random.Random) -> dict[int, Node]:
    nodes = {number: Node(number, network=network, chance=chance) for number in REGIONS}
    for node in nodes.values():

        def committed(before: Database, after: Database, node: Node = node) -> None:
            if after.dirty != before.dirty:
                node.written()

        node.server.on_commit = committed
        pairs = {(min(node.id, other), max(node.id, other)): other for other in REGIONS if other != node.id}
        links = {
            uid: link_to(other, uid=uid, batch_rows=2000)
            for uid, other in ((f"p{a}-{b}", o) for (a, b), o in pairs.items())
        }
        node.want(links, RULES[0])
        node.start()
    return nodes


async def at_rest(nodes: dict[int, Node]) -> None:
    """Wait until each region has all that the others have."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + REST_LIMIT_S
    while not _have_all(nodes):
        assert loop.time() < until_s, {number: node.server.database.cursors for number, node in nodes.items()}
        await asyncio.sleep(5)


def _have_all(nodes: dict[int, Node]) -> bool:
    contents = {number: node.server.database for number, node in nodes.items()}
    heads = {n: Cursor(c.history[-1].name, c.last_lsn) if c.history else None for n, c in contents.items()}
    return not any(c.dirty for c in contents.values()) and all(
        contents[reader].cursors.get(source, NOWHERE)[0] == heads[source]
        for reader in REGIONS
        for source in REGIONS
        if source != reader
    )


@dataclass(frozen=True)
class Ends:
    """Attributes: events: of before the cut; received: rows that came to who was away once it was back."""

    contents: dict[int, Database]
    sides: dict[int, Side]
    events: list[str]
    received: int


async def story(chance: random.Random) -> Ends:
    network = Network(chance, usual_s=0.05)
    nodes = started(network, chance)
    try:
        return await live_apart(network, nodes, chance)
    finally:
        for node in nodes.values():
            node.kill()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def live_apart(network: Network, nodes: dict[int, Node], chance: random.Random) -> Ends:
    users, events = populate(nodes[1])
    await at_rest(nodes)
    third = USERS // 3
    own = {1: users[:third], AWAY: users[third : 2 * third]}
    sides = {n: Side(nodes[n], own[n], users[2 * third :], chance, events=list(events)) for n in own}
    network.cut = {way for other in (1, 2) for way in ((AWAY, other), (other, AWAY))}
    for _ in range(-(-CHANGES // AT_ONCE)):
        for side in sides.values():
            side.write(min(AT_ONCE, CHANGES - side.written))
        await asyncio.sleep(10)
    for node in nodes.values():
        node.offset_s += MONTHS_S
    before = sum(nodes[AWAY].region.applied_rows.values())
    network.cut.clear()
    await at_rest(nodes)
    contents = {number: node.server.database for number, node in nodes.items()}
    return Ends(contents, sides, events, sum(nodes[AWAY].region.applied_rows.values()) - before)


@pytest.mark.rule("ENGINE 4")
@pytest.mark.rule("ENGINE 29")
def test_a_region_that_was_cut_off_for_months_returns_by_the_feed_alone_and_brings_nothing_back() -> None:
    chance = random.Random(5)
    loop = VirtualLoop(chance)
    try:
        with quiet():
            ends = loop.run_until_complete(story(chance))
    finally:
        loop.close()
    check_users(ends)
    check_events(ends)
    assert ends.received <= 2 * len(ends.contents[AWAY].versions), "a row is sent once, however often it was changed"


def check_users(ends: Ends) -> None:
    """All regions hold and show the same; what was deleted anywhere is nowhere."""
    deleted = set[str]().union(*(side.deleted for side in ends.sides.values()))
    assert all(len(side.deleted) >= DELETIONS for side in ends.sides.values())
    contents = ends.contents.values()
    states = [{row: v.text for row, v in c.versions.items() if row.entity != "event"} for c in contents]
    assert all(state == states[0] for state in states)
    for content in contents:
        assert not content.parked
        live = {row.key for row, columns in content.business.items() if row.entity == "user" and not columns["removed"]}
        assert not live & deleted
        for side in ends.sides.values():
            for key in set(side.own) & side.values.keys():
                assert content.business[RowKey("user", key)]["email"] == side.values[key]


def check_events(ends: Ends) -> None:
    """What a region purged stays away there, and there only."""
    for number, content in ends.contents.items():
        shown = {row.key for row in content.business if row.entity == "event"}
        purged = ends.sides[number].purged if number in ends.sides else set()
        assert not shown & purged
        assert set(ends.events) - purged <= shown
        for side in ends.sides.values():
            assert set(side.events) - purged <= shown
