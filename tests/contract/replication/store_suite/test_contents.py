"""What was changed behind the triggers is found by its content, and captured or put back as the policy says."""

from typing import Any

import pytest

from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import Cloud
from contract.replication.store_suite.test_comparing import Scan, figures, people, proof
from region_operator.replication.feed import RowKey
from region_operator.replication.model.codec import decode

pytestmark = pytest.mark.rule("ENGINE 28")


def both(two: tuple[Cloud, Cloud], *columns: str, key: str = "u-001") -> set[tuple[Any, ...]]:
    """What the regions show of a user."""
    return {tuple(cloud.value("user", key, column) for column in columns) for cloud in two}


def scanned(two: tuple[Cloud, Cloud], drift: str, **terms: Any) -> tuple[int, int]:
    """Differing and repaired rows of a scan; nothing is left for another one."""
    here, there = two
    found = figures(Scan(here, there).run(drift=drift, **terms))
    settle(here, there)
    assert figures(Scan(here, there).run(drift=drift)) == (0, 0)
    assert here.states() == there.states()
    return found


@pytest.fixture
def settled(two: tuple[Cloud, Cloud]) -> tuple[Cloud, Cloud]:
    people(two[0], 6)
    settle(*two)
    return two


def test_rows_that_nobody_touched_have_not_drifted_whatever_became_of_them(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    people(here, 8)
    here.add_domain("d-1")
    here.add_domain("d-2", parent="d-1")
    here.add_event("e-1", account="a-000", user="u-000")
    settle(here, there)
    here.update("user", "u-001", email="here@example.net")
    there.update("user", "u-001", email="there@example.net")
    here.erase("user", "u-002")
    there.update("user", "u-003", removed="2026-01-02 00:00:00")
    there.update("user", "u-004", api_key="key of u-004", secret_key="secret")
    here.erase("event", "e-1")
    settle(here, there)
    here.update("user", "u-005", firstname="under way")
    outcomes = Scan(here, there).run(drift="Revert", max_rows=5)
    assert figures(outcomes) == (0, 0)
    assert proof(outcomes)["user"] == (9, 9)


@pytest.mark.parametrize("drifted", [0, 1])
def test_a_changed_row_is_captured_as_a_change_of_just_these_fields(settled: tuple[Cloud, Cloud], drifted: int) -> None:
    one = settled[drifted]
    with one.unseen():
        one.update("user", "u-001", email="restored@example.net", lastname=None)
    before = _dots(settled[0])
    assert scanned(settled, "Capture") == (1, 1)
    assert both(settled, "email", "lastname", "firstname") == {("restored@example.net", None, "Jane")}
    after = _dots(settled[0])
    assert {name for name in after if after[name] != before[name]} == {"email", "lastname"}
    assert not [record for cloud in settled for record in cloud.store.conflicts(state=None)]


def _dots(cloud: Cloud) -> dict[str, list[Any]]:
    registers = decode(cloud.states()["user", "u-001"]).registers
    return {name: [pair.dot for pair in pairs] for name, pairs in registers.items()}


@pytest.mark.parametrize("drifted", [0, 1])
def test_a_changed_row_is_put_back_and_nothing_is_minted(settled: tuple[Cloud, Cloud], drifted: int) -> None:
    states = settled[0].states()
    with settled[drifted].unseen():
        settled[drifted].update("user", "u-001", email="wrong@example.net", lastname=None)
    assert scanned(settled, "Revert") == (1, 1)
    assert both(settled, "email", "lastname") == {("jane@example", "Doe")}
    assert settled[0].states() == states


def test_a_change_of_case_alone_is_drift(settled: tuple[Cloud, Cloud]) -> None:
    with settled[0].unseen():
        settled[0].update("user", "u-001", email="Jane@example")
    assert scanned(settled, "Revert") == (1, 1)
    assert both(settled, "email") == {("jane@example",)}


def test_values_that_two_rows_swapped_are_drift_of_both(settled: tuple[Cloud, Cloud]) -> None:
    here, there = settled
    here.update("user", "u-002", email="june@example")
    settle(here, there)
    with here.unseen():
        here.update("user", "u-001", email="june@example")
        here.update("user", "u-002", email="jane@example")
    assert scanned(settled, "Revert") == (2, 2)
    assert both(settled, "email") == {("jane@example",)}


@pytest.mark.parametrize("drifted", [1])
def test_a_row_that_is_gone_is_captured_as_deleted(settled: tuple[Cloud, Cloud], drifted: int) -> None:
    with settled[drifted].unseen():
        settled[drifted].erase("user", "u-001")
    assert scanned(settled, "Capture") == (1, 1)
    assert None not in {cloud.value("user", "u-001", "removed") for cloud in settled if cloud.has("user", "u-001")}


@pytest.mark.parametrize("drifted", [0])
def test_a_row_that_is_gone_is_put_back(settled: tuple[Cloud, Cloud], drifted: int) -> None:
    states = settled[0].states()
    with settled[drifted].unseen():
        settled[drifted].erase("user", "u-001")
    assert scanned(settled, "Revert") == (1, 1)
    assert both(settled, "email", "removed") == {("jane@example", None)}
    assert settled[0].states() == states


@pytest.mark.parametrize(("drifted", "drift"), [(0, "Capture"), (1, "Revert")])
def test_a_row_that_no_version_names_is_captured_whatever_the_policy_says(
    settled: tuple[Cloud, Cloud], drifted: int, drift: str
) -> None:
    with settled[drifted].unseen():
        settled[drifted].add_user("u-new", account="a-001")
    assert scanned(settled, drift, max_rows=3) == (1, 1)
    assert both(settled, "username", key="u-new") == {("u-new",)}


def test_both_regions_changed_one_row_so_both_changes_are_captured_and_in_conflict(
    settled: tuple[Cloud, Cloud],
) -> None:
    for number, cloud in enumerate(settled):
        with cloud.unseen():
            cloud.update("user", "u-001", email=f"{number}@example.net")
    assert scanned(settled, "Capture") == (2, 2)
    assert len(both(settled, "email")) == 1
    assert "email" in {record.field for record in settled[0].store.conflicts(state=None)}


def test_what_nobody_can_tell_is_left_and_said(settled: tuple[Cloud, Cloud]) -> None:
    for number, cloud in enumerate(settled):
        with cloud.unseen():
            cloud.update("user", "u-001", email=f"{number}@example.net")
    outcomes = Scan(*settled).run(drift="Revert")
    assert figures(outcomes) == (2, 0)
    assert [one.message for one in outcomes if one.message]
    assert [cloud.value("user", "u-001", "email") for cloud in settled] == ["0@example.net", "1@example.net"]


def test_a_row_that_drifted_and_was_changed_elsewhere_does_not_wait_for_ever(settled: tuple[Cloud, Cloud]) -> None:
    here, there = settled
    with there.unseen():
        there.update("user", "u-001", email="wrong@example.net")
    here.update("user", "u-001", firstname="June", email="new@example.net")
    pull(there, here)
    figures(Scan(here, there).run(drift="Revert"))
    settle(here, there)
    assert both(settled, "firstname", "email") == {("June", "new@example.net")}
    assert figures(Scan(here, there).run(drift="Revert")) == (0, 0)


def test_more_rows_than_are_told_at_once_are_all_mended(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    for number in range(450):
        here.add_domain(f"d-{number:03}")
    settle(here, there)
    with here.unseen():
        for number in range(0, 450, 2):
            here.update("domain", f"d-{number:03}", network_domain="here.example")
    with there.unseen():
        for number in range(1, 450, 2):
            there.update("domain", f"d-{number:03}", network_domain="there.example")
    assert scanned(two, "Capture") == (450, 450)
    assert {there.value("domain", f"d-{number:03}", "network_domain") for number in (0, 448)} == {"here.example"}
    assert {here.value("domain", f"d-{number:03}", "network_domain") for number in (1, 449)} == {"there.example"}


def test_keys_that_a_database_orders_otherwise_than_we_do_hide_nothing(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    for name in ("B", "a", "C", "d", "É", "z"):
        here.add_account(f"a-{name}")
        here.add_user(f"u-{name}", account=f"a-{name}")
    settle(here, there)
    assert figures(Scan(here, there).run(drift="Revert", max_rows=2)) == (0, 0)
    for name in ("B", "d", "É"):
        with there.unseen():
            there.update("user", f"u-{name}", email="wrong@example.net")
    with here.unseen():
        here.add_user("u-K", account="a-B")
    assert scanned(two, "Revert", max_rows=2) == (4, 4)


def test_without_verify_content_nobody_looks(settled: tuple[Cloud, Cloud]) -> None:
    with settled[0].unseen():
        settled[0].update("user", "u-001", email="wrong@example.net")
        settled[0].add_user("u-new", account="a-001")
    assert figures(Scan(*settled).run()) == (0, 0)
    assert RowKey("user", "u-new") not in {RowKey(*row) for row in settled[1].states()}
