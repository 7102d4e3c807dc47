"""One region of the suite, over MariaDB or in memory: a cloud that people write to, its store, a backup of both."""

import contextlib
import itertools
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pymysql

import memory_region
from contract.replication.regions import Region, default_rules
from region_operator.replication.catalog import CATALOG
from region_operator.replication.feed import FeedPage, FeedRequest, RowKey

GONE = (0, 2006, 2013)
"""What the driver says of a connection whose server was started anew."""

PEOPLE = ("domain", "account", "user")
"""The kinds of rows that the suite writes."""

Content = dict[tuple[str, str], dict[str, Any]]


class Cloud(Protocol):
    """What the suite does to a region; ``store`` is the port that it is about. References are given as keys."""

    id: int
    store: Any

    def add_domain(self, key: str, *, name: str | None = None, parent: str | None = None) -> None: ...
    def add_account(self, key: str, *, name: str | None = None, domain: str | None = None) -> None: ...
    def add_user(self, key: str, *, account: str, name: str | None = None, api_key: str | None = None) -> None: ...
    def add_event(self, key: str, *, account: str, user: str, start: Any = None) -> None: ...
    def update(self, entity: str, key: str, **columns: Any) -> None: ...
    def erase(self, entity: str, key: str) -> None: ...
    def lose(self, entity: str, key: str) -> None:
        """The row is gone behind everybody's back, and so is what is known of it."""

    def unseen(self) -> contextlib.AbstractContextManager[None]:
        """What is written in it is written behind the triggers."""

    def value(self, entity: str, key: str, column: str) -> Any: ...
    def has(self, entity: str, key: str) -> bool: ...
    def fold(self) -> None: ...
    def read(self, request: FeedRequest) -> FeedPage: ...
    def states(self) -> dict[tuple[str, str], str]: ...
    def content(self) -> Content:
        """The synced columns of all live rows that people made, references as keys."""

    def close(self) -> None: ...
    def reopen(self) -> None:
        """Another agent takes the database."""

    def backup(self) -> Any: ...
    def restore(self, backup: Any) -> None:
        """Put an older content in place, with the server started anew."""

    def restart(self) -> None:
        """Start the database server anew under a running agent."""

    def age_parked(self, *, hours: int) -> None:
        """Let parked rows be so much older, and due."""

    def age_lease(self, *, seconds: int) -> None:
        """Let the lease of a scan be so much older."""

    def be_replaced(self) -> None:
        """Another agent has taken the database, and this one has not noticed."""


@dataclass
class MariaDBCloud(Region):
    """Over a real server, which other regions of the test may share; each one's prompt is opened anew on use."""

    def sql(self, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
        try:
            return super().sql(statement, values)
        except (pymysql.err.InterfaceError, pymysql.err.OperationalError) as error:
            if error.args[0] not in GONE:
                raise
            self.writer = self.server.admin_connection(self.schemas.business)
            return super().sql(statement, values)

    def add_event(self, key: str, *, account: str, user: str, start: Any = None, **more: Any) -> None:
        super().add_event(key, account=account, user=user, start=start or 0, **more)

    def update(self, entity: str, key: str, **columns: Any) -> None:
        values = [self._local(entity, name, value) for name, value in columns.items()]
        sets = ", ".join(f"`{name}` = %s" for name in columns)
        self.sql(f"UPDATE `{CATALOG[entity].table}` SET {sets} WHERE uuid = %s", [*values, key])

    def erase(self, entity: str, key: str) -> None:
        self.sql(f"DELETE FROM `{CATALOG[entity].table}` WHERE uuid = %s", [key])

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        self.sql("SET @region_sync_apply = 1, foreign_key_checks = 0")
        yield
        self.sql("SET @region_sync_apply = NULL, foreign_key_checks = 1")

    def lose(self, entity: str, key: str) -> None:
        with self.unseen():
            self.erase(entity, key)
        self.sync_sql("DELETE FROM row_version WHERE entity = %s AND entity_key = %s", [entity, key])

    def value(self, table: str, key: str, column: str) -> Any:
        value = super().value(table, key, column)
        reference = next((f.reference for f in CATALOG[table].fields if f.name == column), None)
        return self._keys(reference).get(value) if reference is not None else _text(value)

    def content(self) -> Content:
        found: Content = {}
        for name in PEOPLE:
            entity = CATALOG[name]
            columns = ", ".join(f"`{column}`" for column in entity.columns)
            rows = self.sql(f"SELECT id, {columns} FROM `{entity.table}` WHERE removed IS NULL")
            keys = self._keys(name)
            for local_id, *values in rows:
                row = dict(zip(entity.columns, values, strict=True))
                for field in entity.fields:
                    if field.reference is not None:
                        row[field.name] = self._keys(field.reference).get(row[field.name])
                if not keys[local_id].startswith("well-known"):
                    found[name, keys[local_id]] = {column: _text(value) for column, value in row.items()}
        return found

    def backup(self) -> bytes:
        schemas = (self.schemas.business, self.schemas.sync)
        options = ["--single-transaction", "--triggers", "--databases", *schemas]
        return subprocess.run(["mariadb-dump", *self._access(), *options], check=True, capture_output=True).stdout

    def restore(self, backup: bytes) -> None:
        self.store.close()
        subprocess.run(["mariadb", *self._access()], input=backup, check=True)
        self.server.restart()
        self.open()

    def restart(self) -> None:
        self.server.restart()

    def age_parked(self, *, hours: int) -> None:
        self.sync_sql(
            "UPDATE parked SET parked_at = parked_at - INTERVAL %s HOUR, next_try = next_try - INTERVAL %s HOUR",
            [hours, hours],
        )

    def age_lease(self, *, seconds: int) -> None:
        self.sync_sql("UPDATE scan_lease SET expires_at = expires_at - INTERVAL %s SECOND", [seconds])

    def be_replaced(self) -> None:
        self.sync_sql("UPDATE lane SET fencing_token = fencing_token + 1")

    def _local(self, entity: str, column: str, value: Any) -> Any:
        reference = next((f.reference for f in CATALOG[entity].fields if f.name == column), None)
        if reference is None or value is None:
            return value
        return next(local_id for local_id, key in self._keys(reference).items() if key == value)

    def _keys(self, entity: str) -> dict[int, str]:
        """Local id -> fleet-wide key."""
        keys = dict(self.sql(f"SELECT id, uuid FROM `{CATALOG[entity].table}`"))
        return keys | dict(self.sync_sql("SELECT local_id, entity_key FROM well_known WHERE entity = %s", [entity]))

    def _access(self) -> list[str]:
        server = self.server
        options = [f"--host={server.host}", f"--port={server.port}", f"--user={server.user}"]
        return ["--no-defaults", *options, f"--password={server.password}", "--protocol=tcp", "--skip-ssl"]


class MemoryCloud(memory_region.Cloud):
    """In memory."""

    def __init__(self, region_id: int, *, mint: Iterator[int], rules: Mapping[str, Any]) -> None:
        self._now_s = 1_767_225_600.0
        super().__init__(memory_region.Server(clock=lambda: self._now_s))
        self.id, self._mint, self._rules = region_id, mint, rules
        self.reopen()

    def fold(self) -> None:
        while self.store.fold(200).more:
            pass

    def read(self, request: FeedRequest) -> FeedPage:
        return self.store.read_feed(request)

    def states(self) -> dict[tuple[str, str], str]:
        page = self.read(FeedRequest(peer=0, max_rows=10**6, max_bytes=10**9))
        return {(row.entity, row.key): row.state for row in page.rows}

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        captured = self.server.database.dirty
        yield
        with self.server.transaction() as draft:
            draft.dirty = dict(captured)

    def lose(self, entity: str, key: str) -> None:
        row = RowKey(entity, key)
        with self.server.transaction() as draft:
            del draft.business[row], draft.versions[row]

    def content(self) -> Content:
        return {
            (row.entity, row.key): dict(columns)
            for row, columns in self.server.database.business.items()
            if row.entity in PEOPLE and columns["removed"] is None and not row.key.startswith("well-known")
        }

    def close(self) -> None:
        self.store.close()

    def reopen(self) -> None:
        self.store = memory_region.MemoryRegion.open(
            self.server, region_id=self.id, rules=self._rules, mint=lambda: next(self._mint)
        )

    def backup(self) -> memory_region.Database:
        return self.server.database

    def restore(self, backup: memory_region.Database) -> None:
        self.server.restore(backup)
        self.reopen()

    def restart(self) -> None:
        self.server.restart()

    def age_parked(self, *, hours: int) -> None:
        self._now_s += hours * 3600

    def age_lease(self, *, seconds: int) -> None:
        self._now_s += seconds

    def be_replaced(self) -> None:
        with self.server.transaction() as draft:
            draft.fencing_token += 1


def make_mariadb(server: Any, region_id: int, **rules: Any) -> MariaDBCloud:
    mint = itertools.count(region_id * 0x1000000)
    cloud = MariaDBCloud(region_id, server, server.fresh_schemas(), mint, rules=default_rules(**rules))
    with contextlib.ExitStack() as undo:
        undo.callback(cloud.close)
        cloud.create_tables()
        cloud.prepare()
        cloud.open()
        undo.pop_all()
    return cloud


def make_memory(region_id: int, **rules: Any) -> MemoryCloud:
    return MemoryCloud(region_id, mint=itertools.count(region_id * 0x1000000), rules=default_rules(**rules))


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else str(value)
