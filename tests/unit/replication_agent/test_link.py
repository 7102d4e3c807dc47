"""One direction of a peering, between two regions in memory."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from memory_region import Cloud, MemoryRegion, Server
from region_operator.api.agent import EntityRules, LinkLimits, Rules
from region_operator.errors import Refused, Unavailable
from region_operator.replication.agent.keeper import built_in_rules
from region_operator.replication.catalog import CATALOG, rule_sets
from region_operator.replication.feed import ApplyOutcome, BulkRows, FeedPage, FeedRequest, FetchedRows, RowKey
from region_operator.replication.link import BULK_FROM_ROWS, Link, LinkConfiguration
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.model.lag import START, Cursor, History, Seen

USERS = ("user", "project_member", "event")


class Idle(Exception):
    """The peer has nothing more; ends the link in a test."""


class Peer:
    """Attributes:
    hides: entity whose rows are missing from pages; fetched: rows that were asked for by key.
    when_idle: called, one after the other, when there is nothing new.
    """

    def __init__(self, store: MemoryRegion) -> None:
        self.store = store
        self.waits: list[bool] = []
        self.applied: list[Cursor] = []
        self.asked: list[FeedRequest] = []
        self.fetched: list[RowKey] = []
        self.hides = ""
        self.when_idle: list[Callable[[], object]] = []
        self.fault: Exception | None = None

    async def feed(self, request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        self.waits.append(wait)
        self.applied.append(applied)
        self.asked.append(request)
        if self.fault is not None:
            raise self.fault
        facts.contact()
        page = self.store.read_feed(request)
        if wait and not page.rows:
            if not self.when_idle:
                raise Idle
            self.when_idle.pop()()
        return replace(page, rows=tuple(row for row in page.rows if row.entity != self.hides))

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        self.fetched += keys
        return self.store.read_rows(keys)


class Here:
    def __init__(self, store: MemoryRegion) -> None:
        self.store = store
        self.fault: Exception | None = None

    async def position(self, source: int) -> tuple[Cursor, History, Seen]:
        return self.store.position(source)

    async def history(self) -> History:
        return self.store.history()

    async def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        if self.fault is not None:
            raise self.fault
        return self.store.apply(source, page)

    async def apply_rows(self, source: int, rows: FetchedRows) -> ApplyOutcome:
        return self.store.apply_rows(source, rows)


class Scene:
    """Region 1 pulls from region 2."""

    def __init__(self, *, batch_rows: int = 100, leave_at: Cursor | None = None) -> None:
        self.here, self.there = Cloud(Server()), Cloud(Server())
        self.one, self.two = (
            MemoryRegion.open(
                cloud.server, region_id=number, rules=built_in_rules(), mint=itertools.count(number).__next__
            )
            for number, cloud in ((1, self.here), (2, self.there))
        )
        self.peer, self.at_hand = Peer(self.two), Here(self.one)
        self.facts = LinkFacts(peering_uid="p", peer_id=2, clock=lambda: 0.0, now=lambda: datetime.now(UTC))
        self.states: list[str] = []
        self.theirs = START
        self.configuration = LinkConfiguration(source=2, limits=LinkLimits(batch_rows=batch_rows), leave_at=leave_at)

    def write(self, *keys: str) -> None:
        for key in keys:
            self.there.add_domain(key)
        self.two.fold()

    async def run(self) -> None:
        peer_has_applied: Callable[[], Cursor] = lambda: self.theirs  # noqa: E731
        await Link(
            self.configuration,
            peer=self.peer,
            here=self.at_hand,
            facts=self.facts,
            peer_has_applied=peer_has_applied,
            on_change=lambda: self.states.append(self.facts.state),
        ).run()

    async def run_until_idle(self) -> None:
        with pytest.raises(Idle):
            await self.run()


async def test_it_applies_everything_in_pages_and_then_waits() -> None:
    scene = Scene(batch_rows=2)
    scene.write("a", "b", "c", "d", "e")
    await scene.run_until_idle()
    assert [scene.here.value("domain", key, "name") for key in "abcde"] == list("abcde")
    assert scene.peer.waits == [False] * (len(scene.peer.waits) - 1) + [True]
    assert len(scene.peer.waits) > 3
    assert scene.states[:2] == ["Copying", "Streaming"]


async def test_a_first_copy_goes_by_the_bulk_and_pauses_longer_each_time_that_is_refused() -> None:
    scene = Scene(batch_rows=1)
    scene.write(*(f"d{number}" for number in range(12)))
    here, feed = scene.at_hand, scene.peer.feed

    async def by_bulk(request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        page = await feed(request, applied=applied, wait=wait, facts=facts)
        return replace(page, bulk=(BulkRows("domain", (), (), 1, b"[]"),)) if request.bulk else page

    async def refused(source: int, page: FeedPage) -> ApplyOutcome:
        return replace(scene.one.apply(source, replace(page, bulk=())), refused_bulk=bool(page.bulk))

    scene.peer.feed, here.apply = by_bulk, refused  # type: ignore[method-assign]
    limits = LinkLimits(batch_rows=1, max_kilobytes_per_second=100_000)
    with pytest.raises(Idle):
        configuration = LinkConfiguration(source=2, limits=limits)
        await Link(configuration, peer=scene.peer, here=here, facts=scene.facts).run()
    asked = "".join("b" if request.bulk else "." for request in scene.peer.asked[:12])
    assert asked == "b.b..b....b."
    assert not scene.peer.asked[-1].bulk


async def test_it_asks_for_the_bulk_until_it_knows_that_it_is_not_far_behind() -> None:
    scene = Scene(batch_rows=50)
    scene.write("a")
    await scene.run_until_idle()
    feed, answers = scene.peer.feed, list[tuple[bool, int]]()

    async def noted(request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        page = await feed(request, applied=applied, wait=wait, facts=facts)
        answers.append((request.bulk, page.count + page.pending))
        return page

    scene.peer.feed = noted  # type: ignore[method-assign]
    scene.peer.when_idle = [
        lambda: scene.write(*(f"many{number}" for number in range(BULK_FROM_ROWS + 1))),
        lambda: scene.write("one"),
    ]
    await scene.run_until_idle()
    assert answers[0] == (True, 0), "it does not know yet"
    behind = [rows for _, rows in answers]
    assert max(behind) > BULK_FROM_ROWS
    assert [bulk for bulk, _ in answers[1:]] == [rows >= BULK_FROM_ROWS for rows in behind[:-1]]


async def test_while_more_is_there_and_a_limit_is_what_it_waits_for_it_is_throttled() -> None:
    scene = Scene(batch_rows=1)
    scene.write("a", "b")
    feed, seen = scene.peer.feed, []

    async def watched(request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        seen.append(facts.status().throttled)
        return await feed(request, applied=applied, wait=wait, facts=facts)

    scene.peer.feed = watched  # type: ignore[method-assign]
    for limit in (100_000, 0):
        scene.write(f"c{limit}", f"d{limit}")
        limits = LinkLimits(batch_rows=1, max_kilobytes_per_second=limit)
        with pytest.raises(Idle):
            configuration = LinkConfiguration(source=2, limits=limits)
            await Link(configuration, peer=scene.peer, here=scene.at_hand, facts=scene.facts).run()
        throttled, seen[:] = list(seen), []
        assert throttled[0] is False
        assert any(throttled) == bool(limit)
        assert throttled[-1] is False, "all was taken"


@pytest.mark.parametrize(
    ("kilobytes_per_s", "asked"), [(1, (1024, False)), (100_000, (1024 * 1024, True)), (0, (1024 * 1024, True))]
)
async def test_a_link_whose_rate_is_bounded_asks_for_no_more_at_once_than_it_may_carry_in_a_second(
    kilobytes_per_s: int, asked: tuple[int, bool]
) -> None:
    scene = Scene()
    scene.configuration = LinkConfiguration(source=2, limits=LinkLimits(max_kilobytes_per_second=kilobytes_per_s))
    scene.write("a")
    await scene.run_until_idle()
    first = scene.peer.asked[0]
    assert (first.max_bytes, first.bulk) == asked


async def test_it_resumes_where_it_stood() -> None:
    scene = Scene()
    scene.write("a")
    await scene.run_until_idle()
    scene.write("b")
    scene.peer.applied.clear()
    await scene.run_until_idle()
    assert scene.peer.applied[0] == Cursor(scene.two.history()[-1].name, scene.two.head() - 1)
    assert "Copying" not in scene.states[2:]


async def test_it_begins_again_when_an_entity_is_taken_again_also_if_the_peer_is_idle() -> None:
    scene = Scene()
    off = Rules(hash="off", entities=[EntityRules(name=name, mode="Off") for name in USERS])
    scene.one.set_rules(rule_sets(CATALOG.values(), off))
    scene.there.add_account("acme")
    scene.there.add_user("jane", account="acme")
    scene.two.fold()
    scene.peer.when_idle = [lambda: scene.one.set_rules(built_in_rules())]
    await scene.run_until_idle()
    assert scene.here.has("user", "jane")


async def test_a_missing_parent_is_fetched_at_once() -> None:
    scene = Scene()
    scene.write("eu")
    scene.there.add_account("alice", domain="eu")
    scene.two.fold()
    scene.peer.hides = "domain"
    await scene.run_until_idle()
    assert scene.peer.fetched == [RowKey("domain", "eu")]
    assert scene.here.has("account", "alice")


async def test_a_parent_that_the_source_does_not_have_is_asked_for_once() -> None:
    scene = Scene()
    scene.write("eu")
    scene.there.add_account("bob", domain="eu")
    scene.two.fold()
    scene.peer.hides = "domain"
    scene.two.read_rows = lambda keys: FetchedRows(2, scene.two.history(), ())  # type: ignore[method-assign]
    await scene.run_until_idle()
    assert scene.peer.fetched == [RowKey("domain", "eu")]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Unavailable(reason="ProbeTimeout", message="silence"), "ProbeTimeout"),
        (Unavailable(reason="TLSFailed", message="unknown authority"), "TLSFailed"),
        (Unavailable(reason="AuthFailed", message="no role"), "AuthFailed"),
        (Unavailable(reason="DatabaseUnavailable", message="down"), "PeerRefused"),
        (Refused(reason="KeyMismatch", message="other key"), "PeerRefused"),
    ],
)
async def test_a_fault_of_the_peer_is_named_by_its_cause(fault: Exception, reason: str) -> None:
    scene = Scene()
    scene.peer.fault = fault
    with pytest.raises(type(fault)):
        await scene.run()
    assert (scene.facts.state, scene.facts.reason) == ("Broken", reason)


async def test_a_full_parking_is_ours_and_not_the_peers_and_says_so() -> None:
    scene = Scene()
    scene.write("a")
    scene.at_hand.fault = Refused(reason="ParkingFull", message="7 rows of region 2 wait")
    with pytest.raises(Refused):
        await scene.run()
    assert (scene.facts.state, scene.facts.reason) == ("Broken", "ApplyFailed")
    assert scene.facts.status().message == "ParkingFull: 7 rows of region 2 wait"


async def test_a_failure_to_apply_is_ours_and_not_the_peers() -> None:
    scene = Scene()
    scene.write("a")
    scene.at_hand.fault = RuntimeError("defect")
    with pytest.raises(RuntimeError):
        await scene.run()
    assert (scene.facts.state, scene.facts.reason) == ("Broken", "ApplyFailed")


@pytest.mark.rule("OPERATOR 19")
async def test_a_peer_that_says_it_is_another_region_is_refused() -> None:
    scene = Scene()
    scene.two.region_id = 3
    with pytest.raises(Refused, match="region 3"):
        await scene.run()


async def test_a_leaving_link_ends_when_both_sides_have_everything() -> None:
    scene = Scene(leave_at=Cursor("", 4))
    scene.write("a", "b")
    scene.theirs = Cursor("x", 3)
    leaving = asyncio.create_task(scene.run())
    while len(scene.peer.waits) < 2:
        await asyncio.sleep(0.01)
    assert not leaving.done()
    scene.theirs = Cursor("x", 4)
    await asyncio.wait_for(leaving, 1)
    assert True not in scene.peer.waits
    assert scene.here.has("domain", "b")


async def test_a_leaving_link_takes_along_what_the_peer_had_only_captured_when_it_was_told() -> None:
    scene = Scene(leave_at=START)
    scene.write("a")
    scene.there.add_domain("b")
    await scene.run()
    assert scene.here.has("domain", "b")


async def test_a_leaving_link_ends_when_the_peer_has_left_already() -> None:
    scene = Scene(leave_at=Cursor("", 4))
    scene.peer.fault = Refused(reason="PeeringWasLeft", message="gone")
    await scene.run()


async def test_an_active_link_is_broken_when_the_peer_has_left() -> None:
    scene = Scene()
    scene.peer.fault = Refused(reason="PeeringWasLeft", message="gone")
    with pytest.raises(Refused):
        await scene.run()
    assert scene.facts.reason == "PeerRefused"
