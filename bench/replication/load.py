"""A writer as a management server is one: single-row updates over a connection, each a transaction, each timed."""

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pymysql
from pymysql.constants import ER

from bench.replication.data import nth_user, user_uuid
from contract.mariadb import MariaDBServer


@dataclass
class Load:
    """What was written; seconds of each write that succeeded, and how many were given up by the server."""

    seconds: list[float] = field(default_factory=list)
    deadlocks: int = 0
    lock_timeouts: int = 0


@dataclass(frozen=True)
class Writer:
    """Updates ``users`` of ``schema`` one by one; ``per_second`` 0 = as fast as it can."""

    server: MariaDBServer
    schema: str
    users: int
    per_second: float = 0.0
    first: int = 0

    def run(self, load: Load, stop: threading.Event) -> None:
        began = time.perf_counter()
        with contextlib.closing(self.server.admin_connection(self.schema)) as session, session.cursor() as cursor:
            for number in itertools.count(1):
                if self.per_second:
                    stop.wait(max(0.0, began + number / self.per_second - time.perf_counter()))
                if stop.is_set():
                    return
                self._write(cursor, number, load)

    @contextlib.contextmanager
    def running(self) -> Iterator[Load]:
        """Write in a thread of its own inside the block."""
        load, stop = Load(), threading.Event()
        thread = threading.Thread(target=self.run, args=(load, stop))
        thread.start()
        try:
            yield load
        finally:
            stop.set()
            thread.join()

    def _write(self, cursor: "pymysql.cursors.Cursor", number: int, load: Load) -> None:
        user = nth_user(self.first + number, self.users)
        began = time.perf_counter()
        try:
            cursor.execute(
                f"UPDATE `user` SET email = %s WHERE uuid = {user_uuid(user)}", (f"{began}-{number}@example.org",)
            )
        except pymysql.OperationalError as error:
            load.deadlocks += error.args[0] == ER.LOCK_DEADLOCK
            load.lock_timeouts += error.args[0] == ER.LOCK_WAIT_TIMEOUT
        else:
            load.seconds.append(time.perf_counter() - began)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
