"""Full scans of two regions that hold the data set, beside Percona Toolkit's programs for the same purpose.

pt-table-checksum is given the easier half: it sums up one server and waits for no replica. pt-table-sync compares the
plain tables of both servers, in which the same rows were deleted.
"""

import asyncio
import contextlib
import shutil
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeVar

from bench.replication.bed import Bed, tell
from bench.replication.data import user_uuid
from bench.replication.native import SCHEMA, TABLES, dump_and_load, empty
from bench.replication.regions import NotFinished
from bench.replication.servers import run
from bench.results import Figure
from contract.agent.regions import PEERING
from contract.mariadb import MariaDBServer
from region_operator.api.scans import ChunkGrant, LoadGrant, ScanGrant, ScanReport
from region_operator.errors import Refused
from region_operator.replication.scans.ports import REGION_BUSY
from region_operator.replication.store.connections import CAPTURE_SWITCH

VERIFY: Final[tuple[Literal["Versions", "Content"], ...]] = ("Versions", "Content")
DRIFTED = 1000
GOAL_VERIFY, GOAL_REPAIR = 1.0, 0.1
LOOK_S = 0.02
REST_S = 6.0
"""Until a scan does not take what did the harm, and pt-table-sync, for the load of others any more."""
DIFFERED = (0, 2)
"""What Percona's programs return when nothing differed, and when something did."""

Result = TypeVar("Result")


async def measure(bed: Bed) -> list[Figure]:
    await _join(bed)
    rows, figures = f"{bed.size.rows:,} rows", []
    checksum_s = await _seconds(lambda: asyncio.to_thread(_checksum, bed))
    for verify in VERIFY:
        clean, clean_s = await _timed(lambda verify=verify: scan(bed, verify=verify))
        _expect(clean, "Clean")
        tell(f"clean, {verify}: {clean_s:.1f} s, pt-table-checksum {checksum_s:.1f} s")
        figures.append(
            Figure(
                f"full scan of equal regions ({verify})",
                round(clean_s, 2),
                "s",
                beside="pt-table-checksum of one server",
                theirs=round(checksum_s, 2),
                ratio_at_most=GOAL_VERIFY,
                size=rows,
            )
        )
    count = min(DRIFTED, bed.size.users // 10)
    figures.append(
        await _repair(bed, f"{count:,} lost rows and brings them back", _lose, count=count, verify=VERIFY[0])
    )
    return figures


async def measure_drift(bed: Bed) -> list[Figure]:
    await _join(bed)
    count = min(DRIFTED, bed.size.users // 10)
    return [await _repair(bed, f"{count:,} changed rows and puts them back", _change, count=count, verify="Content")]


async def _join(bed: Bed) -> None:
    if shutil.which("pt-table-sync") is None:
        raise NotFinished("there is no pt-table-sync: apt-get install percona-toolkit")
    await bed.join()


async def _repair(
    bed: Bed, what: str, harm: Callable[[Bed, int], None], *, count: int, verify: Literal["Versions", "Content"]
) -> Figure:
    await _copy_plain(bed)
    await asyncio.to_thread(harm, bed, count)
    sync_s = await _seconds(lambda: asyncio.to_thread(_sync, bed))
    await asyncio.sleep(REST_S)
    repaired, repaired_s = await _timed(lambda: scan(bed, verify=verify, drift="Revert"))
    _expect(repaired, "Repaired", count=count)
    await bed.check()
    tell(f"{what}: {repaired_s:.1f} s, pt-table-sync {sync_s:.1f} s")
    return Figure(
        f"full scan that finds {what} ({verify})",
        round(repaired_s, 2),
        "s",
        beside="pt-table-sync of the tables",
        theirs=round(sync_s, 2),
        ratio_at_most=GOAL_REPAIR,
        size=f"{bed.size.rows:,} rows",
    )


async def _timed(work: Callable[[], Awaitable[Result]]) -> tuple[Result, float]:
    began = time.perf_counter()
    result = await work()
    return result, time.perf_counter() - began


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    return (await _timed(work))[1]


async def scan(
    bed: Bed,
    *,
    verify: Literal["Versions", "Content"],
    drift: Literal["Capture", "Revert"] = "Capture",
    seen: Callable[[ScanReport], None] = lambda _: None,
) -> ScanReport:
    """One scan as a policy that says nothing has it, but for the marks of load, to its end; ``seen`` meanwhile."""
    regions = bed.regions
    client, endpoint = regions.operator.client, regions.operator.endpoint(regions.one)
    grant = ScanGrant(
        peering_uid=PEERING,
        peer=regions.two.id,
        verify=verify,
        drift=drift,
        chunk=ChunkGrant(target_millis=500, max_rows=50_000),
        load=LoadGrant(),
        not_after="2100-01-01T00:00:00Z",
        epoch=regions.epoch,
    )
    scan_id, until = str(uuid.uuid4()), time.perf_counter() + bed.limit_s
    while True:
        try:
            await client.put_scan(endpoint, scan_id, grant)
            break
        except Refused as refused:
            if refused.reason != REGION_BUSY or time.perf_counter() > until:
                raise
            await asyncio.sleep(LOOK_S)  # the one before has ended and gives the regions back
    try:
        while time.perf_counter() < until:
            report = {report.id: report for report in (await client.get_scans(endpoint)).scans}[scan_id]
            seen(report)
            if report.state == "Ended":
                return report
            await asyncio.sleep(LOOK_S)
    except asyncio.CancelledError:
        await client.delete_scan(endpoint, scan_id)
        raise
    raise NotFinished(f"the scan stands at {report}")


def _expect(report: ScanReport, result: str, *, count: int = 0) -> None:
    if (report.result, report.differing, report.repaired) != (result, count, count):
        raise NotFinished(f"the scan ended otherwise than {result}, {count}: {report}")


def _checksum(bed: Bed) -> None:
    server = bed.servers[0]
    options = ["--no-check-binlog-format", "--no-check-replication-filters", "--recursion-method=none", "--quiet"]
    tables = ",".join(TABLES)
    _percona("pt-table-checksum", server, *options, f"--databases={bed.schema}", f"--tables={tables}", _dsn(server))


async def _copy_plain(bed: Bed) -> None:
    """The tables of region 1 on both servers, with the same local ids."""
    for server in bed.servers:
        empty(server)
        await asyncio.to_thread(dump_and_load, bed.servers[0], server, schema=bed.schema)


def _lose(bed: Bed, count: int) -> None:
    """Delete users in region 2 and in the second server's plain table, behind everybody's back."""
    database = bed.regions.databases[1]
    keys = [user_uuid(1 + number * 7) for number in range(count)]
    with contextlib.closing(bed.servers[1].admin_connection(bed.schema)) as session, session.cursor() as cursor:
        cursor.execute(f"SET {CAPTURE_SWITCH} = 1")
        for key in keys:
            cursor.execute(f"DELETE FROM user WHERE uuid = {key}")
            cursor.execute(f"DELETE FROM `{SCHEMA}`.user WHERE uuid = {key}")
            cursor.execute(
                f"DELETE FROM `{database.schemas.sync}`.row_version WHERE entity = 'user' AND entity_key = {key}"
            )


def _change(bed: Bed, count: int) -> None:
    """The same for what users are called."""
    keys = ", ".join(user_uuid(1 + number * 7) for number in range(count))
    with contextlib.closing(bed.servers[1].admin_connection(bed.schema)) as session, session.cursor() as cursor:
        cursor.execute(f"SET {CAPTURE_SWITCH} = 1")
        for schema in (bed.schema, SCHEMA):
            cursor.execute(f"UPDATE `{schema}`.user SET firstname = CONCAT('drifted-', id) WHERE uuid IN ({keys})")


def _sync(bed: Bed) -> None:
    one, two = bed.servers
    _percona("pt-table-sync", one, "--execute", "--no-check-slave", f"{_dsn(one)},D={SCHEMA},t=user", _dsn(two))
    counts = {run(server, f"SELECT COUNT(*) FROM `{SCHEMA}`.user")[0] for server in bed.servers}
    if len(counts) != 1:
        raise NotFinished(f"pt-table-sync left {counts} users")


def _percona(program: str, server: MariaDBServer, *arguments: str) -> None:
    """All servers have the same admin."""
    command = [program, f"--user={server.user}", f"--password={server.password}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in DIFFERED:
        raise NotFinished(f"{program} ended with {done.returncode}: {done.stderr[-500:]}")


def _dsn(server: MariaDBServer) -> str:
    return f"h={server.host},P={server.port}"
