"""What a peer that copies or catches up will ask next is read before it asks; whatever else it asks is read anew."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from region_operator.errors import Unavailable
from region_operator.replication.agent import read_ahead
from region_operator.replication.agent.read_ahead import Answer, ReadAhead
from region_operator.replication.feed import FeedPage, FeedRequest
from region_operator.replication.model.lag import Cursor, Incarnation, Seen

HISTORY = (Incarnation("a1", 1),)
FIRST = FeedRequest(
    peer=2,
    after=Cursor("a1", 0),
    peer_history=(Incarnation("b1", 1),),
    known_history=HISTORY,
    seen=Seen(0, 0),
    bulk=True,
)
PAGE = FeedPage(source=1, history=HISTORY, rows=(), next=Cursor("a1", 5), head=20)
NEXT = replace(FIRST, after=PAGE.next, seen=PAGE.seen_after(Seen(0, 0)))


class Reader:
    """Answers each question once it is told to."""

    def __init__(self) -> None:
        self.asked: list[FeedRequest] = []
        self.answers: list[asyncio.Future[Answer]] = []
        self.ahead = ReadAhead(self._read)

    def _read(self, request: FeedRequest) -> "asyncio.Future[Answer]":
        self.asked.append(request)
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def test_the_page_after_a_page_of_a_first_copy_is_read_before_it_is_asked_for() -> None:
    async def story() -> None:
        reader = Reader()
        reader.ahead.follow(FIRST, PAGE)
        assert reader.asked == [NEXT]
        following = replace(PAGE, next=Cursor("a1", 10))
        reader.answers[0].set_result((following, b"page"))
        assert await reader.ahead.take(NEXT) == (following, b"page")
        assert await reader.ahead.take(NEXT) is None  # an answer is given once

    asyncio.run(story())


def test_a_peer_that_is_more_than_a_page_behind_finds_the_next_one_read() -> None:
    async def story() -> None:
        reader = Reader()
        behind = replace(FIRST, bulk=False, max_rows=10)
        reader.ahead.follow(behind, PAGE)
        assert reader.asked == [replace(NEXT, bulk=False, max_rows=10)]

    asyncio.run(story())


@pytest.mark.parametrize(
    "other",
    [
        lambda request: replace(request, after=Cursor("a1", 4)),
        lambda request: replace(request, peer_history=(*request.peer_history, Incarnation("b2", 9))),
        lambda request: replace(request, known_history=()),
        lambda request: replace(request, seen=Seen(20, 21)),
        lambda request: replace(request, bulk=False),
        lambda request: replace(request, fold_first=True),
        lambda request: replace(request, peer=3),
    ],
)
def test_any_other_question_is_answered_anew(other: Callable[[FeedRequest], FeedRequest]) -> None:
    async def story() -> None:
        reader = Reader()
        reader.ahead.follow(FIRST, PAGE)
        reader.answers[0].set_result((PAGE, b"page"))
        assert await reader.ahead.take(other(NEXT)) is None

    asyncio.run(story())


@pytest.mark.parametrize(
    ("request_", "page"),
    [
        (replace(FIRST, bulk=False), PAGE),
        (FIRST, replace(PAGE, next=Cursor("a1", 20))),
        (FIRST, replace(PAGE, rewound=True)),
        (FIRST, replace(PAGE, next=FIRST.after)),
    ],
)
def test_nothing_is_read_ahead_where_it_is_not_known_what_comes_next(request_: FeedRequest, page: FeedPage) -> None:
    async def story() -> None:
        reader = Reader()
        reader.ahead.follow(request_, page)
        assert reader.asked == []

    asyncio.run(story())


def test_a_page_that_could_not_be_read_ahead_is_read_anew() -> None:
    async def story() -> None:
        reader = Reader()
        reader.ahead.follow(FIRST, PAGE)
        reader.answers[0].set_exception(Unavailable(reason="ProbeTimeout", message="away"))
        assert await reader.ahead.take(NEXT) is None

    asyncio.run(story())


def test_a_page_that_nobody_asks_for_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        reader = Reader()
        monkeypatch.setattr(read_ahead, "KEPT_S", 0.0)
        reader.ahead.follow(FIRST, PAGE)
        reader.answers[0].set_result((PAGE, b"page"))
        await asyncio.sleep(0.01)  # timers run in their order
        assert await reader.ahead.take(NEXT) is None

    asyncio.run(story())


def test_what_was_read_by_other_rules_is_forgotten() -> None:
    async def story() -> None:
        reader = Reader()
        reader.ahead.follow(FIRST, PAGE)
        reader.answers[0].set_result((PAGE, b"page"))
        reader.ahead.forget()
        assert await reader.ahead.take(NEXT) is None

    asyncio.run(story())
