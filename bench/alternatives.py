"""What becomes of concurrent writes under other ways of replicating, and under ours: `python -m bench.alternatives`.

Two regions are apart, both write, they meet: once over MariaDB's own replication both ways, once over ours. Then a
region whose clock is an hour ahead writes, and the other one, which has seen that, writes after it. Galera is measured
where its library is installed.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from bench import galera
from bench.replication.bed import Bed, bed, tell
from bench.replication.data import Size, nth_user, update_users, user_uuid
from bench.replication.native import SCHEMA, GtidReplication
from bench.replication.regions import applied, conflicts
from bench.replication.servers import run
from bench.results import Figure, record
from bench.tables import text_table
from contract.mariadb import MariaDBServer

SIZE = Size(domains=10, accounts=1000, users=1000, updates=0)
ROWS = 200  # of each kind
WRITES = 10  # to each row while the other region is away
NAME = "alternatives"
SKEW_S = 3600


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.alternatives", description=__doc__)
    parser.add_argument("--print-only", action="store_true", help="do not write bench/results")
    options = parser.parse_args()
    figures = asyncio.run(_run())
    if missing := galera.missing():
        tell(f"Galera is not measured: no {', '.join(missing)} (Debian: galera-4, mariadb-server, rsync)")
    else:
        figures += galera.measure()
    if not options.print_only:
        record(NAME, figures)
    print(text_table([figure.row() for figure in figures]))
    return 0


async def _run() -> list[Figure]:
    async with bed(SIZE, limit_s=120) as made:
        await made.join()
        native = await _two_way(made)
        ours = await _ours(made)
        clocks = await _clocks(made)
        backlog = await _backlog(made)
    return [*native, *ours, *clocks, *backlog]


# --- both sides write while they are apart ----------------------------------------------------------------------------


def _write_apart(servers: Sequence[MariaDBServer], schema: str) -> None:
    """The same field of some rows on both sides, and different fields of others."""
    for server, (first_column, then_column), value in (
        (servers[0], ("lastname", "email"), "one"),
        (servers[1], ("lastname", "firstname"), "two"),
    ):
        for column, first in ((first_column, 0), (then_column, ROWS)):
            update_users(server, schema, users=SIZE.users, count=ROWS, first=first, column=column, value=value)


def _users(server: MariaDBServer, schema: str, first: int) -> list[tuple[str, ...]]:
    """lastname, firstname, email of the rows that were written from ``first`` on, in the order of writing."""
    found = []
    for k in range(first + 1, first + ROWS + 1):
        where = f"uuid = {user_uuid(nth_user(k, SIZE.users))}"
        (row,) = run(server, f"SELECT lastname, firstname, email FROM `user` WHERE {where}", database=schema)
        found.append(tuple(map(str, row)))
    return found


def _outcome(who: str, servers: Sequence[MariaDBServer], schema: str, *, recorded: int, goals: bool) -> list[Figure]:
    same = [_users(server, schema, 0) for server in servers]
    other = [_users(server, schema, ROWS) for server in servers]
    differ = sum(one != two for one, two in zip(*same, strict=True))
    differ += sum(one != two for one, two in zip(*other, strict=True))
    lost = sum(not (row[1].startswith("two") and row[2].startswith("one")) for side in other for row in side)
    unrecorded = ROWS - recorded
    goal = 0.0 if goals else None
    return [
        Figure(f"{who}: rows that stay different in the two regions", differ, "", goal, size=f"of {2 * ROWS}"),
        Figure(f"{who}: copies without one of two changes to different fields", lost, "", goal, size=f"of {2 * ROWS}"),
        Figure(
            f"{who}: concurrent changes of one field that nobody is told of", unrecorded, "", goal, size=f"of {ROWS}"
        ),
    ]


async def _two_way(made: Bed) -> list[Figure]:
    """MariaDB's own replication in both directions; local ids cannot clash, for nothing is inserted."""
    forth = await made.replicate_natively()
    back = GtidReplication(made.servers[1], made.servers[0])
    back.set_up()
    await asyncio.to_thread(_write_apart, made.servers, SCHEMA)
    for direction in (forth, back):
        direction.start()
        await asyncio.to_thread(direction.caught_up, limit_s=60)
    told = f"{forth.errors()}{back.errors()}"
    tell(f"MariaDB's replication both ways: it says {told or 'nothing'}")
    figures = _outcome("native, both ways", made.servers, SCHEMA, recorded=ROWS if told else 0, goals=False)
    for direction in (forth, back):
        direction.stop()
    return figures


async def _ours(made: Bed) -> list[Figure]:
    await made.regions.resting()
    await asyncio.to_thread(_write_apart, made.servers, made.schema)
    await made.regions.links("Active")
    await made.regions.equal(limit_s=made.limit_s)
    one, two = made.regions.databases
    recorded = min(conflicts(one, "lastname"), conflicts(two, "lastname"))
    sync = one.schemas.sync
    record_, *_ = one.run(f"SELECT record FROM `{sync}`.conflict WHERE field = 'lastname' ORDER BY id LIMIT 1")[0]
    tell(f"ours: {recorded} conflicts are recorded, the first one as {record_}")
    return _outcome("ours", made.servers, made.schema, recorded=recorded, goals=True)


# --- a clock that is wrong --------------------------------------------------------------------------------------------


async def _clocks(made: Bed) -> list[Figure]:
    """Region 2, an hour ahead, writes; region 1 has seen it and writes after it: which of the two is kept?"""
    done_at = {}
    for server, value, skew_s in ((1, "before", SKEW_S), (0, "after", 0)):
        done_at[value] = await asyncio.to_thread(
            update_users,
            made.servers[server],
            made.schema,
            users=SIZE.users,
            count=ROWS,
            first=2 * ROWS,
            column="lastname",
            value=value,
            clock_ahead_s=skew_s,
        )
        await made.regions.equal(limit_s=made.limit_s)
    kept = [_users(server, made.schema, 2 * ROWS) for server in made.servers]
    ours = sum(not row[0].startswith("after") for side in kept for row in side)
    by_timestamp = ROWS if done_at["after"] < done_at["before"] else 0  # by the time that each server's clock showed
    size = f"of {ROWS}, clock {SKEW_S} s ahead"
    return [
        Figure("the later timestamp wins: later writes that are lost", by_timestamp, "", size=size),
        Figure("ours: later writes that are lost", ours / 2, "", goal=0, size=size),
    ]


# --- what waits while a region is away --------------------------------------------------------------------------------


async def _backlog(made: Bed) -> list[Figure]:
    """Rows that wait to be sent after each was written many times, beside the messages that a queue would keep."""
    await made.regions.resting()
    for number in range(WRITES):
        await asyncio.to_thread(
            update_users, made.servers[0], made.schema, users=SIZE.users, count=ROWS, value=f"{number}-"
        )
    await made.regions.folded(limit_s=made.limit_s)
    one, two = made.regions.databases
    beyond = f"SELECT COUNT(*) FROM `{one.schemas.sync}`.row_version WHERE lsn > %s"
    ((waiting,),) = one.run(beyond, applied(two, source=1))
    return [
        Figure(
            f"ours: rows to send after {WRITES} writes to each of {ROWS}",
            int(waiting),
            "rows",
            goal=ROWS,
            beside="messages of a queue",
            theirs=WRITES * ROWS,
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
