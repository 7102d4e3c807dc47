"""Two regions that have parted join again, under a peering made anew, without a copy of what both have."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contract.agent.regions import Pair, Region, eventually, running_pair
from contract.mariadb import MariaDBServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("OPERATOR 8")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def joined(mariadb: MariaDBServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with running_pair(mariadb, tmp_path_factory.mktemp("rejoin")) as pair:
        for number in range(20):
            pair.one.database.add_domain(f"d-{number}", f"before-{number}")
        await pair.peer()
        await eventually(lambda: pair.two.database.domain("d-19"))
        yield pair


def received(region: Region) -> int:
    return sum(region.agent.database.at_hand().applied_rows.values())


async def test_only_what_was_written_apart_is_exchanged(joined: Pair) -> None:
    await joined.peer("Leaving")
    for region in (joined.one, joined.two):
        await eventually(lambda region=region: joined.has_left(region))
    joined.one.database.add_domain("apart-1", "apart-1")
    joined.two.database.add_domain("apart-2", "apart-2")
    before = received(joined.one), received(joined.two)
    joined.uid += "+"
    await joined.peer()
    await eventually(lambda: joined.two.database.domain("apart-1"))
    await eventually(lambda: joined.one.database.domain("apart-2"))
    await joined.in_sync()
    assert (received(joined.one), received(joined.two)) == (before[0] + 1, before[1] + 1)
    for region, other in ((joined.one, joined.two), (joined.two, joined.one)):
        await eventually(lambda region=region, other=other: other.id in region.management.regions)


async def test_a_region_that_was_away_when_the_two_parted_unwires_itself_once_nobody_declares_the_peering(
    joined: Pair,
) -> None:
    one, two = joined.one, joined.two
    await eventually(lambda: one.id in two.management.regions)
    await two.stop()
    of_one, _ = joined.links("Leaving", drain=1)
    joined.epoch += 1
    await joined.operator.configure(one, one.document(of_one, epoch=joined.epoch))
    await eventually(lambda: joined.has_left(one))
    await two.start()

    async def is_refused() -> bool:
        link = await joined.operator.link(two, joined.uid)
        return link is not None and link.reason == "PeerRefused" and "PeeringWasLeft" in link.message

    await eventually(is_refused)
    assert not await joined.has_left(two), "its document still declares the peering"
    assert one.id in two.management.regions
    joined.epoch += 1
    await joined.operator.configure(two, two.document(epoch=joined.epoch))
    await eventually(lambda: joined.has_left(two))
    assert one.id not in two.management.regions
