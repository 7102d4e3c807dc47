"""Two regions compared whole: nothing is found where nothing is wrong, and what is lost is found and brought back."""

import asyncio
import itertools
from typing import Any

import pytest

from compared_clouds import Compared, scan
from contract.replication.regions import default_rules, pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.feed import RowKey
from region_operator.replication.scans import narrowing
from region_operator.replication.scans.compare import Comparison
from region_operator.replication.scans.ports import ChunkOutcome

pytestmark = [pytest.mark.rule("ENGINE 27"), pytest.mark.rule("ENGINE 28")]


class Scan:
    def __init__(self, here: Cloud, there: Cloud) -> None:
        self.here = Compared(here.store, peer=there.id, link=lambda: pull(here, there))
        self.there = Compared(there.store, peer=here.id, link=lambda: pull(there, here))

    def run(self, *, max_rows: int = 1000, **terms: Any) -> list[ChunkOutcome]:
        return asyncio.run(scan(Comparison(self.here, self.there, **terms), max_rows=max_rows))


def figures(outcomes: list[ChunkOutcome]) -> tuple[int, int]:
    return sum(one.differing for one in outcomes), sum(one.repaired for one in outcomes)


def proof(outcomes: list[ChunkOutcome]) -> dict[str, tuple[int, int]]:
    """Rows of each entity, here and there; hashes of both were the same."""
    rows: dict[str, tuple[int, int]] = {}
    for part in (part for outcome in outcomes for part in outcome.parts):
        before = rows.get(part.name, (0, 0))
        rows[part.name] = (before[0] + part.rows[0], before[1] + part.rows[1])
        assert part.hashes[0] == part.hashes[1], part
    return rows


def people(cloud: Cloud, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        cloud.add_account(f"a-{number:03}")
        cloud.add_user(f"u-{number:03}", account=f"a-{number:03}")


def test_equal_regions_do_not_differ_and_no_row_is_told(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 20)
    people(there, 10, first=20)
    settle(here, there)
    compared = Scan(here, there)
    outcomes = compared.run(max_rows=7)
    assert figures(outcomes) == (0, 0)
    assert proof(outcomes)["user"] == (31, 31)  # and the admin
    assert compared.here.told == compared.there.told == []
    assert outcomes[-1].percent >= 90


def test_rows_in_conflict_deleted_and_of_their_own_values_have_one_hash_on_both_sides(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    people(here, 5)
    settle(here, there)
    here.update("user", "u-001", email="here@example.net")
    there.update("user", "u-001", email="there@example.net")
    here.erase("user", "u-002")
    there.update("user", "u-003", removed="2026-01-02 00:00:00")
    settle(here, there)
    assert figures(Scan(here, there).run()) == (0, 0)


def test_what_is_only_under_way_is_no_difference(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 5)
    settle(here, there)
    people(here, 3, first=5)
    there.update("user", "u-001", email="new@example.net")
    here.erase("user", "u-002")
    here.fold()  # versions that the other has not pulled; it has captured changes without one
    outcomes = Scan(here, there).run()
    assert figures(outcomes) == (0, 0)
    assert proof(outcomes)["user"] == (9, 9)


@pytest.mark.rule("ENGINE 12")
def test_what_a_restored_region_writes_is_under_way_until_its_peer_has_gone_back(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 2)
    settle(here, there)
    backup = here.backup()
    people(here, 5, first=2)
    settle(here, there)
    here.restore(backup)
    people(here, 1, first=7)
    here.fold()  # numbered again below what the peer has applied
    looks = itertools.count()
    compared = Scan(here, there)
    compared.there = Compared(there.store, peer=here.id, link=lambda: pull(there, here) if next(looks) else None)
    assert figures(compared.run()) == (0, 0)
    assert there.has("user", "u-007")


def test_rows_that_a_region_lost_are_found_and_come_back_with_what_they_need(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 30)
    settle(here, there)
    states = here.states()
    there.lose("user", "u-003")
    there.lose("user", "u-017")
    there.lose("account", "a-017")
    here.lose("user", "u-021")
    compared = Scan(here, there)
    outcomes = compared.run(max_rows=12)
    assert figures(outcomes) == (4, 4)
    assert here.states() == there.states() == states
    assert there.value("user", "u-017", "username") == "u-017"
    assert figures(Scan(here, there).run()) == (0, 0)


def test_a_range_that_differs_is_told_row_by_row_only_where_it_does(
    two: tuple[Cloud, Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(narrowing, "LEAF_ROWS", 50)
    here, there = two
    for number in range(900):
        here.add_domain(f"d-{number:04}")
    settle(here, there)
    there.lose("domain", "d-0450")
    compared = Scan(here, there)
    assert figures(compared.run()) == (1, 1)
    assert len(compared.here.told) <= 50


@pytest.mark.parametrize("lost", [range(0, 85, 4), range(10, 85)], ids=["all over", "nearly all"])
def test_rows_that_are_lost_all_over_are_found_in_ever_smaller_parts_of_either_region(
    two: tuple[Cloud, Cloud], monkeypatch: pytest.MonkeyPatch, lost: range
) -> None:
    for name, value in (("LEAF_ROWS", 4), ("FAN_OUT", 3), ("TOLD_ROWS", 10)):
        monkeypatch.setattr(narrowing, name, value)
    here, there = two
    for number in range(90):
        here.add_domain(f"d-{number:04}")
    settle(here, there)
    states = here.states()
    for cloud, lacks in ((there, lost), (here, range(86, 90))):
        for number in lacks:
            cloud.lose("domain", f"d-{number:04}")
    outcomes = Scan(here, there).run()
    assert figures(outcomes) == (len(lost) + 4, len(lost) + 4)
    assert proof(outcomes)["domain"][0] == proof(outcomes)["domain"][1]
    assert here.states() == there.states() == states


def test_small_entities_are_compared_in_one_chunk(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 3)
    settle(here, there)
    (outcome,) = Scan(here, there).run(max_rows=10_000)
    assert {part.name for part in outcome.parts} >= {"domain", "account", "user"}


def test_an_older_state_on_one_side_gives_way_to_the_newer_on_either_side(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 3)
    settle(here, there)
    old = {"u-000": here.store.read_rows([RowKey("user", "u-000")])}
    old["u-001"] = there.store.read_rows([RowKey("user", "u-001")])
    here.update("user", "u-000", email="new@example.net")
    there.update("user", "u-001", email="new@example.net")
    settle(here, there)
    there.lose("user", "u-000")
    there.store.apply_rows(here.id, old["u-000"])
    here.lose("user", "u-001")
    here.store.apply_rows(there.id, old["u-001"])
    assert here.states() != there.states()
    assert figures(Scan(here, there).run()) == (2, 2)
    assert here.states() == there.states()
    assert {here.value("user", key, "email") for key in old} == {"new@example.net"}


def test_a_row_that_waits_unmerged_is_no_difference_as_it_is_shown_elsewhere(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    settle(here, there)
    there.store.set_rules(default_rules(entities=[{"name": "account", "acceptFrom": [there.id]}]))
    here.add_account("a-1")
    settle(here, there)
    assert {(row.row, row.reason) for row in there.store.parked()} == {(RowKey("account", "a-1"), "OriginRefused")}
    outcomes = Scan(here, there).run()
    assert figures(outcomes) == (0, 0)


def test_only_the_entities_that_are_granted_and_exchanged_are_compared(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 3)
    settle(here, there)
    there.lose("user", "u-000")
    there.lose("account", "a-001")
    assert figures(Scan(here, there).run(entities=["account"])) == (1, 1)
    assert figures(Scan(here, there).run(entities=["user"])) == (1, 1)


def test_an_entity_that_is_turned_off_while_it_is_compared_differs_in_nothing(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 1)
    settle(here, there)
    here.add_user("u-new", account="a-000")
    here.fold()

    def pass_over_users() -> None:
        entities = [{"name": name, "mode": "Off"} for name in ("user", "project_member", "event")]
        there.store.set_rules(default_rules(entities=entities))
        pull(there, here)

    compared = Scan(here, there)
    compared.there = Compared(there.store, peer=here.id, link=pass_over_users)
    assert figures(compared.run()) == (0, 0)
    assert not there.has("user", "u-new")


@pytest.mark.rule("ENGINE 29")
def test_events_that_one_region_purged_neither_come_back_nor_count(three: tuple[Cloud, Cloud, Cloud]) -> None:
    here, there, late = three
    people(here, 1)
    here.add_event("e-1", account="a-000", user="u-000")
    settle(here, there)
    here.erase("event", "e-1")
    here.fold()
    assert figures(Scan(here, there).run()) == (0, 0)
    settle(here, late)
    assert figures(Scan(here, late).run()) == (0, 0)
    assert not here.has("event", "e-1")
    assert not late.has("event", "e-1")
    assert there.has("event", "e-1")
