"""The lane: everything that writes to a region's database goes one after the other through one session.

So versions are numbered in the order in which they become visible, and no write of ours waits for another one of ours.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import pymysql

from region_operator.errors import Unavailable
from region_operator.replication.store.connections import Address, Session, connect, translated
from region_operator.replication.store.faults import is_lock_error

Result = TypeVar("Result")

ATTEMPTS: Final = 6


class Lane:
    """The one session that writes, and the lock around it; reconnects, and says so to who opened it.

    ``on_connect`` runs on each new session before anything else does: it takes the database's lock and finds out
    whether the server has been restarted.
    """

    def __init__(self, address: Address, *, on_connect: Callable[[Session], None]) -> None:
        self._address, self._on_connect = address, on_connect
        self._session: Session | None = None
        self._lock = threading.RLock()
        self._writes = 0

    @property
    def writes(self) -> int:
        """Statements that wrote, of all sessions there have been."""
        session = self._session
        return self._writes + (session.writes if session is not None else 0)

    def run(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in a transaction; again after a deadlock, a lock that was not got in time, a lost connection."""
        with self._lock:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return self._once(work)
                except Unavailable:
                    if attempt >= 2:
                        raise
                except pymysql.Error as error:
                    if not is_lock_error(error) or attempt == ATTEMPTS:
                        raise
                    time.sleep(0.02 * attempt)
        raise AssertionError("unreachable")

    def _once(self, work: Callable[[Session], Result]) -> Result:
        if self._session is None:
            session = connect(self._address)
            try:
                with translated(self._address):
                    self._on_connect(session)
            except BaseException:
                session.close()
                raise
            self._session = session
        try:
            with translated(self._address), self._session.transaction():
                return work(self._session)
        except Unavailable:
            self._forget()
            raise

    def _forget(self) -> None:
        if self._session is not None:
            self._writes, session, self._session = self.writes, self._session, None
            session.close()

    def close(self) -> None:
        with self._lock:
            self._forget()
