"""Statements by key use an index, on a schema of either character set (ENGINE 25)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contract.replication.regions import Region
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.store import staging
from region_operator.replication.store.connections import Session

MANY = 1000


@pytest.mark.rule("ENGINE 25")
@pytest.mark.parametrize("character_set", ["utf8mb4", "latin1"])
def test_no_statement_of_fold_feed_apply_and_scan_reads_a_whole_table(
    make_region: Callable[..., Region], monkeypatch: pytest.MonkeyPatch, character_set: str
) -> None:
    here, there = make_region(1, prepared=False), make_region(2, prepared=False)
    for region in (here, there):
        region.sql("SET FOREIGN_KEY_CHECKS = 0")
        for table in ("domain", "account", "user"):
            region.sql(f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET {character_set}")
        region.sql(
            "INSERT INTO account (uuid, account_name, type, domain_id, created) SELECT "
            f"CONCAT('a-{region.id}-', seq), CONCAT('n-{region.id}-', seq), 0, 1, '2026-01-01' FROM seq_1_to_{MANY}"
        )
        region.sql(
            "INSERT INTO user (uuid, username, password, account_id, created, source) "
            "SELECT CONCAT('u-', uuid), account_name, 'hash', id, '2026-01-01', 'NATIVE' FROM account WHERE id > 2"
        )
        region.prepare()
        region.open()
        for schema, tables in (
            (region.schemas.business, ("domain", "account", "user")),
            (region.schemas.sync, ("row_version", "dirty")),
        ):
            for table in tables:
                region.sql(f"ANALYZE TABLE `{schema}`.`{table}`")
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.add_user("jane", account="acme")
    here.sql("UPDATE user SET email = 'x' WHERE uuid LIKE 'u-a-1-1%'")
    whole: list[str] = []
    with monkeypatch.context() as patch:
        explain_all(patch, whole)
        here.fold()
        first = here.read(FeedRequest(peer=there.id, max_rows=20))
        there.store.apply(here.id, first)
        there.store.apply(here.id, here.read(FeedRequest(peer=there.id, after=first.next, max_rows=20)))
        bulk = FeedRequest(peer=there.id, after=there.store.cursor(here.id), bulk=True)
        there.store.apply(here.id, here.read(bulk))
        here.sql("UPDATE user SET email = 'y' WHERE uuid LIKE 'u-a-1-1%'")
        here.fold()
        there.store.apply(here.id, here.read(replace(bulk, after=there.store.cursor(here.id))))
        for key in (RowKey("domain", "sales"), RowKey("account", "acme"), RowKey("user", "jane")):
            there.store.apply_rows(here.id, here.store.read_rows([key]))
        for entity in ("user", "event"):
            there.store.digest(entity, after="", upto="", limit=20, contents=True)
            there.store.digests(entity, after="u-a-1", ends=["u-a-1-2", "u-a-2"])
            there.store.hashes(entity, [("u-a-1", "u-a-1-2")], limit=20)
            there.store.row_digests_of(entity, ["jane", "u-a-1-7"])
        for entity in ("domain", "account", "user"):
            assert there.store.drifted(entity, after="a-1-1", upto="") == []
            assert there.store.name(entity, after=0, limit=100).mended.found == 0
        look_for_drift(there)
    for entity in ("domain", "account", "user"):
        found = there.store.digest(entity, after="", upto="", limit=100_000, contents=True)
        assert found is not None
        assert found.as_versioned
    assert there.has("user", "jane")
    assert there.has("user", f"u-a-1-{MANY}")
    assert there.value("user", "u-a-1-10", "email") == "y"
    assert whole == []


def look_for_drift(region: Region) -> None:
    """Change a row and add another one behind the triggers, and find them."""
    region.sql("SET @region_sync_apply = 1")
    region.sql("UPDATE user SET email = 'y' WHERE uuid = 'jane'")
    region.sql(
        "INSERT INTO user (uuid, username, password, account_id, created, source) "
        "SELECT 'june', 'june', 'hash', id, '2026-01-01', 'NATIVE' FROM account WHERE uuid = 'acme'"
    )
    region.sql("SET @region_sync_apply = NULL")
    assert region.store.drifted("user", after="", upto="") == ["jane"]
    assert region.store.mend("user", ["jane"], None, capture=True).repaired == 1
    last = region.sql("SELECT MAX(id) FROM user")[0][0]
    assert region.store.name("user", after=last - 10, limit=100).mended.repaired == 1


def explain_all(patch: pytest.MonkeyPatch, whole: list[str]) -> None:
    """Note in ``whole`` each statement that reads a whole table."""
    select, execute = Session.select, Session.execute

    def explain(self: Session, sql: str, values: Any) -> None:
        for row in select(self, f"EXPLAIN {sql}", values):
            table, how, rows = str(row[2]), row[3], row[8]
            # Pages and what a statement itself puts together are there to be read whole.
            is_page = (table == "r" and f"`{staging.TABLE}` r" in sql) or table.startswith("<derived")
            if how in ("ALL", "index") and rows is not None and int(rows) >= MANY // 2 and not is_page:
                whole.append(f"{table}: {sql}")

    def explained_select(self: Session, sql: str, values: Any = None) -> Any:
        if sql.startswith("SELECT") and " FROM " in sql and not sql.startswith("SELECT COUNT(*)"):
            explain(self, sql, values)
        return select(self, sql, values)

    def explained_write(self: Session, sql: str, values: Any = None) -> int:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and ("SELECT" in sql or "JOIN" in sql):
            explain(self, sql, values)
        return execute(self, sql, values)

    patch.setattr(Session, "select", explained_select)
    patch.setattr(Session, "execute", explained_write)
