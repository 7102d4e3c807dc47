"""Regions of a contract test: several business schemas and their stores on one real server."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pymysql

from contract.mariadb import MariaDBServer, Schemas
from contract.replication.content import CONTENT
from region_operator.api.agent import Rules
from region_operator.management.store import schema as business_schema
from region_operator.replication.catalog import CATALOG, Entity, rule_sets
from region_operator.replication.feed import ApplyOutcome, FeedPage, FeedRequest
from region_operator.replication.store import install, users
from region_operator.replication.store.connections import Address, connect
from region_operator.replication.store.region_store import RegionStore

AGENT_PASSWORD = "agent-secret"
REFERENCES = {
    "account_id": "account",
    "project_account_id": "account",
    "user_id": "user",
    "role_id": "roles",
    "project_id": "projects",
    "template_id": "vm_template",
    "source_template_id": "vm_template",
    "start_id": "event",
}


def default_rules(catalog: Mapping[str, Entity] = CATALOG, **rules: Any) -> dict[str, Any]:
    return rule_sets(catalog.values(), Rules(hash="test", **rules))


@dataclass
class Region:
    """One region: its schemas, an opened store, and a person with an SQL prompt."""

    id: int
    server: MariaDBServer
    schemas: Schemas
    mint: Iterator[int]
    rules: dict[str, Any] = field(default_factory=default_rules)
    catalog: Mapping[str, Entity] = field(default_factory=lambda: CATALOG)
    store: RegionStore = field(init=False)
    writer: Any = field(init=False)

    @property
    def admin(self) -> Address:
        return self._address(self.server.user, self.server.password)

    @property
    def agent(self) -> Address:
        return self._address(f"agent_{self.schemas.business}_a", AGENT_PASSWORD)

    def _address(self, user: str, password: str) -> Address:
        return Address(self.server.host, user, password, self.server.port, self.schemas.business, self.schemas.sync)

    def create_tables(self) -> None:
        with contextlib.closing(self.server.admin_connection()) as admin:
            business_schema.create(admin, database=self.schemas.business)
            facts = business_schema.Seed(
                region_id=self.id,
                region_name=f"region-{self.id}",
                endpoint=f"http://region-{self.id}/",
                admin_username="admin",
                admin_password="password",
                api_key="key",
                secret_key="secret",
                database_key=b"database key",
            )
            business_schema.seed(admin, database=self.schemas.business, facts=facts)
        self.writer = self.server.admin_connection(self.schemas.business)

    def prepare(self) -> install.Installed:
        mint = lambda: next(self.mint)  # noqa: E731
        installed = install.install(self.admin, region_id=self.id, mint=mint, catalog=self.catalog)
        session = connect(self.admin)
        try:
            users.create_user(session, name=self.agent.user, password=AGENT_PASSWORD)
            users.grant(session, users.agent_grants(installed.layout, name=self.agent.user))
        finally:
            session.close()
        return installed

    def open(self) -> None:
        mint = lambda: next(self.mint)  # noqa: E731
        self.store = RegionStore.open(self.agent, region_id=self.id, rules=self.rules, mint=mint, catalog=self.catalog)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def close(self) -> None:
        with contextlib.suppress(AttributeError):
            self.store.close()
        with contextlib.suppress(AttributeError, pymysql.Error):
            self.writer.close()

    # A person with an SQL prompt

    def sql(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.writer.cursor() as cursor:
            cursor.execute(statement, tuple(values) or None)
            return list(cursor.fetchall())

    def sync_sql(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with contextlib.closing(self.server.admin_connection(self.schemas.sync)) as admin, admin.cursor() as cursor:
            cursor.execute(statement, tuple(values) or None)
            return list(cursor.fetchall())

    def add_domain(self, key: str, *, name: str | None = None, parent: str | None = None) -> None:
        parent_id = self.sql("SELECT id FROM domain WHERE uuid = %s", [parent])[0][0] if parent else 1
        path = self.sql("SELECT path FROM domain WHERE id = %s", [parent_id])[0][0]
        name = name or key
        self.sql(
            "INSERT INTO domain (uuid, name, parent, owner, path, level, created) "
            "SELECT %s, %s, id, 2, %s, level + 1, '2026-01-01 00:00:00' FROM domain WHERE id = %s",
            [key, name, f"{path}{name}/", parent_id],
        )
        self.sql("UPDATE domain SET child_count = child_count + 1 WHERE id = %s", [parent_id])

    def add_account(self, key: str, *, name: str | None = None, domain: str | None = None) -> None:
        domain_id = self.sql("SELECT id FROM domain WHERE uuid = %s", [domain])[0][0] if domain else 1
        self.sql(
            "INSERT INTO account (uuid, account_name, type, role_id, domain_id, created) "
            "VALUES (%s, %s, 0, 4, %s, '2026-01-01 00:00:00')",
            [key, name or key, domain_id],
        )

    def add_user(self, key: str, *, account: str, name: str | None = None, api_key: str | None = None) -> None:
        self.sql(
            "INSERT INTO user (uuid, username, password, account_id, firstname, lastname, email, source, created, "
            "api_key, secret_key) SELECT %s, %s, 'hash', id, 'Jane', 'Doe', 'jane@example', 'NATIVE', "
            "'2026-01-01 00:00:00', %s, %s FROM account WHERE uuid = %s",
            [key, name or key, api_key, f"secret of {api_key}" if api_key else None, account],
        )

    def insert(self, table: str, **values: Any) -> None:
        """Add a row; ``account_id="acme"`` is the local number of account acme, ``start_id="e-1"`` that of an event."""
        places = {name: REFERENCES.get(name) if isinstance(value, str) else None for name, value in values.items()}
        marks = ", ".join(
            f"(SELECT r.id FROM `{table}` r WHERE r.uuid = %s)" if table else "%s" for table in places.values()
        )
        names = ", ".join(f"`{name}`" for name in values)
        self.sql(f"INSERT INTO `{table}` ({names}) VALUES ({marks})", list(values.values()))

    def add_role(self, key: str, *, name: str | None = None) -> None:
        self.insert("roles", uuid=key, name=name or key, role_type="User")

    def add_project(self, key: str, *, owner: str, name: str | None = None) -> None:
        """A project with its account and its first member, as createProject makes them."""
        name, account = name or key, f"account of {key}"
        self.add_account(account, name=f"PrjAcct-{name}-1")
        self.sql("UPDATE account SET type = 5, role_id = NULL WHERE uuid = %s", [account])
        self.insert("projects", uuid=key, name=name, project_account_id=account, domain_id=1, state="Active")
        self.insert(
            "project_account", project_id=key, account_id=owner, project_account_id=account, account_role="Admin"
        )

    def add_template(self, key: str, *, account: str, **more: Any) -> None:
        whole = {
            "uuid": key, "unique_name": key, "name": key, "public": 0, "featured": 0, "type": "USER", "hvm": 1,
            "bits": 64, "format": "QCOW2", "created": "2026-01-01 00:00:00", "account_id": account, "guest_os_id": 7,
        }  # fmt: skip
        self.insert("vm_template", **{**whole, **more})

    def add_event(self, key: str, *, account: str, user: str, start: str | int = 0, **more: Any) -> None:
        whole = {
            "uuid": key, "type": "USER.CREATE", "description": key, "user_id": user, "account_id": account,
            "domain_id": 1, "created": "2026-01-01 00:00:00", "level": "INFO", "start_id": start,
        }  # fmt: skip
        self.insert("event", **{**whole, **more})

    def value(self, table: str, key: str, column: str) -> Any:
        rows = self.sql(f"SELECT `{column}` FROM `{table}` WHERE uuid = %s", [key])
        return rows[0][0] if rows else None

    def has(self, table: str, key: str) -> bool:
        return bool(self.sql(f"SELECT 1 FROM `{table}` WHERE uuid = %s", [key]))

    def fold(self) -> None:
        while self.store.fold(200).more:
            pass

    # Comparing regions

    def content(self) -> dict[str, list[Any]]:
        """What convergence is about."""
        return {table: self.sql(statement) for table, statement in CONTENT.items()}

    def states(self) -> dict[tuple[str, str], str]:
        """All states by key, as text."""
        page = self.read(FeedRequest(peer=0, max_rows=10**6, max_bytes=10**9))
        return {(row.entity, row.key): row.state for row in page.rows}

    def read(self, request: FeedRequest) -> FeedPage:
        return self.store.read_feed(request)


def pull(
    target: Region, source: Region, *, max_rows: int = 1000, fetch: bool = True, bulk: bool = False
) -> list[ApplyOutcome]:
    """What a link does: fold at the source, read pages, apply, fetch what is missing; until nothing is new."""
    outcomes = []
    source.fold()
    for _ in range(1000):
        after, known_history, seen = target.store.position(source.id)
        request = FeedRequest(
            peer=target.id,
            after=after,
            peer_history=target.store.history(),
            known_history=known_history,
            seen=seen,
            max_rows=max_rows,
            bulk=bulk,
        )
        page = source.read(request)
        outcome = target.store.apply(source.id, page)
        outcomes.append(outcome)
        if outcome.missing and fetch:
            outcomes.append(target.store.apply_rows(source.id, source.store.read_rows(outcome.missing)))
        if not page.count and not page.rewound:
            return outcomes
    raise AssertionError("the feed has no end")


def settle(*regions: Region, rounds: int = 20) -> None:
    """Pull in all directions until nothing moves."""
    for _ in range(rounds):
        heads = [region.store.head() for region in regions]
        for target, source in itertools.permutations(regions, 2):
            pull(target, source)
            target.fold()
        if heads == [region.store.head() for region in regions]:
            check_contents(*regions)
            return
    raise AssertionError("the regions never come to rest")


def meet(*regions: Any, retry: Callable[[Any], object], rounds: int = 60) -> None:
    """Exchange until nothing moves; ``retry`` lets rows of a region that wait be tried again meanwhile."""
    for _ in range(rounds):
        heads = [region.store.head() for region in regions]
        for target, source in itertools.permutations(regions, 2):
            pull(target, source)
            target.fold()
        for region in regions:
            retry(region)
        if heads == [region.store.head() for region in regions]:
            return
    raise AssertionError("the regions never come to rest")


def clashes(region: Any) -> list[tuple[str, str, str]]:
    """Key, rule and state of every record of two rows of one name."""
    return sorted((c.row.key, c.rule, c.state) for c in region.store.conflicts(state=None) if c.kind == "UniqueClash")


def check_contents(*regions: Region) -> None:
    """No row is another one than it was when it was versioned: nobody has written behind the triggers."""
    for region in regions:
        for entity in region.store.exchanged():
            assert region.store.drifted(entity, after="", upto="") == [], (region.id, entity)
