"""Waking up."""

import asyncio

from region_operator.replication.agent.bell import Bell


async def test_a_ring_between_looking_and_waiting_is_not_missed() -> None:
    bell = Bell()
    count = bell.count
    bell.ring()
    assert await bell.beyond(count, timeout_s=0)


async def test_all_waiters_wake_at_once() -> None:
    bell = Bell()
    waiters = [asyncio.create_task(bell.beyond(bell.count, timeout_s=10)) for _ in range(3)]
    await asyncio.sleep(0)
    bell.ring()
    assert await asyncio.gather(*waiters) == [True, True, True]


async def test_waiting_without_a_ring_ends() -> None:
    bell = Bell()
    assert not await bell.beyond(bell.count, timeout_s=0.01)
