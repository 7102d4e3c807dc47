"""First versions that the server makes for many rows at once are those that are made row by row."""

from collections.abc import Callable
from typing import Any

import pytest

from contract.replication.regions import Region
from region_operator.replication.store import bulk_tables, genesis
from region_operator.replication.store.connections import Session

NASTY = "O'Neil \"\\ 50 % \n\t\x01 null é \x1d\x1f ;--"


def populate(region: Region, *, character_set: str) -> None:
    region.sql("SET FOREIGN_KEY_CHECKS = 0")
    for table in ("domain", "account", "user"):
        region.sql(f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET {character_set}")
    region.add_domain("sales")
    for number, key in enumerate(["a", "7", "A-b.c:d_e", "k'); --", "odd key", "x" * 40, "sales", "user", "nulls"]):
        region.add_account(key, name=f"name {number}", domain="sales" if number % 2 else None)
        region.add_user(
            f"{key[:38]}-u", account=key, name=f"user {number}", api_key=f"k{number}" if number % 2 else None
        )
    for value, key in ((NASTY, "a"), ("", "7"), (None, "nulls"), ("é", "sales"), ("  ", "user")):
        region.sql("UPDATE account SET network_domain = %s WHERE uuid = %s", [value, key])
        region.sql(
            "UPDATE user SET lastname = %s, timezone = %s WHERE uuid = %s",
            [value or "", value and value[:9], f"{key}-u"],
        )
    region.sql("UPDATE account SET removed = '2026-02-02 00:00:00' WHERE uuid = 'user'")
    region.add_account("no parent")
    region.add_user("orphan", account="no parent")
    region.sql("UPDATE user SET account_id = 99999 WHERE uuid = 'orphan'")


def versions(region: Region) -> list[Any]:
    return region.sync_sql(
        "SELECT entity, entity_key, complete, alive, state, from_region FROM row_version ORDER BY entity, entity_key"
    )


def numbers(region: Region) -> list[int]:
    return [int(row[0]) for row in region.sync_sql("SELECT lsn FROM row_version ORDER BY lsn")]


@pytest.mark.rule("ENGINE 8")
@pytest.mark.parametrize("span", [3, genesis.SPAN])
@pytest.mark.parametrize("character_set", ["utf8mb4", "latin1"])
def test_the_server_makes_the_first_versions_that_are_made_row_by_row(
    make_region: Callable[..., Region], monkeypatch: pytest.MonkeyPatch, character_set: str, span: int
) -> None:
    region = make_region(1, prepared=False)
    populate(region, character_set=character_set)
    with monkeypatch.context() as patch:
        patch.setattr(bulk_tables, "find", lambda *_: {})
        region.prepare()
    row_by_row = versions(region)
    assert len(row_by_row) > 20
    region.sync_sql("DELETE FROM row_version WHERE entity_key <> 'nulls'")
    one_by_one: list[int] = []
    take = genesis._batch

    def noted(session: Any, layout: Any, table: Any, ids: list[int]) -> int:
        one_by_one.extend(ids if table.entity.name == "account" else ())
        return take(session, layout, table, ids)

    monkeypatch.setattr(genesis, "_batch", noted)
    monkeypatch.setattr(genesis, "SPAN", span)
    before = numbers(region)
    region.prepare()
    assert versions(region) == row_by_row
    names = {name for (name,) in region.sql(f"SELECT account_name FROM account WHERE id IN ({str(one_by_one)[1:-1]})")}
    assert names == {"system", "admin", "name 3", "name 4", "name 7", "no parent"}
    head = int(region.sync_sql("SELECT last_lsn FROM lane")[0][0])
    made = [number for number in numbers(region) if number not in before]
    assert made == list(range(head - len(made) + 1, head + 1))


@pytest.mark.rule("ENGINE 25")
@pytest.mark.parametrize("character_set", ["utf8mb4", "latin1"])
def test_rows_that_have_a_version_are_found_by_their_keys(
    make_region: Callable[..., Region], monkeypatch: pytest.MonkeyPatch, character_set: str
) -> None:
    region = make_region(1, prepared=False)
    populate(region, character_set=character_set)
    region.sql(
        "INSERT INTO account (uuid, account_name, type, role_id, domain_id, created) "
        "SELECT CONCAT('many-', seq), CONCAT('many-', seq), 0, 4, 1, '2026-01-01' FROM seq_1_to_1000"
    )
    region.prepare()
    region.sql(f"ANALYZE TABLE account, `{region.schemas.sync}`.row_version")
    found: list[tuple[str, str]] = []
    select, execute = Session.select, Session.execute

    def explain(session: Session, sql: str, values: Any) -> None:
        if "row_version` v" in sql:
            found.extend((str(row[2]), str(row[3])) for row in select(session, f"EXPLAIN {sql}", values))

    def explained_select(session: Session, sql: str, values: Any = None) -> Any:
        explain(session, sql, values)
        return select(session, sql, values)

    def explained_execute(session: Session, sql: str, values: Any = None) -> int:
        explain(session, sql, values)
        return execute(session, sql, values)

    monkeypatch.setattr(Session, "select", explained_select)
    monkeypatch.setattr(Session, "execute", explained_execute)
    region.prepare()
    assert {how for table, how in found if table == "v"} == {"eq_ref"}
