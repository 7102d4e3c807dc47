"""What a policy decides about rows, from the document of an operator to the tables of two regions."""

import uuid

import pytest

from contract.agent.regions import Pair, eventually
from region_operator.api.agent import EntityRules, Rules
from region_operator.replication.catalog import CATALOG

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def under(pair: Pair, rules: Rules, *, only: int = 0) -> None:
    """Give both regions (or the one with that id) other rules."""
    pair.epoch += 1
    for region, link in zip((pair.one, pair.two), pair.links(), strict=True):
        document = region.document(link, epoch=pair.epoch)
        if only in (0, region.id):
            document = document.model_copy(update={"rules": rules})
        await pair.operator.configure(region, document)


def new(name: str) -> tuple[str, str]:
    return str(uuid.uuid4()), f"{name}-{uuid.uuid4().hex[:6]}"


def keys_of(region, name: str) -> list[str]:
    return [str(row[0]) for row in region.database.run("SELECT uuid FROM domain WHERE name = %s", name)]


@pytest.mark.rule("ENGINE 7")
async def test_two_domains_of_one_name_become_one(pair: Pair) -> None:
    (one, name), (two, _) = new("twice"), new("twice")
    await pair.peer("Suspended")
    pair.one.database.add_domain(one, name)
    pair.two.database.add_domain(two, name)
    await under(pair, Rules(hash="sha256:adopt", unique_clash="Adopt"))
    await eventually(lambda: keys_of(pair.one, name) == keys_of(pair.two, name) != [])
    await pair.in_sync()
    assert len(keys_of(pair.one, name)) == 1


@pytest.mark.rule("ENGINE 5")
async def test_an_entity_that_is_off_comes_when_it_is_taken_again(pair: Pair) -> None:
    key, name = new("late")
    off = [EntityRules(name=entity, mode="Off") for entity in CATALOG]
    await under(pair, Rules(hash="sha256:off", entities=off), only=2)
    pair.one.database.add_domain(key, name)
    await pair.in_sync()
    assert pair.two.database.domain(key) is None
    await under(pair, Rules(hash="sha256:on"))
    await eventually(lambda: pair.two.database.domain(key))


@pytest.mark.rule("OPERATOR 17")
async def test_what_is_not_accepted_waits_until_it_is(pair: Pair) -> None:
    key, name = new("foreign")
    await under(pair, Rules(hash="sha256:own", entities=[EntityRules(name="domain", accept_from=[2])]), only=2)
    pair.one.database.add_domain(key, name)
    await pair.in_sync()
    assert pair.two.database.domain(key) is None
    assert (await pair.link(pair.two)).parked == 0
    await under(pair, Rules(hash="sha256:all"))
    await eventually(lambda: pair.two.database.domain(key))


@pytest.mark.rule("ENGINE 20")
async def test_a_full_parking_stops_the_link_and_says_so(pair: Pair) -> None:
    pair.two.database.run(
        f"INSERT INTO `{pair.two.database.schemas.sync}`.parked (entity, entity_key, source, reason, message, "
        "parked_at, next_try) VALUES ('user', 'stuck', 1, 'WriteRefused', '', UTC_TIMESTAMP(6), "
        "UTC_TIMESTAMP(6) + INTERVAL 9 DAY)"
    )
    key, name = new("stopped")
    try:
        pair.epoch += 1
        _, of_two = pair.links(parking_max_rows=1)
        await pair.operator.configure(pair.two, pair.two.document(of_two, epoch=pair.epoch))
        pair.one.database.add_domain(key, name)

        async def stopped() -> bool:
            link = await pair.link(pair.two)
            return link.reason == "ApplyFailed" and "ParkingFull: 1 rows of region 1 wait" in link.message

        await eventually(stopped)
        assert pair.two.database.domain(key) is None
    finally:
        pair.two.database.run(f"DELETE FROM `{pair.two.database.schemas.sync}`.parked WHERE entity_key = 'stuck'")
    await eventually(lambda: pair.two.database.domain(key))
