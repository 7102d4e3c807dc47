import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from region_operator.controller.lease import Elector, Timing
from region_operator.errors import Conflict, Unavailable
from unit.supervision.fake_time import FakeTime

pytestmark = pytest.mark.rule("OPERATOR 14")

START = datetime(2027, 1, 1, tzinfo=UTC)
MINUTES = int(START.timestamp() // 60)


class Store:
    """One Lease with versions, as an API server keeps it."""

    def __init__(self) -> None:
        self.lease, self.version = None, 0

    def put(self, lease):
        self.version += 1
        self.lease = {**lease, "metadata": {"resourceVersion": str(self.version)}}
        return self.lease


class Door:
    """A way to the store; ``fault`` is raised by each call, ``lost`` after a call that was carried out."""

    def __init__(self, store, time) -> None:
        self.store, self.time = store, time
        self.fault = self.lost = None
        self.delay_s = 0.0

    async def _pass(self, action):
        if self.fault:
            raise self.fault
        self.time.pass_by(self.delay_s)
        result = action()
        if self.lost:
            raise self.lost
        return result

    async def read(self):
        return await self._pass(lambda: self.store.lease)

    async def create(self, spec):
        def action():
            if self.store.lease:
                raise Conflict("exists")
            return self.store.put({"spec": spec})

        return await self._pass(action)

    async def replace(self, lease):
        def action():
            if lease["metadata"]["resourceVersion"] != str(self.store.version):
                raise Conflict("changed")
            return self.store.put(lease)

        return await self._pass(action)


class Contender:
    def __init__(self, store, identity, *, time=None, on_sleep=None) -> None:
        self.time = time or FakeTime()
        self.door, self.lost = Door(store, self.time), []
        self.on_sleep = on_sleep or (lambda: None)
        timing = Timing(
            clock=self.time,
            wall=lambda: START + timedelta(seconds=self.time.now - 1000),
            sleep=self.sleep,
            random=lambda: 0.0,
        )
        self.elector = Elector(self.door, identity, on_lost=lambda: self.lost.append(identity), timing=timing)

    async def sleep(self, seconds):
        await self.time.sleep(seconds)
        self.on_sleep()

    async def keep_for(self, seconds):
        """Renew for a while."""
        end, task = self.time.now + seconds, asyncio.create_task(self.elector.keep())
        while self.time.now < end and not task.done():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def store():
    return Store()


async def test_the_first_one_leads_at_once(store):
    one = Contender(store, "one")
    assert not one.elector.may_write()
    assert await one.elector.acquire() == one.elector.term == MINUTES
    assert one.elector.may_write()
    assert store.lease["spec"]["holderIdentity"] == "one"


async def test_a_leader_that_renews_goes_on_leading(store):
    one = Contender(store, "one")
    await one.elector.acquire()
    term = one.elector.term
    await one.keep_for(600)
    assert (one.elector.may_write(), one.lost, one.elector.term) == (True, [], term)
    assert store.lease["spec"]["acquireTime"] < store.lease["spec"]["renewTime"]


@pytest.mark.parametrize(
    "fault",
    [
        Unavailable(reason="ProbeTimeout", message="no answer"),
        Conflict("somebody wrote"),
        ConnectionResetError("reset"),
        TimeoutError(),
        KeyError("not even what we expected"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_whatever_a_renewal_raises_the_leader_stops_after_10_seconds(store, fault):
    one = Contender(store, "one")
    await one.elector.acquire()
    one.door.fault = fault
    renewed = one.time.now
    await one.elector.keep()
    assert one.lost == ["one"]
    assert one.time.now <= renewed + 10
    assert not one.elector.may_write()


async def test_a_short_failure_does_not_lose_the_lease(store):
    one = Contender(store, "one")
    await one.elector.acquire()
    failures = iter([ConnectionResetError(), TimeoutError(), None])
    one.on_sleep = lambda: setattr(one.door, "fault", next(failures, None))
    await one.keep_for(60)
    assert (one.elector.may_write(), one.lost) == (True, [])


async def test_time_counts_from_before_the_request_that_renewed(store):
    one = Contender(store, "one")
    one.door.delay_s = 2.0  # for each of reading and writing
    await one.elector.acquire()
    one.time.pass_by(5.9)
    assert one.elector.may_write()
    one.time.pass_by(0.2)
    assert not one.elector.may_write()


async def test_a_leader_that_stood_still_must_not_write_when_it_wakes_up(store):
    one = Contender(store, "one")
    await one.elector.acquire()
    one.time.pass_by(10.001)
    assert not one.elector.may_write()
    await one.elector.keep()
    assert one.lost == ["one"]


async def test_a_live_lease_is_not_taken_and_a_silent_one_only_after_its_whole_duration(store):
    one, two = Contender(store, "one"), Contender(store, "two")
    await one.elector.acquire()
    began = two.time.now
    await two.elector.acquire()
    assert 15 < two.time.now - began <= 15 + 2 * 2
    assert two.elector.term == one.elector.term + 1


async def test_a_standby_judges_by_its_own_clock_not_by_the_times_in_the_lease(store):
    one, two = Contender(store, "one"), Contender(store, "two")
    await one.elector.acquire()
    store.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    beats = []

    def beat():  # alive, with the wrong wall clock
        beats.append(f"1999-01-01T00:00:{len(beats) % 60:02d}.000000Z")
        if len(beats) < 100:
            store.put({"spec": {**store.lease["spec"], "renewTime": beats[-1]}})

    two.on_sleep = beat
    await two.elector.acquire()
    assert len(beats) > 100


async def test_a_leader_that_sees_another_holder_is_lost_and_does_not_take_the_lease_back(store):
    one = Contender(store, "one")
    await one.elector.acquire()
    store.put({"spec": {**store.lease["spec"], "holderIdentity": "two"}})
    await one.elector.keep()
    assert (one.lost, one.elector.may_write()) == (["one"], False)
    assert store.lease["spec"]["holderIdentity"] == "two"


async def test_a_released_lease_is_free_at_once(store):
    one, two = Contender(store, "one"), Contender(store, "two")
    await one.elector.acquire()
    await one.elector.release()
    assert not one.elector.may_write()
    began = two.time.now
    await two.elector.acquire()
    assert two.time.now == began


async def test_a_release_leaves_the_lease_of_another_alone(store):
    one = Contender(store, "one")
    await one.elector.acquire()
    store.put({"spec": {**store.lease["spec"], "holderIdentity": "two"}})
    await one.elector.release()
    assert store.lease["spec"]["holderIdentity"] == "two"


async def test_a_release_that_fails_leaves_the_lease_to_expire(store):
    one = Contender(store, "one")
    await one.elector.acquire()
    one.door.fault = ConnectionResetError()
    await one.elector.release()
    assert not one.elector.may_write()


async def test_an_answer_that_was_lost_counts_as_a_failed_try_and_the_next_try_finds_the_lease_ours(store):
    one = Contender(store, "one")
    one.door.lost = TimeoutError()
    one.on_sleep = lambda: setattr(one.door, "lost", None)
    await one.elector.acquire()
    assert one.elector.may_write()
    assert one.time.now < 1000 + 5


async def test_a_request_that_hangs_is_a_failed_try(store):
    one = Contender(store, "one")
    await one.elector.acquire()
    hanging = Elector(one.door, "one", on_lost=lambda: None, timing=Timing(request_s=0.01))
    one.door.read = asyncio.Event().wait
    assert not await hanging._try()


@pytest.mark.rule("OPERATOR 8")
async def test_a_term_never_falls_behind_even_when_the_lease_was_deleted(store):
    terms, time = [], FakeTime()
    for number in range(4):
        contender = Contender(store, f"contender-{number}", time=time)
        terms.append(await contender.elector.acquire())
        time.pass_by(200)
        if number == 2:
            store.lease = None
    assert terms == sorted(set(terms))


async def test_only_one_of_two_that_see_an_expired_lease_takes_it(store):
    dead = Contender(store, "dead")
    await dead.elector.acquire()
    time = FakeTime()
    contenders = [Contender(store, name, time=time) for name in ("two", "three")]
    for contender in contenders:
        assert not await contender.elector._try()
    time.pass_by(20)
    read = [await contender.door.read() for contender in contenders]
    for contender, lease in zip(contenders, read, strict=True):
        contender.door.read = lambda lease=lease: asyncio.sleep(0, lease)
    assert [await contender.elector._try() for contender in contenders] == [True, False]
