import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.errors import InvalidInput, Unavailable
from region_operator.supervision import OrderedMailboxes, State

pytestmark = pytest.mark.rule("DESIGN 2")


def says(text, log, *, gate=None):
    async def work():
        if gate is not None:
            await gate.wait()
        await asyncio.sleep(0)
        log.append(text)
        return text

    return work


def breaks(error):
    async def work():
        raise error

    return work


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30), st.integers(1, 4))
def test_commands_on_a_resource_run_in_the_order_they_came(commands, concurrency):
    async def scenario():
        mailboxes, log, running = OrderedMailboxes(concurrency=concurrency), [], set()

        def command(number, key, pauses):
            async def work():
                assert key not in running, "two commands on a resource at once"
                running.add(key)
                assert len(running) <= concurrency
                for _ in range(pauses):
                    await asyncio.sleep(0)
                running.discard(key)
                log.append((key, number))

            return mailboxes.run(key, work)

        await asyncio.gather(*(command(number, *what) for number, what in enumerate(commands)))
        for key in "abc":
            assert [number for name, number in log if name == key] == sorted(
                number for number, (name, _) in enumerate(commands) if name == key
            )
        assert mailboxes.depth() == 0

    asyncio.run(scenario())


async def test_a_refused_command_is_answered_and_the_next_one_runs():
    mailboxes, log = OrderedMailboxes(), []
    refusal = InvalidInput(field="name", problem="is empty", remedy="give one")
    answers = await asyncio.gather(
        mailboxes.run("user", breaks(refusal)), mailboxes.run("user", says("b", log)), return_exceptions=True
    )
    assert answers == [refusal, "b"]


async def test_a_crash_discards_the_commands_behind_it_and_is_reported():
    events, log = [], []
    mailboxes = OrderedMailboxes(on_transition=events.append)
    crash = ZeroDivisionError()
    answers = await asyncio.gather(
        mailboxes.run("user", breaks(crash)),
        mailboxes.run("user", says("behind", log)),
        mailboxes.run("other", says("other", log)),
        return_exceptions=True,
    )
    assert answers[0] is crash
    assert isinstance(answers[1], Unavailable)
    assert answers[1].reason == "MailboxDiscarded"
    assert answers[2] == "other"
    crashed = [event for event in events if event.after is State.CRASHED]
    assert [(event.subject, event.unit, event.reason) for event in crashed] == [("user", "c-1", "ZeroDivisionError")]
    assert await mailboxes.run("user", says("again", log)) == "again"


async def test_a_caller_that_goes_away_takes_a_waiting_command_along_but_not_a_running_one():
    mailboxes, log, gate = OrderedMailboxes(), [], asyncio.Event()
    running = asyncio.create_task(mailboxes.run("user", says("running", log, gate=gate)))
    waiting = asyncio.create_task(mailboxes.run("user", says("waiting", log)))
    last = asyncio.create_task(mailboxes.run("user", says("last", log)))
    for _ in range(3):
        await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    gate.set()
    await last
    assert log == ["running", "last"]


async def test_a_full_mailbox_takes_no_more():
    mailboxes, log, gate = OrderedMailboxes(depth=1), [], asyncio.Event()
    first = asyncio.create_task(mailboxes.run("user", says("first", log, gate=gate)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(mailboxes.run("user", says("second", log)))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as full:
        await mailboxes.run("user", says("third", log))
    assert full.value.reason == "MailboxFull"
    gate.set()
    assert await asyncio.gather(first, second) == ["first", "second"]


async def test_closing_finishes_what_was_taken_and_takes_nothing_new():
    mailboxes, log = OrderedMailboxes(), []
    taken = asyncio.create_task(mailboxes.run("user", says("taken", log)))
    await asyncio.sleep(0)
    await mailboxes.close()
    assert await taken == "taken"
    with pytest.raises(Unavailable):
        await mailboxes.run("user", says("late", log))
    with pytest.raises(Unavailable):
        await mailboxes.run("new", says("late", log))
    assert log == ["taken"]
