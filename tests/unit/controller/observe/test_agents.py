"""What an agent last said, how old it is, and whom it wakes."""

import asyncio

import pytest

from region_operator.api.agent import Acknowledgement, LinkStatus, Rules, Source
from region_operator.controller.agent_client import AgentEndpoint
from region_operator.controller.facts import Invalid, Unknown
from region_operator.controller.observe.agents import AgentObserver, News
from region_operator.controller.status.lag import shown
from region_operator.errors import Conflict, Unavailable
from region_operator.supervision.backoff import Backoff
from region_operator.supervision.supervisor import Supervisor
from region_operator.supervision.units import Key
from unit.controller.status.peerings import agent, broken, link
from unit.supervision.fake_time import FakeTime

KEY = Key("Region", "clouds", "a")
ENDPOINT = AgentEndpoint("https://agent:8443", "agent-1", None)


class Client:
    """Answers one poll each time that a test says something; the poll hangs until then."""

    def __init__(self, time: FakeTime) -> None:
        self.answers: asyncio.Queue[object] = asyncio.Queue()
        self.asked: list[tuple[str, str, float]] = []
        self._time = time

    async def get_status(self, endpoint, *, etag="", wait_s=30.0):
        self.asked.append((endpoint.url, etag, wait_s))
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Room:
    def __init__(self) -> None:
        self.time = FakeTime()
        self.client, self.news = Client(self.time), []
        supervisor = Supervisor(
            backoff=Backoff(base_s=1, cap_s=15), clock=self.time, sleep=self._rest, random=lambda: 1.0
        )
        self.rests: list[float] = []
        self.observer = AgentObserver(
            self.client,
            on_news=self.news.append,
            shown=shown,
            supervisor=supervisor,
            clock=self.time,
            sleep=self.time.sleep,
            first_answer_s=0,
        )

    async def _rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        await self.time.sleep(seconds)

    async def say(self, *answers: object) -> None:
        """The agent answers, and everything that follows from it happens."""
        for answer in answers:
            self.client.answers.put_nowait(answer)
            for _ in range(20):
                await asyncio.sleep(0)

    @property
    def facts(self):
        return self.observer.facts(KEY)


@pytest.fixture
async def room():
    made = Room()
    await made.observer.watch(KEY, ENDPOINT)
    yield made
    await made.observer.close()


def status(*links: LinkStatus, **said):
    return agent(1, *links, **said)


def lost(reason: str = "ProbeTimeout") -> Unavailable:
    return Unavailable(reason=reason, message="no answer")


async def test_before_the_first_answer_nothing_is_known(room):
    assert room.facts.status is None
    assert room.facts.last is None
    assert room.facts.endpoint == "https://agent:8443"
    assert room.observer.facts(Key("Region", "clouds", "other")).endpoint == ""


async def test_the_first_answer_is_news_and_its_age_grows(room):
    await room.say(status())
    assert room.news == [News(KEY, links=True)]
    assert room.facts.status == status()
    age_s = room.facts.age_s
    room.time.pass_by(25)
    assert room.facts.age_s == age_s + 25


async def test_an_answer_is_asked_for_by_the_etag_of_the_one_before(room):
    await room.say(status(etag="one"), status(etag="two"))
    assert [etag for _, etag, _ in room.client.asked] == ["", "one", "two"]


@pytest.mark.rule("OPERATOR 12")
async def test_figures_are_no_news_to_the_region_and_are_asked_for_once_a_second_at_most(room):
    await room.say(status(link(2)))
    room.news.clear()
    started = room.time.now
    await room.say(*(status(link(2, lag_ms=n, pending_changes=n, cursor=str(n)), etag=str(n)) for n in range(50)))
    assert not any(news.own for news in room.news)
    assert room.time.now - started >= 50
    assert room.facts.last.links[0].lag_ms == 49


@pytest.mark.parametrize(
    ("changed", "links"),
    [
        (status(broken(2, 1)), True),
        (status(link(2, registered=False)), True),
        (status(link(2), left_peerings=["u"]), True),
        (status(), True),
        (status(link(2), rules_hash="sha256:others"), True),
        (status(link(2), schema_version=2), True),
        (status(link(2), database_reachable=False), False),
        (status(link(2), version="0.2.0"), False),
    ],
)
async def test_a_change_wakes_the_region_and_a_change_of_links_its_peerings_too(room, changed, links):
    await room.say(status(link(2)))
    room.news.clear()
    await room.say(changed)
    assert room.news == [News(KEY, links=links)]


@pytest.mark.parametrize("figure", [{"lag_ms": 1_500}, {"lag_ms": 2_000, "pending_changes": 9}, {"open_conflicts": 1}])
async def test_a_figure_that_shows_wakes_the_peerings_alone(room, figure):
    await room.say(status(link(2)))
    room.news.clear()
    await room.say(status(link(2, **figure)))
    assert room.news == [News(KEY, links=True, own=False)]


async def test_an_agent_that_is_lost_is_unknown_at_once_and_what_it_said_is_kept_with_its_age(room):
    await room.say(status())
    room.news.clear()
    room.time.pass_by(30)
    await room.say(lost())

    assert isinstance(room.facts.status, Unknown)
    assert room.facts.status.reason == "ProbeTimeout"
    assert room.facts.last == status()
    assert room.facts.age_s >= 30
    assert room.news == [News(KEY, links=True)]


async def test_it_is_told_lost_once_for_each_reason_and_tried_again_with_growing_rests(room):
    await room.say(lost(), lost(), lost(), lost("ConnectionRefused"), lost("ConnectionRefused"))
    assert len(room.news) == 2
    assert room.rests == sorted(room.rests)
    assert room.rests[-1] <= 15


async def test_an_agent_that_comes_back_is_asked_for_all_it_has_to_say(room):
    await room.say(status(etag="one"), lost(), status(etag="one"))
    assert [etag for _, etag, _ in room.client.asked] == ["", "one", "", "one"]
    assert room.facts.status == status(etag="one")
    assert len(room.news) == 3


async def test_an_answer_that_makes_no_sense_is_no_answer(room):
    await room.say(status(), Conflict("412 to a question for the status"))
    assert room.facts.status == Unknown("AgentError", "412 to a question for the status")


async def test_what_the_agent_took_holds_at_once(room):
    await room.say(status())
    room.observer.refused(KEY, Invalid("InvalidDocument", "bad"))
    assert room.facts.refusal.reason == "InvalidDocument"

    source = Source(kind="Region", namespace="clouds", name="a", uid="u", generation=4)
    room.observer.acknowledged(KEY, Acknowledgement(etag="sha256:new", sources=[source]), Rules(hash="h"))

    assert room.facts.refusal is None
    assert room.facts.document_etag == "sha256:new"
    assert room.facts.rules_in_force.hash == "h"
    assert room.facts.last.configuration_etag == "sha256:new"
    assert room.facts.last.sources == [source]


async def test_new_certificates_change_nothing_of_what_is_known_and_a_new_address_does(room):
    await room.say(status())
    await room.observer.watch(KEY, AgentEndpoint(ENDPOINT.url, ENDPOINT.server_name, "renewed"))
    assert room.facts.last == status()
    await room.observer.watch(KEY, AgentEndpoint("https://moved", ENDPOINT.server_name, None))
    assert room.facts.last is None
    await asyncio.sleep(0)
    assert room.client.asked[-1] == ("https://moved", "", 30.0)


async def test_a_repeat_does_not_start_a_second_poll(room):
    await room.say(status())
    asked = len(room.client.asked)
    for _ in range(3):
        await room.observer.watch(KEY, ENDPOINT)
        await asyncio.sleep(0)
    assert len(room.client.asked) == asked


async def test_a_look_does_not_wait_for_news(room):
    await asyncio.sleep(0)
    room.client.answers.put_nowait(status(etag="poll"))
    room.client.answers.put_nowait(status(etag="looked"))
    await room.observer.look(KEY)
    assert ("https://agent:8443", "", 0) in room.client.asked


async def test_a_forgotten_agent_is_asked_no_more(room):
    await room.say(status())
    await room.observer.forget(KEY)
    asked = len(room.client.asked)
    await room.say(status(etag="2"))
    assert len(room.client.asked) == asked
    assert room.facts.last is None
    assert room.observer.endpoint(KEY) is None


async def test_a_first_answer_that_comes_at_once_is_waited_for():
    room = Room()
    room.client.answers.put_nowait(status())
    observer = AgentObserver(room.client, on_news=room.news.append, shown=shown, clock=room.time, sleep=room.time.sleep)
    await observer.watch(KEY, ENDPOINT)
    assert observer.facts(KEY).status == status()
    await observer.close()
