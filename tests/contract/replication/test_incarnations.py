"""A database that may have gone back in time never reuses a version number, and gets back what it lost."""

import contextlib
import itertools
import subprocess
import time

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication.store.region_store import RegionStore


def test_a_region_that_comes_back_on_another_database_is_read_whole_and_gets_all_back(make_region) -> None:
    one, gone = make_region(1), make_region(2)
    one.add_account("a-1")
    gone.add_account("a-2")
    settle(one, gone)
    one.store.leave(gone.id)
    fresh = make_region(2, prepared=False)
    fresh.mint = itertools.count(0x7000000)
    fresh.prepare()
    fresh.open()
    fresh.add_account("a-3")
    one.store.rejoin(fresh.id)
    settle(one, fresh)
    assert {row for row in fresh.states() if row[0] == "account"} >= {("account", f"a-{n}") for n in (1, 2, 3)}
    assert one.states() == fresh.states()
    assert fresh.store.status().history_intact == "Restored"


def dump(region: Region, *schemas: str) -> bytes:
    return subprocess.run(
        ["mariadb-dump", *arguments(region), "--single-transaction", "--triggers", "--databases", *schemas],
        check=True,
        capture_output=True,
    ).stdout


def load(region: Region, text: bytes) -> None:
    """Not within the second in which the tables were made: a dump is told from them by that (decision 0020)."""
    new = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND create_time >= NOW()"
    while region.sync_sql(new):
        time.sleep(0.1)
    subprocess.run(["mariadb", *arguments(region)], input=text, check=True)


def arguments(region: Region) -> list[str]:
    server = region.server
    return [
        "--no-defaults",
        f"--host={server.host}",
        f"--port={server.port}",
        f"--user={server.user}",
        f"--password={server.password}",
        "--protocol=tcp",
        "--skip-ssl",
    ]


def reasons(region: Region) -> list[str]:
    return [reason for (reason,) in region.sync_sql("SELECT reason FROM incarnation ORDER BY number")]


@pytest.mark.rule("ENGINE 11")
@pytest.mark.parametrize("agent", ["restarted", "running"])
def test_a_dump_that_is_loaded_into_a_running_server_makes_no_number_name_two_values(
    two: tuple[Region, Region], agent: str
) -> None:
    here, there = two
    here.add_account("kept")
    settle(here, there)
    saved = dump(here, here.schemas.business, here.schemas.sync)
    here.sql("UPDATE account SET network_domain = 'lost' WHERE uuid = 'kept'")
    pull(there, here)
    if agent == "restarted":
        here.close()
    load(here, saved)
    here.writer = here.server.admin_connection(here.schemas.business)
    if agent == "restarted":
        here.open()
    here.sql("UPDATE account SET network_domain = 'after the restore' WHERE uuid = 'kept'")
    here.fold()
    settle(here, there)
    assert here.states() == there.states()
    assert here.content() == there.content()
    for value in ("lost", "after the restore"):
        assert f'"{value}"' in here.states()[("account", "kept")]
    assert here.store.parked() == there.store.parked() == []


@pytest.mark.rule("ENGINE 14")
@pytest.mark.parametrize("which", ["business", "sync"])
def test_one_schema_restored_without_the_other_is_reverted_from_peers_never_captured(
    two: tuple[Region, Region], which: str
) -> None:
    here, there = two
    here.add_account("acme")
    here.add_account("gone")
    settle(here, there)
    saved = dump(here, getattr(here.schemas, which))
    here.sql("UPDATE account SET network_domain = 'newer' WHERE uuid = 'acme'")
    here.sql("UPDATE account SET removed = '2026-05-05 00:00:00' WHERE uuid = 'gone'")
    settle(here, there)
    here.close()
    load(here, saved)
    here.writer = here.server.admin_connection(here.schemas.business)
    here.open()
    assert reasons(here)[-1] == "WitnessDisagrees"
    settle(here, there)
    for region in two:
        assert region.value("account", "acme", "network_domain") == "newer"
        assert region.value("account", "gone", "removed") is not None
    assert here.store.status().history_intact == "Restored"
    assert here.content() == there.content()


@pytest.mark.rule("ENGINE 11")
def test_a_peer_that_knows_writes_of_ours_that_we_do_not_ends_the_incarnation(two: tuple[Region, Region]) -> None:
    here, there = two
    settle(here, there)
    here.add_account("acme")
    pull(there, here)
    # The row vanishes here as in a restore that nobody told us of.
    here.sql("SET @region_sync_apply = 1")
    here.sql("DELETE FROM account WHERE uuid = 'acme'")
    here.sql("SET @region_sync_apply = NULL")
    here.sync_sql("DELETE FROM row_version WHERE entity_key = 'acme'")
    outcome = here.store.apply_rows(there.id, there.store.read_rows([row for row in keys_of("acme")]))
    assert outcome.restored
    assert reasons(here)[-1] == "PeerProvedMore"
    assert here.has("account", "acme")
    here.sql("UPDATE account SET network_domain = 'n' WHERE uuid = 'acme'")
    settle(here, there)
    assert here.states() == there.states()


def keys_of(*accounts: str):
    from region_operator.replication.feed import RowKey

    return [RowKey("account", key) for key in accounts]


@pytest.mark.rule("ENGINE 19")
def test_two_agents_never_hold_one_database(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    from region_operator.replication.store import incarnations

    monkeypatch.setattr(incarnations, "LOCK_TIMEOUT_S", 0)
    with pytest.raises(Refused) as refusal:
        RegionStore.open(region.agent, region_id=1, rules=region.rules, mint=lambda: 1)
    assert refusal.value.reason == "DatabaseInUse"


@pytest.mark.rule("ENGINE 19")
def test_a_session_that_was_cut_does_not_lock_its_own_agent_out(region: Region) -> None:
    region.add_account("acme")
    lingering = region.store._writer._lane
    lingering._session = None  # the agent has lost it; the server has not noticed
    assert region.store.fold().folded == 1
    assert len(region.store.history()) == 1


def test_a_database_that_is_gone_is_unavailable_and_comes_back(region: Region) -> None:
    region.add_account("acme")
    region.server.stop()
    try:
        with pytest.raises(Unavailable):
            region.store.fold()
    finally:
        region.server.start()
    assert region.store.fold().folded == 1


def test_a_database_of_another_region_is_refused(region: Region) -> None:
    region.store.close()
    with pytest.raises(InvalidInput) as refusal:
        RegionStore.open(region.agent, region_id=7, rules=region.rules, mint=lambda: 1)
    assert refusal.value.reason == "DatabaseOfAnotherRegion"
    with contextlib.suppress(Exception):
        region.open()
