"""How long one change takes to the other region when nothing else happens, beside MariaDB's own replication."""

import asyncio
import contextlib
import time

from bench.replication.bed import Bed, tell
from bench.replication.data import user_uuid
from bench.replication.load import percentile
from bench.replication.native import SCHEMA
from bench.replication.regions import NotFinished
from bench.results import Figure
from contract.mariadb import MariaDBServer

SAMPLES, GAP_S = 200, 0.15
RESTED_SAMPLES, REST_S = 10, 6.0  # a system that has had nothing to do for a while may look less often
LOOK_S = 0.0005
GOALS_MS = {50: 25.0, 99: 100.0}


async def measure(bed: Bed) -> list[Figure]:
    await bed.join()
    native = await bed.replicate_natively()
    native.start()
    await asyncio.to_thread(native.caught_up, limit_s=bed.limit_s)
    theirs = await asyncio.to_thread(delays_ms, bed.servers, SCHEMA, samples=SAMPLES, gap_s=GAP_S)
    native.stop()
    ours = await asyncio.to_thread(delays_ms, bed.servers, bed.schema, samples=SAMPLES, gap_s=GAP_S)
    rested = await asyncio.to_thread(delays_ms, bed.servers, bed.schema, samples=RESTED_SAMPLES, gap_s=REST_S)
    medians = [percentile(delays, 50) for delays in (ours, rested, theirs)]
    tell("medians: ours {:.1f} ms, after a rest {:.1f} ms, MariaDB's own {:.1f} ms".format(*medians))
    return [
        Figure(
            f"one change, idle system: p{percent}",
            round(percentile(ours, percent), 2),
            "ms",
            goal=goal,
            beside="GTID replication",
            theirs=round(percentile(theirs, percent), 2),
            size=f"{SAMPLES} changes, {GAP_S:g} s apart",
        )
        for percent, goal in GOALS_MS.items()
    ] + [
        Figure(
            f"one change, {REST_S:g} s after the last: {name}",
            round(percentile(rested, percent), 2),
            "ms",
            goal=goal,
            size=f"{RESTED_SAMPLES} changes",
        )
        for percent, name, goal in ((50, "p50", GOALS_MS[50]), (100, "slowest", GOALS_MS[99]))
    ]


def delays_ms(
    servers: tuple[MariaDBServer, MariaDBServer], schema: str, *, samples: int, gap_s: float, within_s: float = 10.0
) -> list[float]:
    """From a commit on one server until a reader of the other sees it, one change after the other."""
    source, target = servers
    delays = []
    with (
        contextlib.closing(source.admin_connection(schema)) as writing,
        contextlib.closing(target.admin_connection(schema)) as reading,
        writing.cursor() as writer,
        reading.cursor() as reader,
    ):
        for number in range(1, samples + 1):
            time.sleep(gap_s)
            value = f"sample {number} of {time.time_ns()}"
            writer.execute(f"UPDATE `user` SET lastname = %s WHERE uuid = {user_uuid(number)}", (value,))
            began = time.perf_counter()
            while True:
                reader.execute(f"SELECT lastname FROM `user` WHERE uuid = {user_uuid(number)}")
                seconds = time.perf_counter() - began
                if (reader.fetchone() or ("",))[0] == value:
                    break
                if seconds > within_s:
                    raise NotFinished(f"change {number} was not there after {within_s:g} s")
                time.sleep(LOOK_S)
            delays.append(seconds * 1000)
    return delays
