"""What a region tells of its load, read by the agent's own database user, which may see no other user's threads."""

import asyncio
import contextlib
import threading

import pymysql
import pytest

from contract.agent.regions import Pair, eventually
from region_operator.replication.load import API_P95, HISTORY_LENGTH, ROW_LOCK_WAITS, THREADS_RUNNING

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("OPERATOR 18")]

SCAN = "scan"


async def gauges(pair: Pair) -> dict[str, int]:
    return dict((await pair.one.agent.scanned().hold(SCAN)).gauges)


async def test_statements_that_execute_are_seen(pair: Pair) -> None:
    before = (await gauges(pair))[THREADS_RUNNING]
    database = pair.one.database
    sleepers = [database.server.admin_connection(database.schemas.business) for _ in range(8)]
    threads = [threading.Thread(target=_sleep, args=(connection,)) for connection in sleepers]
    for thread in threads:
        thread.start()

    async def seen() -> bool:
        return (await gauges(pair))[THREADS_RUNNING] >= before + 8 - 2  # the first look may have seen other ones too

    await eventually(seen)
    for connection in sleepers:
        database.run(f"KILL {connection.thread_id()}")
    for thread in threads:
        thread.join()


def _sleep(connection: pymysql.Connection) -> None:
    with contextlib.suppress(pymysql.err.Error), connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(300)")


async def test_old_snapshots_that_hold_purge_back_are_seen(pair: Pair) -> None:
    database = pair.one.database
    database.add_domain("d-history", "history")
    reader = database.server.admin_connection(database.schemas.business)
    with reader.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    for number in range(100):
        database.run("UPDATE domain SET network_domain = %s WHERE uuid = 'd-history'", str(number))

    async def seen() -> bool:
        return (await gauges(pair))[HISTORY_LENGTH] >= 100

    await eventually(seen)
    reader.close()


async def test_waits_for_row_locks_are_seen_as_a_rate(pair: Pair) -> None:
    database = pair.one.database
    database.add_domain("d-locked", "locked")
    holder, waiter = (database.server.admin_connection(database.schemas.business) for _ in range(2))
    with holder.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("UPDATE domain SET network_domain = 'held' WHERE uuid = 'd-locked'")

    async def seen() -> bool:
        with waiter.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
            with pytest.raises(pymysql.err.OperationalError, match="1205"):
                await asyncio.to_thread(
                    cursor.execute, "UPDATE domain SET network_domain = 'waits' WHERE uuid = 'd-locked'"
                )
        return (await gauges(pair)).get(ROW_LOCK_WAITS, 0) >= 1

    await eventually(seen)
    holder.close()
    waiter.close()


async def test_the_management_servers_latency_is_measured(pair: Pair) -> None:
    async def seen() -> bool:
        return API_P95 in await gauges(pair)

    await eventually(seen)
    assert "listCapabilities" in pair.one.management.calls
