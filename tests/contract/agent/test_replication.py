"""Two real agents over two real databases: what is written in one region is found in the other."""

import asyncio
import dataclasses
import uuid

import pytest

from contract.agent.regions import Pair, Region, eventually
from contract.ports import free_port
from region_operator.replication.peer_protocol import MAX_FEED_WAIT_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

A_PODS_GRACE_S = 30


def new(name: str = "eu") -> tuple[str, str]:
    return str(uuid.uuid4()), f"{name}-{uuid.uuid4().hex[:6]}"


async def test_a_row_written_here_is_found_there(pair: Pair) -> None:
    """By an answer to the waiting question, not by the next question; how soon is measured in ``bench.replication``."""
    for number in range(10):
        source, target = (pair.one, pair.two) if number % 2 else (pair.two, pair.one)
        key, name = new(f"domain-{number}")
        source.database.add_domain(key, name)
        await eventually(lambda: target.database.domain(key), within_s=MAX_FEED_WAIT_S / 2)  # noqa: B023
        assert target.database.domain(key) == (name, f"/{name}/", None)


@pytest.mark.rule("ENGINE 13")
async def test_what_was_received_is_not_sent_back(pair: Pair) -> None:
    """A mark that is made later crosses later: when it is there, an echo would have been there before it."""
    (key, name), (mark, other) = new(), new()
    pair.one.database.add_domain(key, name)
    pair.one.database.add_domain(mark, other)
    await eventually(lambda: pair.two.database.domain(mark))
    for source, target in ((pair.two, pair.one), (pair.one, pair.two)):  # what is older has met by then
        await crosses(source, target, mark, f"before.{source.id}.test")
    before = traffic(pair)
    await crosses(pair.two, pair.one, key, "once.test")
    await crosses(pair.one, pair.two, mark, "after.test")
    after = traffic(pair)
    assert after == (before[0] + 2, before[1] + 2, before[2] + 1, before[3] + 1)


async def crosses(source: Region, target: Region, key: str, network_domain: str) -> None:
    source.database.run("UPDATE domain SET network_domain = %s WHERE uuid = %s", network_domain, key)
    await eventually(lambda: target.database.domain(key)[2] == network_domain)
    await target.agent.database.at_hand().covering_head()  # behind the apply in the one write lane: it has been counted


def traffic(pair: Pair) -> tuple[int, int, int, int]:
    """Heads of both regions, and how many rows each has received."""
    received = [sum(region.agent.database.at_hand().applied_rows.values()) for region in (pair.one, pair.two)]
    return (pair.one.database.head(), pair.two.database.head(), *received)


async def test_concurrent_changes_of_different_fields_merge(pair: Pair) -> None:
    key, name = new()
    pair.one.database.add_domain(key, name)
    await eventually(lambda: pair.two.database.domain(key))
    pair.cable.cut()
    pair.one.database.run("UPDATE domain SET network_domain = 'eu.test' WHERE uuid = %s", key)
    pair.two.database.run("UPDATE domain SET name = %s, path = %s WHERE uuid = %s", f"x{name}", f"/x{name}/", key)
    pair.cable.heal()
    for region in (pair.one, pair.two):
        await eventually(lambda region=region: region.database.domain(key) == (f"x{name}", f"/x{name}/", "eu.test"))


async def test_a_parent_that_comes_later_in_the_feed_is_fetched(pair: Pair) -> None:
    await pair.peer("Suspended")
    (parent, eu), (child, _) = new("eu"), new("west")
    pair.two.database.add_domain(parent, eu)
    await folded(pair.two)
    pair.two.database.add_domain(child, "west", parent=parent)
    await folded(pair.two)
    pair.two.database.run("UPDATE domain SET network_domain = 'moved.to.the.head' WHERE uuid = %s", parent)
    await folded(pair.two)
    await pair.peer(batch_rows=1)
    assert pair.one.database.domain(child) == ("west", f"/{eu}/west/", None)

    async def nothing_is_parked() -> bool:
        return (await pair.link(pair.one)).parked == 0

    await eventually(nothing_is_parked)  # counts are read each second


async def folded(region) -> None:
    dirty = f"SELECT COUNT(*) FROM `{region.database.schemas.sync}`.dirty"
    await eventually(lambda: region.database.run(dirty) == [(0,)])


async def test_a_suspended_link_rests_and_goes_on_where_it_stood(pair: Pair) -> None:
    await pair.peer("Suspended")
    link = await pair.link(pair.one)
    assert (link.state, link.reason) == ("Suspended", "Suspended")
    key, name = new()
    pair.two.database.add_domain(key, name)
    await folded(pair.two)
    assert (await pair.link(pair.one)).state == "Suspended"
    assert pair.one.database.domain(key) is None
    await pair.peer()
    assert pair.one.database.domain(key) is not None


async def test_a_cut_cable_is_named_and_healing_leaves_no_lag(pair: Pair) -> None:
    pair.cable.cut()
    key, name = new()
    pair.two.database.add_domain(key, name)

    async def broken():
        link = await pair.link(pair.one)
        return link if link.state == "Broken" else None

    link = await eventually(broken)
    assert link.reason == "ProbeTimeout"
    assert link.contact_age_ms >= 4000
    assert link.lag_ms is None
    other = await pair.link(pair.two)
    assert other.state == "Streaming"  # the other direction was not cut
    pair.cable.heal()
    await eventually(lambda: pair.one.database.domain(key))
    await pair.in_sync()


async def test_a_peer_that_is_away_is_named_and_found_again(pair: Pair) -> None:
    await pair.two.stop()

    async def refused() -> bool:
        link = await pair.link(pair.one)
        return link.state == "Broken" and link.reason == "ConnectionRefused"

    await eventually(refused)
    key, name = new()
    pair.two.database.add_domain(key, name)
    await pair.two.start()
    await eventually(lambda: pair.one.database.domain(key))
    await pair.in_sync()


@pytest.mark.rule("OPERATOR 16")
async def test_the_configuration_outlives_the_agent_and_needs_no_operator(pair: Pair) -> None:
    before = await pair.operator.status(pair.one)
    key, name = new()
    for region in (pair.one, pair.two):
        await region.stop()
    pair.two.database.add_domain(key, name)
    for region in (pair.one, pair.two):
        await region.start()
    await eventually(lambda: pair.one.database.domain(key))
    after = await pair.operator.status(pair.one)
    assert (after.configuration_etag, after.claim) == (before.configuration_etag, before.claim)
    assert after.incarnation == before.incarnation  # a plain restart of the agent is no reason for a new one


async def test_a_restart_of_the_database_server_is_survived(pair: Pair, mariadb) -> None:
    await asyncio.to_thread(mariadb.restart)
    for region in (pair.one, pair.two):
        region.database.close()  # the test's own connection
    key, name = new()
    pair.two.database.add_domain(key, name)
    await eventually(lambda: pair.one.database.domain(key), within_s=20)

    async def reported() -> bool:
        return (await pair.operator.status(pair.one)).incarnations > 1

    await eventually(reported)  # facts are read each second
    await pair.in_sync()


@pytest.mark.rule("OPERATOR 10")
async def test_no_row_flows_between_regions_with_different_keys(pair: Pair) -> None:
    pair.two.key_file.write_bytes(b"another key")
    await pair.two.restart()
    key, name = new()
    pair.one.database.add_domain(key, name)
    pair.two.database.add_domain(*new("other"))

    async def refused(region) -> bool:
        link = await pair.link(region)
        return link.state == "Broken" and link.reason == "PeerRefused" and "KeyMismatch" in link.message

    for region in (pair.one, pair.two):
        await eventually(lambda region=region: refused(region))
    status = await pair.operator.status(pair.one)
    assert status.links[0].peer_database_key_fingerprint != status.database_key_fingerprint
    assert pair.two.database.domain(key) is None


@pytest.mark.rule("OPERATOR 11")
async def test_the_management_servers_learn_each_other(pair: Pair) -> None:
    async def registered(region) -> bool:
        return (await pair.link(region)).registered is True

    for region, other in ((pair.one, pair.two), (pair.two, pair.one)):
        await eventually(lambda region=region: registered(region))
        assert region.management.regions[other.id] == (other.name, other.endpoint)


@pytest.mark.rule("OPERATOR 8")
async def test_leaving_takes_everything_along_and_is_remembered(pair: Pair) -> None:
    keys = [new("one-last"), new("two-last")]
    pair.one.database.add_domain(*keys[0])
    pair.two.database.add_domain(*keys[1])
    await pair.peer("Leaving")

    for region, other in ((pair.one, pair.two), (pair.two, pair.one)):
        await eventually(lambda region=region: pair.has_left(region))
        assert other.id not in region.management.regions
        assert (await pair.operator.status(region)).links == []
    assert pair.two.database.domain(keys[0][0])
    assert pair.one.database.domain(keys[1][0])
    await pair.one.restart()
    await eventually(lambda: pair.has_left(pair.one))


@pytest.mark.rule("OPERATOR 8")
async def test_a_management_server_that_keeps_the_other_region_is_what_a_leave_then_waits_for(pair: Pair) -> None:
    pair.one.management.refused.add("removeRegion")
    await pair.peer("Leaving")

    async def told() -> bool:
        held = await pair.operator.link(pair.one, pair.uid)
        return held is not None and held.unwiring and "removeRegion is not now" in held.registered_message

    try:
        await eventually(told)
        await eventually(lambda: pair.has_left(pair.two))
        assert not await pair.has_left(pair.one)
    finally:
        pair.one.management.refused.clear()
    await eventually(lambda: pair.has_left(pair.one))


@pytest.mark.rule("OPERATOR 8")
async def test_a_dead_peer_does_not_keep_a_region_from_leaving(pair: Pair) -> None:
    await pair.two.stop()
    of_one, _ = pair.links("Leaving", drain=1)
    pair.epoch += 1
    await pair.operator.configure(pair.one, pair.one.document(of_one, epoch=pair.epoch))

    await eventually(lambda: pair.has_left(pair.one))
    assert pair.two.id not in pair.one.management.regions


async def test_preparing_again_beside_running_agents_disturbs_nothing(pair: Pair) -> None:
    again = asyncio.create_task(asyncio.to_thread(pair.one.database.prepare))
    keys = [new(f"busy-{number}") for number in range(20)]
    for key in keys:
        await asyncio.to_thread(pair.one.database.add_domain, *key)
    assert "checked" in await again
    for key, _ in keys:
        await eventually(lambda key=key: pair.two.database.domain(key))


@pytest.mark.rule("ENGINE 19")
async def test_an_agent_that_is_killed_in_the_middle_of_a_copy_goes_on_where_it_stood(pair: Pair) -> None:
    await pair.one.stop()
    prefix = uuid.uuid4().hex[:6]
    pair.two.database.run(
        "INSERT INTO domain (uuid, name, parent, owner, path, level, created)"
        " SELECT UUID(), CONCAT(%s, seq), 1, 2, CONCAT('/', %s, seq, '/'), 1, UTC_TIMESTAMP() FROM seq_1_to_800",
        *(prefix, prefix),
    )
    await folded(pair.two)
    counted = f"SELECT COUNT(*) FROM domain WHERE name LIKE '{prefix}%%'"

    def arrived() -> int:
        return pair.one.database.run(counted)[0][0]

    killed_at = []
    with pair.one.process():
        killed_at.append(await eventually(arrived))
    with pair.one.process():
        await eventually(lambda: arrived() > killed_at[0])
        killed_at.append(arrived())
    assert killed_at[0] < 800
    await pair.one.start()
    await eventually(lambda: arrived() == 800)
    await pair.in_sync()
    assert (await pair.link(pair.one)).parked == 0


async def test_a_second_agent_does_not_get_the_database_and_says_so(pair: Pair) -> None:
    other = dataclasses.replace(pair.one, port=free_port(), health_port=free_port(), agent=None, _task=None)
    await other.start()

    async def says_so() -> bool:
        return "another agent holds" in (await pair.operator.status(other)).database_message

    await eventually(says_so)
    assert await pair.is_in_sync(pair.one)
    await other.stop()


async def test_an_agent_that_is_asked_to_stop_ends_in_good_order(pair: Pair) -> None:
    await pair.one.stop()
    with pair.one.process() as running:
        await eventually(lambda: pair.is_in_sync(pair.one))
        running.terminate()
        assert await asyncio.to_thread(running.wait, A_PODS_GRACE_S) == 0
    log = (pair.one.directory / "agent.log").read_text()
    assert '"message": "stopped"' in log.splitlines()[-1]
    assert "secret-key" not in log
    assert "agent-password" not in log
