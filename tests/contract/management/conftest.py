"""A management server on loopback over a fresh business schema, as the Deployment would run it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
import requests
from cs import CloudStack

from contract.mariadb import MariaDBServer
from region_operator.management.http.program import Running, running
from region_operator.management.store.schema import Seed, create, seed
from region_operator.settings import DatabaseSettings, ManagerSettings

ADMIN_PASSWORD = "first sign-in"
DATABASE_KEY = b"database key"


@dataclass(frozen=True)
class Replica:
    """One running server, and the ways to talk to it."""

    server: Running
    database: DatabaseSettings
    mariadb: MariaDBServer
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.api_port}/client/api"

    @property
    def health_url(self) -> str:
        return f"http://127.0.0.1:{self.server.health_port}"

    @property
    def system(self) -> CloudStack:
        """The agent's way in."""
        return self.client("agent-key", "agent-secret")

    @property
    def admin(self) -> CloudStack:
        """The default admin with API keys of its own."""
        (admin,) = self.system.listUsers(username="admin", listall=True)["user"]
        keys = self.system.registerUserKeys(id=admin["id"])["userkeys"]
        return self.client(keys["apikey"], keys["secretkey"])

    def client(self, key: str, secret: str, **options: Any) -> CloudStack:
        return CloudStack(endpoint=self.url, key=key, secret=secret, poll_interval=0.05, **options)

    def get(self, **parameters: str) -> requests.Response:
        return requests.get(self.url, params={"response": "json", **parameters}, timeout=10)

    def sign_in(self, username: str = "admin", password: str = ADMIN_PASSWORD, **more: str) -> requests.Session:
        session = requests.Session()
        form = {"command": "login", "username": username, "password": password, "response": "json", **more}
        answer = session.post(self.url, data=form, timeout=10)
        session.login = answer
        return session

    def rows(self, statement: str, *values: object) -> tuple[Any, ...]:
        with (
            closing(self.mariadb.admin_connection(self.database.name)) as connection,
            connection.cursor(pymysql.cursors.DictCursor) as cursor,
        ):
            cursor.execute(statement, values)
            found = tuple(cursor.fetchall())
            connection.commit()
            return found

    def another(self) -> AbstractContextManager["Replica"]:
        """A second replica over the same database."""
        return serving(self.database, self.mariadb)


@pytest.fixture
def database(mariadb: MariaDBServer, tmp_path: Path) -> DatabaseSettings:
    """A prepared schema, and a user that may do no more than the manager needs."""
    name = mariadb.fresh_schemas().business
    facts = Seed(
        region_id=3,
        region_name="eu-west",
        endpoint="http://eu-west/client/",
        admin_username="admin",
        admin_password=ADMIN_PASSWORD,
        api_key="agent-key",
        secret_key="agent-secret",
        database_key=DATABASE_KEY,
    )
    user = f"manager_{name}"
    with closing(mariadb.admin_connection()) as connection, connection.cursor() as cursor:
        create(connection, database=name)
        seed(connection, database=name, facts=facts)
        cursor.execute(f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY 'manager-password'")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{name}`.* TO '{user}'@'%'")
    (tmp_path / "username").write_text(user)
    (tmp_path / "password").write_text("manager-password\n")
    (tmp_path / "key").write_bytes(DATABASE_KEY)
    return DatabaseSettings(
        host=mariadb.host,
        port=mariadb.port,
        name=name,
        credentials_directory=tmp_path,
        tls_mode="Disabled",
        key_file=tmp_path / "key",
    )


@pytest.fixture
def cloud(database: DatabaseSettings, mariadb: MariaDBServer) -> Iterator[Replica]:
    with serving(database, mariadb) as replica:
        yield replica


@contextmanager
def serving(
    database: DatabaseSettings, mariadb: MariaDBServer, *, tls_directory: Path | None = None
) -> Iterator[Replica]:
    settings = ManagerSettings(
        region_id=3, listen_host="127.0.0.1", listen_port=0, health_port=0, tls_directory=tls_directory
    )
    up: list[Running] = []
    failures: list[BaseException] = []
    started, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with running(settings, database) as server:
            up.append(server)
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:
            failures.append(error)
        finally:
            loop.close()
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(20)
    if failures:
        raise failures[0]
    try:
        yield Replica(up[0], database, mariadb, scheme="https" if tls_directory else "http")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
    assert not failures
