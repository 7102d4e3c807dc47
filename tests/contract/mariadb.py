"""A real MariaDB server for contract tests: own data directory, loopback port, gone after its tests.

A server starts in a tenth of a second from a copy of data that was installed once, and gets slower with every schema,
user and grant that tests leave in it: so none lives longer than the tests of one module, or than one test. Each test
asks for schemas of its own with ``fresh_schemas()``.
"""

import contextlib
import getpass
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pymysql.cursors
import pytest

from contract.ports import free_port

ADMIN_USER = "root"
ADMIN_PASSWORD = "contract-admin"
START_TIMEOUT_S = 60.0
NOT_YET_UP = {2003, 2013}

OPTIONS = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",  # a killed process still loses nothing
    "--performance-schema=OFF",
    "--default-time-zone=+05:30",  # whoever relies on the server's zone fails here
    "--max-connections=200",
]


@dataclass(frozen=True)
class Schemas:
    """Names of a business schema and of the schema that holds its replication state."""

    business: str
    sync: str


class MariaDBServer:
    """A mariadbd process under ``directory``; start, stop, kill and restart keep port and data."""

    host = "127.0.0.1"
    user = ADMIN_USER
    password = ADMIN_PASSWORD

    def __init__(
        self, directory: Path, *, options: Sequence[str] = OPTIONS, environment: Mapping[str, str] | None = None
    ) -> None:
        self.directory, self.options = directory, options
        self._environment = {**os.environ, **(environment or {})}
        self.port = free_port()
        self._data = directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def install(self) -> None:
        """Make the data directory with a password for the admin."""
        _program("mariadb-install-db", self._install_arguments())
        self.start(initialise=True)

    def take_up(self, installed: Path) -> None:
        """Start on a copy of the data directory of a server that was stopped."""
        shutil.copytree(installed, self._data)
        self.start()

    def start(self, *, initialise: bool = False) -> None:
        arguments = [_path("mariadbd"), "--no-defaults", *self._places(), *self.options, f"--port={self.port}"]
        if initialise:
            init_file = self.directory / "init.sql"
            init_file.write_text(
                f"ALTER USER '{ADMIN_USER}'@'localhost' IDENTIFIED BY '{ADMIN_PASSWORD}';\n"
                f"CREATE OR REPLACE USER '{ADMIN_USER}'@'127.0.0.1' IDENTIFIED BY '{ADMIN_PASSWORD}';\n"
                f"GRANT ALL ON *.* TO '{ADMIN_USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
            )
            arguments.append(f"--init-file={init_file}")
        log = (self.directory / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, env=self._environment)
        self._await_answer()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Shut down in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process as a crash would."""
        self._end(signal.SIGKILL)

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Inside the block the server is there and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def admin_connection(
        self, database: str | None = None, *, autocommit: bool = True
    ) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        return self.connection(self.user, self.password, database, autocommit=autocommit)

    def connection(
        self, user: str, password: str, database: str | None = None, *, autocommit: bool = True
    ) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=user,
            password=password,
            database=database,
            charset="utf8mb4",
            autocommit=autocommit,
            ssl_disabled=True,  # else each connection makes a TLS context first: a quarter of the time of these tests
        )

    def fresh_schemas(self, *, character_set: str = "utf8mb4") -> Schemas:
        """Create an empty business schema and name (not create) a schema for replication state beside it."""
        number = next(self._numbers)
        schemas = Schemas(business=f"cloud_{number}", sync=f"region_sync_{number}")
        with contextlib.closing(self.admin_connection()) as admin, admin.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{schemas.business}` CHARACTER SET {character_set}")
        return schemas

    def _install_arguments(self) -> list[str]:
        return [
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=16M",
            *self._places(server_only=False),
        ]

    def _places(self, *, server_only: bool = True) -> list[str]:
        # A server that starts deletes what it takes for its own leftovers: not those of others in a shared /tmp.
        temporary = self.directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        places = [f"--datadir={self._data}", f"--tmpdir={temporary}", f"--user={getpass.getuser()}"]
        if server_only:
            places += [f"--socket={self.directory / 's'}", f"--pid-file={self.directory / 'pid'}"]
        return places

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.admin_connection().close()
            except pymysql.err.OperationalError as error:
                gone = self._process is None or self._process.poll() is not None
                if error.args[0] not in NOT_YET_UP or gone or time.monotonic() > deadline:
                    log = (self.directory / "server.log").read_text(errors="replace")[-4000:]
                    raise RuntimeError(f"mariadbd did not come up: {error}\n{log}") from error
                time.sleep(0.05)
            else:
                return

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=START_TIMEOUT_S)
            self._process = None


@contextlib.contextmanager
def running_server(
    directory: Path,
    *,
    options: Sequence[str] = OPTIONS,
    environment: Mapping[str, str] | None = None,
    installed: Path | None = None,
) -> Iterator[MariaDBServer]:
    """A server that is up inside the block, on a copy of ``installed`` where given; skips where MariaDB is missing."""
    if shutil.which("mariadbd", path=_SEARCH_PATH) is None:
        pytest.skip("mariadbd is not installed (Debian package mariadb-server; `make test` installs it)")
    server = MariaDBServer(directory, options=options, environment=environment)
    try:
        if installed is None:
            server.install()
        else:
            server.take_up(installed)
        yield server
    finally:
        server.kill()


_SEARCH_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin"


def _path(program: str) -> str:
    found = shutil.which(program, path=_SEARCH_PATH)
    if found is None:
        raise FileNotFoundError(program)
    return found


def _program(name: str, arguments: list[str]) -> None:
    subprocess.run([_path(name), *arguments], check=True, capture_output=True, timeout=START_TIMEOUT_S)
