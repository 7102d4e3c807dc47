"""Connections of a management server: pymysql blocks, so each of a few worker threads owns one connection.

A transaction runs whole on one thread. Who asks for more than the threads and a short queue can do is told so at once,
rather than waiting until the client has gone.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import DictCursor

from region_operator.errors import Conflict, InvalidInput, Unavailable
from region_operator.settings import DatabaseSettings

Row = dict[str, Any]
Result = TypeVar("Result")

log = logging.getLogger(__name__)

_SESSION: Final = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 10",
)
_TIMEOUT_S: Final = 30
_RETRIES: Final = 3
_QUEUE: Final = 256
_LOST: Final = {CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, CR.CR_CONN_HOST_ERROR, CR.CR_CONNECTION_ERROR, 1927, 0}
_REFUSED: Final = {ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.BAD_DB_ERROR}
_RACED: Final = {ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT, 1020}  # 1020: the row changed since it was read


class DuplicateKey(Conflict):
    """A unique index refused the write: another row has that value."""


class Transaction:
    """What a command does to the database; values are always bound, never written into the statement."""

    def __init__(self, connection: "pymysql.Connection[DictCursor]") -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def row(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
        found = self.rows(statement, values)
        return found[0] if found else None

    def write(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """The number of rows that the statement found.

        Raises:
            DuplicateKey: a unique index refuses it.
        """
        with self._connection.cursor() as cursor:
            return self._execute(cursor, statement, values)

    def insert(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> int:
        """The local id of the new row."""
        with self._connection.cursor() as cursor:
            self._execute(cursor, statement, values)
            return int(cursor.lastrowid or 0)

    def savepoint(self) -> None:
        self.write("SAVEPOINT step")

    def undo_to_savepoint(self) -> None:
        self.write("ROLLBACK TO SAVEPOINT step")

    def _execute(self, cursor: DictCursor, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> int:
        try:
            return cursor.execute(statement, values)
        except pymysql.err.IntegrityError as error:
            if error.args[0] == ER.DUP_ENTRY:
                raise DuplicateKey("another row has that value") from error
            raise


class Database:
    """The door to a region's business schema."""

    def __init__(self, settings: DatabaseSettings, *, workers: int = 8) -> None:
        self._settings = settings
        self._executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="database")
        self._limit = workers + _QUEUE
        self._running = 0
        self._own = threading.local()
        self._open: set[pymysql.Connection[DictCursor]] = set()

    @property
    def running(self) -> int:
        """How many transactions run or wait for a thread."""
        return self._running

    async def run(self, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` in one transaction and commit it; it is run again if it lost a race, so it may do nothing else.

        Raises:
            Unavailable: no database, or more is asked for than it can do.
            Conflict: it lost the race each time.
        """
        if self._running >= self._limit:
            raise Unavailable(reason="Overloaded", message="too many requests are waiting for the database")
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._attempts, work)
        finally:
            self._running -= 1

    async def ping(self) -> None:
        await self.run(lambda transaction: transaction.rows("SELECT 1"))

    def close(self) -> None:
        """Wait for running transactions, then hang up."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        for connection in self._open:
            connection.close()
        self._open.clear()

    def _attempts(self, work: Callable[[Transaction], Result]) -> Result:
        for attempt in range(1, _RETRIES + 1):
            try:
                return self._attempt(work)
            except pymysql.err.OperationalError as error:
                code = error.args[0] if error.args else 0
                if code in _RACED and attempt == _RETRIES:
                    raise Conflict("other changes of the same rows came first each time; try again") from error
                if code not in _RACED:
                    raise
        raise AssertionError("unreachable")

    def _attempt(self, work: Callable[[Transaction], Result]) -> Result:
        connection = self._begin()
        try:
            result = work(Transaction(connection))
            connection.commit()
        except BaseException as error:
            self._end(connection, error)
            raise
        return result

    def _begin(self) -> "pymysql.Connection[DictCursor]":
        """A connection with a new transaction; a BEGIN that fails has done nothing, so it may be done elsewhere."""
        connection: pymysql.Connection[DictCursor] | None = getattr(self._own, "connection", None)
        if connection is not None:
            try:
                connection.begin()
            except (pymysql.err.Error, OSError):
                self._drop(connection)
            else:
                return connection
        connection = self._own.connection = connect(self._settings)
        self._open.add(connection)
        connection.begin()
        return connection

    def _end(self, connection: "pymysql.Connection[DictCursor]", error: BaseException) -> None:
        """Roll back; a connection that cannot is dropped, and its loss is not the client's fault."""
        try:
            connection.rollback()
        except (pymysql.err.Error, OSError):
            self._drop(connection)
            if isinstance(error, pymysql.err.OperationalError | pymysql.err.InterfaceError):
                raise Unavailable(reason="DatabaseLost", message="the connection to the database was lost") from error

    def _drop(self, connection: "pymysql.Connection[DictCursor]") -> None:
        self._own.connection = None
        self._open.discard(connection)
        try:
            connection.close()
        except (pymysql.err.Error, OSError):
            log.debug("the lost connection could not be closed in good order")


def connect(settings: DatabaseSettings) -> "pymysql.Connection[DictCursor]":
    """A connection in UTC, READ COMMITTED and strict mode; the credentials are read anew, so they may rotate.

    Raises:
        Unavailable: the server cannot be reached, its certificate is not trusted, or it does not let us in.
    """
    try:
        connection = pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=_credential(settings, "username"),
            password=_credential(settings, "password"),
            database=settings.name,
            charset="utf8mb4",
            cursorclass=DictCursor,
            autocommit=False,
            connect_timeout=5,
            read_timeout=_TIMEOUT_S,
            write_timeout=_TIMEOUT_S,
            **_tls(settings),
        )
        for statement in _SESSION:
            connection.query(statement)
    except pymysql.err.OperationalError as error:
        raise _unavailable(error, place=f"{settings.host}:{settings.port}") from error
    return connection


def _unavailable(error: pymysql.err.OperationalError, *, place: str) -> Unavailable:
    code = error.args[0] if error.args else 0
    if code == CR.CR_SSL_CONNECTION_ERROR or isinstance(getattr(error, "original_exception", None), ssl.SSLError):
        return Unavailable(reason="TLSFailed", message=f"TLS with the database at {place} failed: {error.args[1:]}")
    if code in _REFUSED:
        return Unavailable(reason="AuthFailed", message=f"the database at {place} refuses our user")
    if code in _LOST:
        return Unavailable(reason="ConnectionRefused", message=f"cannot reach the database at {place}")
    return Unavailable(reason="DatabaseError", message=f"the database at {place} answered {code}")


def _credential(settings: DatabaseSettings, name: str) -> str:
    path = settings.credentials_directory / name
    try:
        return path.read_text().strip()
    except OSError as error:
        raise InvalidInput(
            field=str(path),
            problem=f"cannot read the database's credentials ({error.strerror})",
            remedy="mount a Secret with the keys username and password",
        ) from error


def _tls(settings: DatabaseSettings) -> dict[str, Any]:
    if settings.tls_mode == "Disabled":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.check_hostname = settings.tls_mode == "VerifyIdentity"
    return {"ssl": context}
