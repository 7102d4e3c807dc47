"""Rows that cannot be applied: they are held back, tried again, given up, and hold up nothing else."""

from dataclasses import replace

import pytest

from contract.replication.store_suite.clouds import Cloud
from contract.replication.store_suite.pages import first_page, only
from region_operator.errors import Refused
from region_operator.replication.feed import PARKING_FULL, RowKey
from region_operator.replication.store.region_store import Parking


def test_one_bad_row_parks_itself_and_the_stream_goes_on(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("good")
    here.add_account("bad")
    page = first_page(here)
    broken = tuple(replace(row, state="{}") if row.key == "bad" else row for row in page.rows)
    outcome = there.store.apply(here.id, replace(page, rows=broken))
    assert there.has("account", "good")
    assert outcome.parked == 1
    assert there.store.cursor(here.id) == page.next
    (parked,) = there.store.parked()
    assert (parked.row, parked.reason) == (RowKey("account", "bad"), "MalformedState")
    there.store.apply(here.id, page)
    assert there.has("account", "bad")
    assert there.store.parked() == []


@pytest.mark.rule("ENGINE 1")
def test_a_dot_that_names_two_values_parks_its_row(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    page = only(first_page(here), "acme")
    there.store.apply(here.id, page)
    (row,) = page.rows
    forged = replace(row, state=row.state.replace('"enabled"', '"locked"'))
    there.store.apply(here.id, replace(page, rows=(forged,)))
    (parked,) = there.store.parked()
    assert parked.reason == "DotReuse"
    assert there.value("account", "acme", "state") == "enabled"


@pytest.mark.rule("ENGINE 5")
def test_a_state_that_lacks_a_field_is_refused_whole(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    page = only(first_page(here), "acme")
    (row,) = page.rows
    crippled = replace(row, state=row.state.replace('"network_domain"', '"unheard_of"'))
    there.store.apply(here.id, replace(page, rows=(crippled,)))
    (parked,) = there.store.parked()
    assert parked.reason == "SchemaSkew"
    assert ("account", "acme") not in there.states()


def test_a_parked_row_is_a_dead_letter_in_the_end_and_lives_again_when_asked(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme")
    there.store.set_parking(Parking(dead_letter_after_s=60))
    there.store.apply(here.id, only(first_page(here), "jane"))
    there.age_parked(hours=48)
    while there.store.retry_parked().received:
        there.age_parked(hours=1)
    assert there.store.counts().dead_lettered == 1
    assert there.store.retry_parked().received == 0
    there.store.retry([RowKey("user", "jane")])
    assert there.store.counts().parked == 1
    there.store.skip([RowKey("user", "jane")], by="ann", reason="not ours")
    assert there.store.parked() == []
    there.store.apply(here.id, first_page(here))
    assert there.has("user", "jane")


@pytest.mark.rule("ENGINE 29")
def test_a_clock_that_is_set_forward_makes_no_dead_letter(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme")
    there.store.apply(here.id, only(first_page(here), "jane"))
    there.age_parked(hours=10_000)
    assert there.store.retry_parked().received == 1
    (parked,) = there.store.parked()
    assert (parked.state, parked.attempts) == ("Parked", 2)
    # Asked for by a person, it has all its time again.
    there.store.retry([RowKey("user", "jane")])
    there.age_parked(hours=10_000)
    there.store.retry_parked()
    assert [row.state for row in there.store.parked()] == ["Parked"]


@pytest.mark.rule("ENGINE 29")
def test_a_clock_that_is_set_back_keeps_no_parked_row_waiting(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme")
    there.store.apply(here.id, only(first_page(here), "jane"))
    assert there.store.retry_parked().received == 0
    there.age_parked(hours=-5)
    assert there.store.retry_parked().received == 1
    assert there.store.retry_parked().received == 0


def test_no_page_is_taken_while_as_many_rows_of_its_source_wait_as_may(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme")
    page = first_page(here)
    there.store.apply(here.id, only(page, "jane"))
    there.store.set_parking(Parking(max_rows={here.id: 1}))
    before = there.store.cursor(here.id)
    with pytest.raises(Refused) as refusal:
        there.store.apply(here.id, page)
    assert refusal.value.reason == PARKING_FULL
    assert there.store.cursor(here.id) == before
    # What is asked for by key comes all the same, and makes room.
    there.store.apply_rows(here.id, here.store.read_rows([RowKey("account", "acme")]))
    assert there.has("user", "jane")
    there.store.apply(here.id, page)
