"""Two electors, one Lease, a real API server, short times."""

import asyncio
from pathlib import Path

import pytest

from region_operator.controller.lease import Elector, Timing
from region_operator.kubernetes import kubeconfig
from region_operator.kubernetes.connection import Connection
from region_operator.kubernetes.leases import LeaseDoor

pytestmark = pytest.mark.rule("OPERATOR 14")

FAST = Timing(lease_s=4, renew_within_s=3, retry_s=0.2, request_s=2)


@pytest.fixture
async def lease(cluster, namespace):
    """Opens doors to one Lease."""
    access = kubeconfig.parse(Path(cluster.kubeconfig).read_bytes(), allow_special_addresses=True)
    connections = []

    def open_door():
        connections.append(Connection(kubeconfig.configuration(access), tls=kubeconfig.tls_context(access)))
        return LeaseDoor(connections[-1], namespace=namespace, name="elector")

    yield open_door
    for connection in connections:
        await connection.close()


class Cut:
    """A door to an API server that can be cut off."""

    def __init__(self, door) -> None:
        self.door, self.is_cut = door, False

    def __getattr__(self, verb):
        async def call(*arguments):
            if self.is_cut:
                raise ConnectionError("cut")
            return await getattr(self.door, verb)(*arguments)

        return call


async def ended(*tasks):
    """Cancelled, and their connections closed, while there is a loop to close them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_of_two_leads_and_a_release_hands_over_at_once(lease):
    first, second = (Elector(lease(), name, on_lost=lambda: None, timing=FAST) for name in ("first", "second"))
    term = await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(FAST.lease_s + 0.5)
    assert (first.may_write(), second.may_write(), waiting.done()) == (True, False, False)
    await ended(keeping)
    await first.release()
    async with asyncio.timeout(FAST.lease_s / 2):  # before it runs out
        assert await waiting == term + 1
    assert (first.may_write(), second.may_write()) == (False, True)


async def test_a_leader_that_is_cut_off_stops_before_another_one_starts(lease):
    lost = asyncio.Event()
    cut = Cut(lease())
    first = Elector(cut, "first", on_lost=lost.set, timing=FAST)
    second = Elector(lease(), "second", on_lost=lambda: None, timing=FAST)
    await first.acquire()
    keeping = asyncio.create_task(first.keep())
    taking = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.5)
    cut.is_cut = True
    both = 0
    while not taking.done():
        both += first.may_write() and second.may_write()
        await asyncio.sleep(0.005)
    assert (both, first.may_write(), second.may_write(), lost.is_set()) == (0, False, True, True)
    assert second.term > first.term
    await keeping


async def test_two_that_start_together_do_not_both_lead(lease):
    electors = [Elector(lease(), f"elector-{number}", on_lost=lambda: None, timing=FAST) for number in range(5)]
    tasks = [asyncio.create_task(elector.acquire()) for elector in electors]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.3)
    assert sum(elector.may_write() for elector in electors) == 1
    await ended(*tasks)
