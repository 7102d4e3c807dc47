"""A peering that is only planned, by two real agents over two real databases: it tells what a join would do."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contract.agent.regions import Pair, Region, eventually, link_to, running_pair
from contract.mariadb import MariaDBServer
from region_operator.api.agent import Link, PlanReport

pytestmark = pytest.mark.asyncio(loop_scope="module")

UID = "a-planned-peering"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strangers(mariadb: MariaDBServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Two regions that were never peered; each has a domain of its own, and one whose name both have."""
    async with running_pair(mariadb, tmp_path_factory.mktemp("strangers")) as pair:
        for region in (pair.one, pair.two):
            region.database.add_domain(f"d-{region.id}", f"own-{region.id}")
            region.database.add_domain(f"d-same-{region.id}", "same")
        yield pair


async def configure(pair: Pair, state: str = "Plan", *, token: str = "1", uid: str = UID, **changes: object) -> None:
    """Region 1 works the plan out, what it asks runs through the cable; region 2 answers."""
    pair.epoch += 1
    links: tuple[Link, Link] = (
        link_to(pair.two, port=pair.cable.port, state=state, uid=uid),
        link_to(pair.one, state=state, uid=uid),
    )
    for region, link, asked in zip((pair.one, pair.two), links, (token, ""), strict=True):
        told = link.model_copy(update={"plan_token": asked, **changes})
        await pair.operator.configure(region, region.document(told, epoch=pair.epoch))


async def planned(pair: Pair, token: str, *, uid: str = UID) -> PlanReport:
    async def look() -> PlanReport | None:
        link = await pair.operator.link(pair.one, uid)
        return link.plan if link is not None and link.plan is not None and link.plan.token == token else None

    return await eventually(look)


def content(region: Region) -> dict[str, object]:
    """Checksums of the business tables, and of what the engine keeps of rows, cursors and conflicts."""
    schemas = region.database.schemas
    own = ("row_version", "link_cursor", "parked", "conflict", "alias")
    business = region.database.run(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name NOT LIKE '%%witness'",
        schemas.business,
    )
    tables = [(schemas.business, table) for (table,) in business] + [(schemas.sync, table) for table in own]
    return {
        f"{schema}.{table}": region.database.run(f"CHECKSUM TABLE `{schema}`.`{table}`")[0][1]
        for schema, table in tables
    }


async def test_a_plan_is_told_and_nothing_is_changed(strangers: Pair) -> None:
    regions = (strangers.one, strangers.two)
    for region in regions:
        await eventually(lambda region=region: versioned(region, f"d-same-{region.id}"))
    before, listed = [content(region) for region in regions], [dict(region.management.regions) for region in regions]
    await configure(strangers)
    told = await planned(strangers, "1")
    # What the installation brought differs or not by the second at which it did.
    own = told.concurrent
    assert (told.sent.rows, told.received.rows) == (2 + own, 2 + own)
    assert (told.equal + told.concurrent, told.unique_clashes, told.reused_keys) == (3, 1, 0)
    assert [content(region) for region in regions] == before
    for region, regions_listed in zip(regions, listed, strict=True):
        assert region.management.regions == regions_listed
        link = await strangers.operator.link(region, UID)
        assert (link.state, link.reason, link.cursor) == ("Suspended", "Suspended", "")


def versioned(region: Region, key: str) -> bool:
    sync = region.database.schemas.sync
    rows = region.database.run(f"SELECT lsn FROM `{sync}`.row_version WHERE entity_key = %s", key)
    dirty = region.database.run(f"SELECT COUNT(*) FROM `{sync}`.dirty")
    return bool(rows) and rows[0][0] is not None and dirty[0][0] == 0


async def test_another_token_asks_anew_and_the_same_one_does_not(strangers: Pair) -> None:
    await configure(strangers, token="2")
    first = await planned(strangers, "2")
    strangers.two.database.add_domain("d-later", "later")
    await configure(strangers, token="2")
    assert (await planned(strangers, "2")) == first
    await configure(strangers, token="3")
    assert (await planned(strangers, "3")).received.rows == first.received.rows + 1


async def test_a_peer_that_does_not_answer_is_told_and_tried_again(strangers: Pair) -> None:
    strangers.cable.cut()
    await configure(strangers, token="4")

    async def broken() -> str:
        link = await strangers.operator.link(strangers.one, UID)
        return link.reason if link is not None and link.state == "Broken" else ""

    assert await eventually(broken)
    strangers.cable.heal()
    await planned(strangers, "4")


async def test_a_plan_that_is_given_up_leaves_no_trace_at_the_management_servers(strangers: Pair) -> None:
    await configure(strangers, token="5")
    await planned(strangers, "5")
    strangers.one.management.regions[2] = ("by-hand", "http://by-hand.test/client/")
    await configure(strangers, "Leaving", wired=False, drain_timeout_seconds=0)
    for region in (strangers.one, strangers.two):

        async def left(region: Region = region) -> bool:
            return UID in (await strangers.operator.status(region)).left_peerings

        await eventually(left)
    assert strangers.one.management.regions[2][0] == "by-hand"
    assert "removeRegion" not in strangers.one.management.calls + strangers.two.management.calls
    assert "addRegion" not in strangers.one.management.calls + strangers.two.management.calls


async def test_a_plan_that_becomes_active_joins(strangers: Pair) -> None:
    await configure(strangers, token="6", uid="to-be-active")
    await planned(strangers, "6", uid="to-be-active")
    assert strangers.one.database.domain("d-2") is None
    await configure(strangers, "Active", token="", uid="to-be-active")
    await eventually(lambda: strangers.one.database.domain("d-2"))
    await eventually(lambda: strangers.two.database.domain("d-1"))
    link = await strangers.operator.link(strangers.one, "to-be-active")
    assert link is not None
    assert link.plan is None
