"""Connections to a region's database, all with one way of speaking, and a few that are kept for readers.

Values come as they travel: datetimes and decimals as text, in UTC. Errors of the driver end here.
"""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import Cursor as Statement

from region_operator import naming
from region_operator.errors import Unavailable
from region_operator.replication.store.faults import is_deadlock, is_denied, is_gone

Row = tuple[Any, ...]
Result = TypeVar("Result")

CAPTURE_SWITCH: Final = "@region_sync_apply"
"""Session variable that tells the triggers that the applier writes."""

LONGEST_GROUP: Final = 16 * 1024 * 1024
"""Bytes that GROUP_CONCAT and JSON_ARRAYAGG make at most; what is longer they cut off."""

_SESSION: Final = (
    # STRICT: a value that does not fit is an error that parks a row, never a silently different value under its dot.
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
    " time_zone = '+00:00', innodb_lock_wait_timeout = 1, lock_wait_timeout = 5,"
    f" group_concat_max_len = {LONGEST_GROUP}"
)
_AS_TEXT: Final = (
    FIELD_TYPE.DATETIME,
    FIELD_TYPE.TIMESTAMP,
    FIELD_TYPE.DATE,
    FIELD_TYPE.TIME,
    FIELD_TYPE.DECIMAL,
    FIELD_TYPE.NEWDECIMAL,
)
_WRITES: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE")


@dataclass(frozen=True)
class Address:
    """Where a region's database is and as whom to speak to it."""

    host: str
    user: str
    password: str = field(repr=False)
    port: int = naming.DATABASE_PORT
    business_schema: str = naming.BUSINESS_SCHEMA
    sync_schema: str = naming.SYNC_SCHEMA
    tls_mode: Literal["VerifyIdentity", "VerifyCA", "Disabled"] = "Disabled"
    ca_file: Path | None = None


class Session:
    """One connection; statements bind their values, identifiers are quoted by who writes them.

    Attributes:
        writes: statements that wrote, as the server counts them.
    """

    def __init__(self, connection: "pymysql.connections.Connection[Statement]") -> None:
        self._connection = connection
        self.writes = 0

    def execute(self, sql: str, values: Sequence[Any] | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        self.writes += sql.startswith(_WRITES)
        with self._connection.cursor() as statement:
            return statement.execute(sql, values)

    def insert(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run ``INSERT ... VALUES (...)`` for many rows at once."""
        if rows:
            self.writes += 1
            with self._connection.cursor() as statement:
                statement.executemany(sql, rows)

    def insert_one(self, sql: str, values: Sequence[Any]) -> int:
        """Insert a row and return the number that the server gave it."""
        self.writes += 1
        with self._connection.cursor() as statement:
            statement.execute(sql, values)
            return int(statement.lastrowid)

    def execute_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row."""
        for row in rows:
            self.execute(sql, row)

    def select(self, sql: str, values: Sequence[Any] | None = None) -> list[Row]:
        with self._connection.cursor() as statement:
            statement.execute(sql, values)
            return list(statement.fetchall())

    def one(self, sql: str, values: Sequence[Any] | None = None) -> Row | None:
        rows = self.select(sql, values)
        return rows[0] if rows else None

    def execute_text(self, statement: bytes) -> None:
        """Run a statement with its values in it, of UTF-8; for those who have proved that they are literals."""
        self._connection.query(statement)

    @contextlib.contextmanager
    def transaction(self, begin: str = "START TRANSACTION") -> Iterator[None]:
        self.execute(begin)
        try:
            yield
        except BaseException:
            with contextlib.suppress(pymysql.Error):
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        self.execute("SAVEPOINT piece")
        try:
            yield
        except BaseException as error:
            if not (is_deadlock(error) or is_gone(error)):  # these have rolled everything back already
                self.execute("ROLLBACK TO SAVEPOINT piece")
            raise
        self.execute("RELEASE SAVEPOINT piece")

    def close(self) -> None:
        with contextlib.suppress(pymysql.Error):
            self._connection.close()


def connect(address: Address) -> Session:
    """Open a session; raises Unavailable."""
    converters = {**conversions}
    for kind in _AS_TEXT:
        converters.pop(kind, None)
    with translated(address):
        connection = pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=10,
            read_timeout=60,
            write_timeout=60,
            conv=converters,
            **_tls(address),
        )
        session = Session(connection)
        session.execute(_SESSION)
        session.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return session


def _tls(address: Address) -> dict[str, Any]:
    if address.tls_mode == "Disabled":
        return {"ssl_disabled": True}  # else the driver would take what TLS a server offers, and verify nothing
    context = ssl.create_default_context(cafile=str(address.ca_file) if address.ca_file else None)
    context.check_hostname = address.tls_mode == "VerifyIdentity"
    return {"ssl": context}


@contextlib.contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raise Unavailable in place of errors that say that the server is not there or does not let us in."""
    try:
        yield
    except ssl.SSLError as error:
        raise Unavailable(reason="TLSFailed", message=f"TLS with {address.host}:{address.port}: {error}") from error
    except (pymysql.OperationalError, pymysql.InternalError, pymysql.InterfaceError, OSError) as error:
        reason = "ConnectionRefused" if is_gone(error) else "AuthFailed" if is_denied(error) else None
        if reason is None:
            raise
        raise Unavailable(reason=reason, message=f"database {address.host}:{address.port}: {_text(error)}") from error


def _text(error: BaseException) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error)


class Readers:
    """Sessions for reading, kept for the next one; as many as there are readers at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[Session] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session inside one consistent snapshot of everything committed."""
        with translated(self._address):
            session, _ = self._on_live_one(_begin_snapshot)
            try:
                yield session
                session.execute("COMMIT")
            except BaseException:
                session.close()
                raise
        self._keep(session)

    def select(self, sql: str, values: Sequence[Any] | None = None) -> list[Row]:
        """Run one statement, which is its own snapshot: a quarter of the round trips of ``snapshot``."""
        with translated(self._address):
            session, found = self._on_live_one(lambda session: session.select(sql, values))
        self._keep(session)
        return found

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _keep(self, session: Session) -> None:
        with self._lock:
            self._idle.append(session)

    def _on_live_one(self, work: Callable[[Session], Result]) -> tuple[Session, Result]:
        """Do ``work`` on an idle session if one is still alive, else on a new one."""
        while True:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
            session = idle or connect(self._address)
            try:
                return session, work(session)
            except BaseException as error:
                session.close()
                if idle is None or not is_gone(error):
                    raise


def _begin_snapshot(session: Session) -> None:
    session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
