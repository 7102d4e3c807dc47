"""One direction of a peering, between two regions in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from region_operator.api.agent import LinkLimits
from region_operator.errors import Refused, Unavailable
from region_operator.replication.feed import ApplyOutcome, BulkRows, FeedPage, FeedRequest, FetchedRows, RowKey
from region_operator.replication.link import Link, LinkConfiguration
from region_operator.replication.link_facts import LinkFacts
from region_operator.replication.model.lag import START, Cursor, History, Seen
from unit.replication_agent.memory_store import MemoryStore


class Idle(Exception):
    """The peer has nothing more; ends the link in a test."""


class Peer:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.waits: list[bool] = []
        self.applied: list[Cursor] = []
        self.asked: list[FeedRequest] = []
        self.fault: Exception | None = None
        self.fault_after: Cursor | None = None

    async def feed(self, request: FeedRequest, *, applied: Cursor, wait: bool, facts: LinkFacts) -> FeedPage:
        self.waits.append(wait)
        self.applied.append(applied)
        self.asked.append(request)
        if self.fault is not None and self.fault_after in (None, request.after):
            raise self.fault
        facts.contact()
        page = self.store.read_feed(request)
        if wait and not page.rows:
            raise Idle
        return page

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        return self.store.read_rows(keys)


class Here:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    async def position(self, source: int) -> tuple[Cursor, History, Seen]:
        return self.store.position(source)

    async def history(self) -> History:
        return self.store.history()

    async def apply(self, source: int, page: FeedPage):
        return self.store.apply(source, page)

    async def apply_rows(self, source: int, rows: FetchedRows):
        return self.store.apply_rows(source, rows)


class Scene:
    """Region 1 pulls from region 2."""

    def __init__(self, *, batch_rows: int = 100, leave_at: Cursor | None = None) -> None:
        self.one, self.two = MemoryStore(1), MemoryStore(2)
        self.peer = Peer(self.two)
        self.facts = LinkFacts(peering_uid="p", peer_id=2, clock=lambda: 0.0, now=lambda: datetime.now(UTC))
        self.states: list[str] = []
        self.theirs = START
        self.configuration = LinkConfiguration(source=2, limits=LinkLimits(batch_rows=batch_rows), leave_at=leave_at)

    def write(self, *keys: str, entity: str = "domain") -> None:
        for key in keys:
            self.two.write(entity, key, name=f"name of {key}")
        self.two.fold()

    async def run(self) -> None:
        peer_has_applied: Callable[[], Cursor] = lambda: self.theirs  # noqa: E731
        await Link(
            self.configuration,
            peer=self.peer,
            here=Here(self.one),
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
    assert [scene.one.value("domain", key, "name") for key in "abcde"] == [f"name of {key}" for key in "abcde"]
    assert scene.peer.waits == [False, False, False, True]
    assert scene.states[:2] == ["Copying", "Streaming"]


async def test_a_first_copy_goes_by_the_bulk_and_pauses_longer_each_time_that_is_refused() -> None:
    scene = Scene(batch_rows=1)
    scene.write(*(f"d{number}" for number in range(12)))
    here, feed = Here(scene.one), scene.peer.feed

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


async def test_it_resumes_where_it_stood() -> None:
    scene = Scene()
    scene.write("a")
    await scene.run_until_idle()
    scene.write("b")
    scene.peer.applied.clear()
    await scene.run_until_idle()
    assert scene.peer.applied[0] == Cursor(scene.two.incarnations[-1].name, 1)
    assert "Copying" not in scene.states[2:]


async def test_a_missing_parent_is_fetched_at_once() -> None:
    scene = Scene()
    scene.write("eu")
    scene.write("eu/alice", entity="account")
    scene.two.hide_parents = True
    await scene.run_until_idle()
    assert scene.two.fetched == [RowKey("domain", "eu")]
    assert scene.one.value("domain", "eu", "name") == "name of eu"


async def test_a_parent_that_the_source_does_not_have_is_asked_for_once() -> None:
    scene = Scene()
    scene.write("nowhere/bob", entity="account")
    await scene.run_until_idle()
    assert scene.two.fetched == [RowKey("domain", "nowhere")]


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
    scene.one.fail_apply_from[2] = Refused(reason="ParkingFull", message="7 rows of region 2 wait")
    with pytest.raises(Refused):
        await scene.run()
    assert (scene.facts.state, scene.facts.reason) == ("Broken", "ApplyFailed")
    assert scene.facts.status().message == "ParkingFull: 7 rows of region 2 wait"


async def test_a_failure_to_apply_is_ours_and_not_the_peers() -> None:
    scene = Scene()
    scene.write("a")
    scene.one.fail_apply_from[2] = RuntimeError("defect")
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
    assert scene.one.value("domain", "b", "name") == "name of b"


async def test_a_leaving_link_takes_along_what_the_peer_had_only_captured_when_it_was_told() -> None:
    scene = Scene(leave_at=START)
    scene.write("a")
    scene.two.write("domain", "b", name="name of b")
    await scene.run()
    assert scene.one.value("domain", "b", "name") == "name of b"


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
