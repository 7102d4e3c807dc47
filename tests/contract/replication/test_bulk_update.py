"""Catching up goes by the bulk: rows that are known are written from database to database, with the same result."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contract.replication.regions import Region, pull, settle
from contract.replication.test_bulk import AWKWARD, fail, page_of, without
from contract.replication.test_plain import held
from region_operator.replication.feed import FeedPage
from region_operator.replication.store import bulk_parts, incarnations
from region_operator.replication.store.bulk_update import BulkUpdate

EMAILS = "UPDATE user SET email = CONCAT(%s, uuid) WHERE uuid LIKE 'u_'"


@pytest.fixture
def met(two: tuple[Region, Region]) -> tuple[Region, Region]:
    """Two regions that know the same users, u0 to u4, and that nothing is open about."""
    here, there = two
    here.add_account("acme")
    for n in range(5):
        here.add_user(f"u{n}", account="acme", api_key=f"k{n}" if n % 2 else None)
    settle(here, there)
    return here, there


def emails(region: Region) -> dict[str, str]:
    return dict(region.sql("SELECT uuid, email FROM user WHERE uuid LIKE 'u_' ORDER BY uuid"))


def test_what_both_regions_wrote_in_turn_goes_by_the_bulk(met: tuple[Region, Region], looked_at: list[str]) -> None:
    here, there = met
    for source, target in ((here, there), (there, here), (here, there)):
        source.sql(EMAILS, [f"{AWKWARD} of {source.id} "])
        source.sql("UPDATE user SET state = 'locked', timezone = NULL WHERE uuid IN ('u1', 'u2')")
        source.sql("UPDATE account SET network_domain = %s WHERE uuid = 'acme'", [AWKWARD])
        source.fold()
        source.sql("UPDATE user SET state = 'enabled' WHERE uuid = 'u1'")
        pull(target, source, bulk=True)
        assert target.content() == source.content()
    assert looked_at == []
    assert held(here) == held(there)


@pytest.mark.parametrize("character_set", ["utf8mb4", "latin1"])
def test_it_leaves_what_the_ordinary_way_leaves(make_region: Callable[..., Region], character_set: str) -> None:
    source, by_bulk, ordinary = make_region(1), make_region(2, prepared=False), make_region(2, prepared=False)
    source.add_account("acme")
    for n in range(5):
        source.add_user(f"u{n}", account="acme")
    for region in (by_bulk, ordinary):
        region.sql("SET FOREIGN_KEY_CHECKS = 0")
        for table in ("domain", "account", "user"):
            region.sql(f"ALTER TABLE `{table}` CONVERT TO CHARACTER SET {character_set}")
        region.prepare()
        region.open()
        pull(region, source)
    source.sql("UPDATE user SET lastname = %s WHERE uuid LIKE 'u_'", [AWKWARD])
    source.sql("UPDATE user SET email = 'one' WHERE uuid = 'u1'")
    pull(by_bulk, source, bulk=True)
    pull(ordinary, source)
    assert held(by_bulk) == held(ordinary)
    assert by_bulk.content() == source.content()


@pytest.mark.parametrize(
    ("cause", "hurdle", "value"),
    [
        ("a writer holds it", "SELECT id FROM user WHERE uuid = 'u2' FOR UPDATE", None),
        ("it was changed here", "UPDATE user SET lastname = 'mine' WHERE uuid = 'u2'", "new-u2"),
        ("it was removed here", "UPDATE user SET removed = '2026-02-02' WHERE uuid = 'u2'", "new-u2"),
        ("it went here", "DELETE FROM user WHERE uuid = 'u2'", None),
    ],
)
def test_a_row_that_takes_a_closer_look_gets_it_and_the_others_go(
    met: tuple[Region, Region], looked_at: list[str], cause: str, hurdle: str, value: str | None
) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    page = page_of(here, there)
    there.sql("START TRANSACTION")
    there.sql(hurdle)
    if cause != "a writer holds it":
        there.sql("COMMIT")
    outcome = there.store.apply(here.id, page)
    there.sql("COMMIT")
    assert looked_at == ["u2"]
    assert not outcome.refused_bulk
    assert {key: email for key, email in emails(there).items() if key != "u2"} == {
        f"u{n}": f"new-u{n}" for n in (0, 1, 3, 4)
    }
    there.sync_sql("UPDATE parked SET next_try = UTC_TIMESTAMP(6)")
    there.store.retry_parked()
    settle(here, there)
    assert there.content() == here.content()
    assert value is None or emails(there)["u2"] == value


@pytest.mark.rule("ENGINE 1")
def test_a_dot_that_names_two_values_is_found_also_by_the_bulk(met: tuple[Region, Region]) -> None:
    here, there = met
    there.sql("SET @region_sync_apply = 1")  # behind the triggers
    there.sql("UPDATE user SET lastname = 'forged' WHERE uuid = 'u1'")
    here.sql(EMAILS, ["new-"])
    there.store.apply(here.id, page_of(here, there))
    assert [(parked.row.key, parked.reason) for parked in there.store.parked()] == [("u1", "DotReuse")]
    assert {key for key, email in emails(there).items() if email == f"new-{key}"} == {"u0", "u2", "u3", "u4"}


def test_writes_that_both_made_at_a_time_are_not_taken_by_the_bulk(met: tuple[Region, Region]) -> None:
    here, there = met
    here.sql(EMAILS, ["one-"])
    there.sql("UPDATE user SET email = 'two' WHERE uuid = 'u3'")
    there.fold()
    outcome = there.store.apply(here.id, page_of(here, there))
    assert outcome.opened_conflicts == 1
    settle(here, there)
    assert emails(here) == emails(there)


def test_a_change_of_what_others_may_refer_to_takes_a_closer_look(
    met: tuple[Region, Region], looked_at: list[str]
) -> None:
    here, there = met
    here.add_account("other")
    settle(here, there)
    looked_at.clear()
    here.sql("UPDATE user SET account_id = (SELECT id FROM account WHERE uuid = 'other') WHERE uuid = 'u1'")
    here.sql("UPDATE user SET username = 'renamed' WHERE uuid = 'u2'")
    here.sql("UPDATE user SET email = 'new' WHERE uuid = 'u3'")
    pull(there, here, bulk=True)
    assert sorted(looked_at) == ["u1", "u2"]
    assert there.content() == here.content()


def test_new_rows_among_known_ones_go_by_the_bulk_too(met: tuple[Region, Region], looked_at: list[str]) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    here.fold()
    here.add_user("u5", account="acme")
    pull(there, here, bulk=True)
    assert looked_at == []
    assert there.content() == here.content()


def test_a_row_that_a_page_names_twice_takes_a_closer_look(met: tuple[Region, Region], looked_at: list[str]) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    page = page_of(here, there)
    (rows,) = page.bulk
    line = next(line for line in rows.text.split(b"\n") if line.startswith(b'["u1"'))
    twice = replace(rows, count=rows.count + 1, text=rows.text + b"\n" + line)
    there.store.apply(here.id, replace(page, bulk=(twice,)))
    assert looked_at == ["u1", "u1"]
    assert there.content() == here.content()


@pytest.mark.parametrize(
    "forge",
    [
        lambda page: renamed(page, b'"u1",', b'"u9",'),
        lambda page: renamed(page, b"new-u1", b"x" * 300),
        lambda page: renamed(page, b",0,", b",7,"),
    ],
)
def test_what_is_not_as_it_should_be_changes_nothing_by_the_bulk(
    met: tuple[Region, Region], forge: Callable[[FeedPage], FeedPage]
) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    forged = forge(page_of(here, there))
    with_versions = there.sync_sql("SELECT COUNT(*) FROM row_version")
    try:
        there.store.apply(here.id, forged)
    except Exception as error:
        assert getattr(error, "reason", "") == "PeerRefused"
    assert emails(there)["u1"] == "jane@example"
    assert there.sync_sql("SELECT COUNT(*) FROM row_version WHERE entity_key <> 'u9'") == with_versions


def renamed(page: FeedPage, old: bytes, new: bytes) -> FeedPage:
    (rows,) = page.bulk
    lines = rows.text.split(b"\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(b'["u1"'))
    assert old in lines[at]
    lines[at] = lines[at].replace(old, new, 1)
    return replace(page, bulk=(replace(rows, text=b"\n".join(lines)),))


def test_writes_claimed_to_be_ours_are_not_taken_for_ours(met: tuple[Region, Region]) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    page = page_of(here, there)
    (rows,) = page.bulk
    own = f"{there.id}.{there.store.history()[-1].name}"
    theirs = f"{here.id}.{here.store.history()[-1].name}"
    forged = tuple(replace(shape, actors=shape.actors.replace(theirs, own)) for shape in rows.shapes)
    assert forged != rows.shapes
    before = emails(there)
    outcome = there.store.apply(here.id, replace(page, bulk=(replace(rows, shapes=forged),)))
    assert outcome.refused_bulk
    assert outcome.restored or outcome.forged or emails(there) == before


@pytest.mark.rule("ENGINE 22")
def test_known_rows_are_written_some_at_a_time_and_a_page_that_is_cut_off_is_taken_again(
    met: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    page = page_of(here, there)
    before, head = there.store.cursor(here.id), there.store.head()
    monkeypatch.setattr(bulk_parts, "AT_ONCE", 2)
    witness, calls = incarnations.witness, itertools.count(1)

    def failing(*arguments: Any, **keywords: Any) -> None:
        if next(calls) == 2:
            fail()
        witness(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(incarnations, "witness", failing)
        with pytest.raises(RuntimeError):
            there.store.apply(here.id, page)
    assert sum(email.startswith("new-") for email in emails(there).values()) == 2
    assert there.store.cursor(here.id) == before
    there.store.apply(here.id, page)
    assert there.store.cursor(here.id) == page.next
    assert there.store.head() == head + 5, "what was taken before is no news"
    assert there.content() == here.content()


def test_a_row_that_its_sender_alone_can_have_told_is_no_news_to_it(met: tuple[Region, Region]) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    after = there.store.head()
    pull(there, here, bulk=True)
    assert there.store.head() == after + 5
    assert pull(here, there, bulk=True)[-1].received == 0
    assert here.store.cursor(there.id).lsn == there.store.head()


def test_nothing_is_written_by_the_bulk_where_keys_mean_two_things(
    met: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = met
    here.sql(EMAILS, ["new-"])
    page = page_of(here, there)
    taken = without(page.bulk[0], "u1")
    monkeypatch.setattr("region_operator.replication.store.reuse.known", lambda *_: {"some": "row"})
    monkeypatch.setattr(BulkUpdate, "_write", fail)
    there.store.apply(here.id, replace(page, bulk=(taken,)))
    assert emails(there)["u1"] == "jane@example"
    assert emails(there)["u2"] == "new-u2"
