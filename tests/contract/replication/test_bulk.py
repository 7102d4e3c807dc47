"""A first copy goes by the bulk: what nobody has to look at goes from database to database, with the same result."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contract.replication.regions import Region, pull, settle
from contract.replication.test_plain import held
from region_operator.errors import InvalidInput
from region_operator.replication.feed import BulkRows, FeedPage, FeedRequest
from region_operator.replication.model.lag import START
from region_operator.replication.store import bulk_feed, connections, incarnations

AWKWARD = "O'Neil \"\\ 50 % \n\t\x01 null é \x1d\x1f"


def populate(region: Region, *, number: int = 30) -> None:
    """Rows from before capture and after, of one writer and of two, and some that nothing plain can be said of."""
    region.add_domain("sales")
    for n in range(number):
        region.add_account(f"a{n}", domain="sales" if n % 2 else None)
        region.add_user(f"u{n}", account=f"a{n}", api_key=f"k{n}" if n % 3 else None)
    region.sql("UPDATE user SET lastname = %s, timezone = '' WHERE uuid LIKE 'u1%%'", [AWKWARD])
    region.prepare()
    region.open()
    region.add_domain("below", parent="sales")
    region.add_account("quote'\"d", name="awkward", domain="below")
    region.add_user("under it", account="quote'\"d")
    region.add_user("new", account="a1", name="of this life")
    region.sql("UPDATE account SET network_domain = %s WHERE uuid LIKE 'a2%%'", [AWKWARD])
    region.sql("UPDATE user SET removed = '2026-02-02 00:00:00' WHERE uuid = 'u3'")
    region.sql("DELETE FROM user WHERE uuid = 'u4'")
    region.fold()


@pytest.mark.parametrize("step", [4, 2000])
@pytest.mark.parametrize("character_set", ["utf8mb4", "latin1"])
def test_the_bulk_leaves_what_the_ordinary_way_leaves(
    make_region: Callable[..., Region], monkeypatch: pytest.MonkeyPatch, step: int, character_set: str
) -> None:
    source = make_region(1, prepared=False)
    populate(source)
    by_bulk, ordinary = make_region(2, prepared=False), make_region(2, prepared=False)
    for region in (by_bulk, ordinary):
        region.sql("SET FOREIGN_KEY_CHECKS = 0")
        for table in ("domain", "account", "user"):
            region.sql(f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET {character_set}")
        region.prepare()
        region.open()
    monkeypatch.setattr(bulk_feed, "STEP", step)
    monkeypatch.setattr(bulk_feed, "MOST_ROWS", 2 * step)
    outcomes = pull(by_bulk, source, bulk=True)
    pull(ordinary, source)
    assert sum(outcome.received for outcome in outcomes) > 60
    if step == 2000:
        assert not any(outcome.refused_bulk for outcome in outcomes)
    assert held(by_bulk) == held(ordinary)
    assert by_bulk.content() == source.content()
    assert by_bulk.store.parked() == []


@pytest.mark.rule("ENGINE 26")
def test_nobody_looks_at_rows_that_go_by_the_bulk(make_region: Callable[..., Region], looked_at: list[str]) -> None:
    here, there = make_region(1), make_region(2)
    for n in range(10):
        here.add_account(f"a{n}")
        here.add_user(f"u{n}", account=f"a{n}")
    pull(there, here, bulk=True)
    assert [key for key in looked_at if not key.startswith("well-known:")] == []
    assert there.content() == here.content()
    assert there.store.cursor(here.id).lsn == here.store.head()


def page_of(source: Region, target: Region) -> FeedPage:
    source.fold()
    return source.read(FeedRequest(peer=target.id, after=target.store.cursor(source.id), bulk=True))


def without(rows: BulkRows, key: str) -> BulkRows:
    lines = [line for line in rows.text.split(b"\n") if not line.startswith(f'["{key}"'.encode())]
    return replace(rows, count=len(lines), text=b"\n".join(lines))


@pytest.mark.parametrize("cause", ["key", "name", "unique value", "parent", "parent held"])
def test_rows_that_take_a_closer_look_get_it_and_the_others_go(two: tuple[Region, Region], cause: str) -> None:
    here, there = two
    here.add_domain("sales")
    settle(here, there)
    for n in range(5):
        here.add_account(f"a{n}", domain="sales" if n == 2 else None)
        here.add_user(f"u{n}", account=f"a{n}", api_key=f"k{n}")
    there.add_account("other", name="a2" if cause == "name" else "other", domain="sales")
    if cause == "unique value":
        there.add_user("u", account="other", api_key="k2")
    if cause == "key":
        there.add_account("a2")
    there.fold()
    if cause == "parent held":
        there.sql("START TRANSACTION")
        there.sql("SELECT id FROM domain WHERE uuid = 'sales' FOR UPDATE")
    page = page_of(here, there)
    if cause == "parent":
        page = replace(page, bulk=tuple(without(rows, "a2") for rows in page.bulk))
    outcome = there.store.apply(here.id, page)
    there.sql("COMMIT")
    assert not outcome.refused_bulk or cause in ("name", "unique value")
    assert all(there.has("account", f"a{n}") and there.has("user", f"u{n}") for n in (0, 1, 3, 4))
    assert there.has("user", "u2") == (cause in ("key", "parent held"))
    parked = {parked.row.key for parked in there.store.parked()}
    expected = {"key": set(), "name": {"a2", "u2"}, "parent held": set()}
    assert parked == expected.get(cause, {"u2"})
    assert there.store.cursor(here.id) == page.next


def test_a_page_by_the_bulk_commits_with_its_cursor_or_not_at_all(
    two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    here.add_account("acme")
    page = page_of(here, there)
    with monkeypatch.context() as patch:
        patch.setattr(incarnations, "witness", fail)
        with pytest.raises(RuntimeError):
            there.store.apply(here.id, replace(page, rows=()))
    assert there.store.cursor(here.id) == START
    assert not there.has("account", "acme")
    assert there.sync_sql("SELECT COUNT(*) FROM row_version WHERE entity_key = 'acme'") == [(0,)]
    there.store.apply(here.id, page)
    assert there.has("account", "acme")


def fail(*_: Any, **__: Any) -> None:
    raise RuntimeError("in the middle")


def test_parked_children_are_shown_when_their_parents_come_by_the_bulk(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme")
    page = page_of(here, there)
    (jane,) = here.store.read_rows([row for row in [next(iter(page_rows(here, "user")))]]).rows
    there.store.apply_rows(here.id, replace(here.store.read_rows([jane.row_key]), rows=(jane,)))
    assert [parked.row.key for parked in there.store.parked()] == ["jane"]
    accounts = tuple(rows for rows in page.bulk if rows.entity == "account")
    there.store.apply(here.id, replace(page, bulk=accounts))
    assert there.has("user", "jane")
    assert there.store.parked() == []


def page_rows(region: Region, entity: str) -> list[Any]:
    return [row.row_key for row in region.read(FeedRequest(peer=9)).rows if row.entity == entity and ":" not in row.key]


@pytest.mark.parametrize(
    "forge",
    [
        lambda text, region: text.replace(b'"acme",', b'"well-known:account:admin",', 1),
        lambda text, region: text.replace(b'"acme",', b'"ac\\nme",', 1),
        lambda text, region: text.replace(b",0,", b",7,", 1),
        lambda text, region: text.replace(b"2026-01-01 00:00:00", b"2026-01-01 00:00:00.5"),
        lambda text, region: text.replace(b"2026-01-01 00:00:00", b"2026-02-30 00:00:00"),
        lambda text, region: text.replace(b'"enabled"', b"null"),
    ],
)
def test_the_database_takes_nothing_that_is_not_as_it_should_be(
    two: tuple[Region, Region], forge: Callable[[bytes, Region], bytes]
) -> None:
    here, there = two
    here.add_account("acme")
    page = page_of(here, there)
    (rows,) = page.bulk
    forged = replace(page, bulk=(replace(rows, text=forge(rows.text, here)),))
    assert forged != page
    try:
        outcome = there.store.apply(here.id, forged)
    except InvalidInput as error:
        assert error.reason == "PeerRefused"
    else:
        assert outcome.refused_bulk


def test_writes_claimed_to_be_ours_are_not_taken_by_the_bulk(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    page = page_of(here, there)
    (rows,) = page.bulk
    own = f"{there.id}.{there.store.history()[-1].name}"
    (shape,) = rows.shapes
    actor = shape.actors.split('"')[4]
    forged = replace(rows, shapes=(replace(shape, actors=shape.actors.replace(actor, own)),))
    outcome = there.store.apply(here.id, replace(page, bulk=(forged,)))
    assert outcome.refused_bulk
    assert outcome.restored or outcome.forged


def test_rows_with_captured_changes_are_left_out_of_the_bulk(two: tuple[Region, Region]) -> None:
    here, there = two
    for n in range(3):
        here.add_account(f"a{n}")
    here.fold()
    here.sql("UPDATE account SET network_domain = 'new' WHERE uuid = 'a1'")
    page = here.read(FeedRequest(peer=there.id, bulk=True))
    there.store.apply(here.id, page)
    assert [there.has("account", f"a{n}") for n in range(3)] == [True, False, True]
    pull(there, here, bulk=True)
    assert there.value("account", "a1", "network_domain") == "new"


def test_rows_of_more_shapes_than_a_page_names_go_the_ordinary_way(
    two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    for n in range(3):
        here.add_account(f"a{n}")
    here.fold()
    for n in range(3):  # each of another number of writes
        for value in range(n):
            here.sql("UPDATE account SET network_domain = %s WHERE uuid = %s", [value, f"a{n}"])
            here.fold()
    monkeypatch.setattr(bulk_feed, "MOST_SHAPES", 1)
    page = page_of(here, there)
    assert [(rows.entity, rows.count, len(rows.shapes)) for rows in page.bulk] == [("account", 1, 1)]
    there.store.apply(here.id, page)
    assert there.content() == here.content()


def test_a_text_that_the_server_would_cut_off_is_put_together_row_by_row(
    two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    for n in range(3):
        here.add_account(f"a{n}")
    whole = page_of(here, there)
    monkeypatch.setattr(connections, "_SESSION", connections._SESSION.replace(str(connections.LONGEST_GROUP), "200"))
    monkeypatch.setattr(bulk_feed, "LONGEST_GROUP", 200)
    here.reopen()
    assert len(whole.bulk[0].text) > 200
    assert [rows.text for rows in page_of(here, there).bulk] == [rows.text for rows in whole.bulk]


def test_what_the_asking_peer_sent_is_no_part_of_the_bulk(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    pull(there, here)
    history = here.store.history()
    echoed = there.read(FeedRequest(peer=here.id, peer_history=history, bulk=True))
    assert echoed.bulk == ()
    assert "acme" not in {row.key for row in echoed.rows}


@pytest.mark.rule("ENGINE 8")
@pytest.mark.parametrize("first", ["new", "known"])
def test_rows_that_hang_on_a_key_of_two_things_wait_with_it_also_by_the_bulk(
    make_region: Callable[..., Region], first: str
) -> None:
    here, there = make_region(1, prepared=False), make_region(2, prepared=False)
    for region, name in ((here, "ours"), (there, "theirs")):
        region.add_account("5", name=name)
        region.add_user("7", account="5", name="jane")
    if first == "new":
        here.add_user("6", account="5", name="june")
    for region in (here, there):
        region.prepare()
        region.open()
    here.sql("UPDATE user SET email = 'new' WHERE uuid = '7'")
    pull(there, here, bulk=True)
    waiting = {parked.row.key: parked.reason for parked in there.store.parked()}
    assert waiting.pop("6", "ParentReused") == "ParentReused"
    assert waiting == {"5": "KeyReused", "7": "ParentReused"}
    assert there.value("user", "7", "email") == "jane@example"
    assert not there.has("user", "6")
