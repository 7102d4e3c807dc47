"""Regions over a real MariaDB, prepared by the program that the prepare Job runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from contract.mariadb import MariaDBServer, Schemas
from region_operator.replication.agent import prepare
from region_operator.replication.agent.database_address import address_of
from region_operator.replication.store.region_store import RegionStore
from region_operator.settings import DatabaseSettings, PrepareSettings

DATABASE_KEY = b"one key for the whole fleet"


def secret(directory: Path, **values: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (directory / name).write_text(value)
    return directory


@dataclass
class Database:
    """The database of one region: how its programs reach it, and what a test does to it by hand."""

    server: MariaDBServer
    schemas: Schemas
    region_id: int
    directory: Path
    _connection: "pymysql.Connection[Any] | None" = None

    def settings(self, credentials: str = "agent") -> DatabaseSettings:
        key = self.directory / "key"
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_bytes(DATABASE_KEY)
        return DatabaseSettings(
            host=self.server.host,
            port=self.server.port,
            name=self.schemas.business,
            sync_schema=self.schemas.sync,
            credentials_directory=self.directory / credentials,
            tls_mode="Disabled",
            key_file=key,
        )

    def prepare(self, *, half: str = "a", password: str = "agent-password", **changes: Any) -> str:
        """Run ``agent prepare``; ``half`` of the users' pairs is the one in use."""
        secret(self.directory / "admin", username=self.server.user, password=self.server.password)
        number = self.schemas.business
        names = {
            "agent_credentials_directory": secret(
                self.directory / "agent", username=f"agent_{number}_{half}", password=password
            ),
            "manager_credentials_directory": secret(
                self.directory / "manager", username=f"manager_{number}_{half}", password=password
            ),
            "admin_credentials_directory": secret(self.directory / "cloud-admin", username="admin", password="first"),
            "management_api_directory": secret(self.directory / "api", apiKey="api-key", secretKey="secret-key"),
        }
        declared = {
            "region_id": self.region_id,
            "region_name": f"region-{self.region_id}",
            "management_endpoint": f"http://cloud-{self.region_id}.test/client/",
        }
        return prepare.run(PrepareSettings(**{**declared, **names, **changes}), self.settings("admin"))

    def open_store(self, **arguments: Any) -> RegionStore:
        return RegionStore.open(address_of(self.settings()), **arguments)

    # what the management server would do

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = self.server.admin_connection(self.schemas.business)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        except pymysql.err.OperationalError:  # the server was restarted
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def add_domain(self, uuid: str, name: str, *, parent: str | None = None) -> None:
        self.run(
            "INSERT INTO domain (uuid, name, parent, owner, path, level, created)"
            " SELECT %s, %s, p.id, 2, CONCAT(p.path, %s, '/'), p.level + 1, UTC_TIMESTAMP() FROM domain p"
            " WHERE IF(%s IS NULL, p.parent IS NULL, p.uuid = %s)",
            *(uuid, name, name, parent, parent),
        )

    def domain(self, uuid: str) -> tuple[Any, ...] | None:
        rows = self.run("SELECT name, path, network_domain FROM domain WHERE uuid = %s AND removed IS NULL", uuid)
        return rows[0] if rows else None

    def head(self) -> int:
        return int(self.run(f"SELECT last_lsn FROM `{self.schemas.sync}`.lane")[0][0])
