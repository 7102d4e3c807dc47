"""What becomes of rows that arrive: joined, shown, or parked with a reason."""

from dataclasses import replace

import pytest

from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import Cloud
from contract.replication.store_suite.pages import first_page, only
from region_operator.errors import Refused
from region_operator.replication.feed import RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.merge import merge


def test_applying_a_page_again_changes_nothing(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    page = first_page(here)
    assert there.store.apply(here.id, page).changed > 0
    assert there.store.cursor(here.id) == page.next
    head, content = there.store.head(), there.content()
    again = there.store.apply(here.id, page)
    assert (again.changed, again.parked) == (0, 0)
    assert (there.store.head(), there.content()) == (head, content)


@pytest.mark.rule("ENGINE 10")
def test_what_is_applied_is_not_a_change_of_this_region(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    pull(there, here)
    assert there.store.status().captured == 0
    assert there.states()[("account", "acme")] == here.states()[("account", "acme")]


def test_a_deletion_arrives_and_so_does_one_that_follows_its_creation_at_once(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_account("brief")
    pull(there, here)
    here.update("account", "acme", removed="2026-03-03 00:00:00")
    here.add_account("late")
    here.fold()
    here.update("account", "late", removed="2026-03-03 00:00:00")
    here.erase("account", "brief")
    pull(there, here)
    assert there.value("account", "acme", "removed") == "2026-03-03 00:00:00"
    assert not there.has("account", "late")
    assert there.value("account", "brief", "removed") is not None
    settle(here, there)
    assert here.states() == there.states()


def test_a_removed_row_that_is_wanted_back_is_back_everywhere(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    settle(here, there)
    here.update("account", "acme", removed="2026-03-03 00:00:00", state="removed")
    settle(here, there)
    there.update("account", "acme", removed=None, state="enabled")
    settle(here, there)
    assert here.value("account", "acme", "removed") is None
    assert here.content() == there.content()
    assert here.states() == there.states()


def test_a_child_waits_for_its_parent_and_follows_it(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    here.add_user("jane", account="acme")
    page = first_page(here)
    outcome = there.store.apply(here.id, only(page, "jane"))
    assert outcome.missing == (RowKey("account", "acme"),)
    assert outcome.parked == 1
    assert not there.has("user", "jane")
    assert there.store.counts().parked == 1
    fetched = there.store.apply_rows(here.id, here.store.read_rows(outcome.missing))
    assert fetched.missing == (RowKey("domain", "sales"),)
    done = there.store.apply_rows(here.id, here.store.read_rows(fetched.missing))
    assert done.missing == ()
    assert there.has("user", "jane")
    assert there.store.counts().parked == 0


def test_a_row_that_is_not_shown_is_stored_and_forwarded(three: tuple[Cloud, Cloud, Cloud]) -> None:
    a, b, c = three
    a.add_account("acme")
    a.add_user("jane", account="acme")
    page = first_page(a)
    b.store.apply(a.id, only(page, "jane"))
    pull(c, b, fetch=False)
    pull(c, a)
    assert c.has("user", "jane")
    assert b.states()[("user", "jane")] == a.states()[("user", "jane")]


@pytest.mark.rule("ENGINE 5")
def test_a_field_that_nobody_knows_here_is_kept_and_forwarded(three: tuple[Cloud, Cloud, Cloud]) -> None:
    a, b, c = three
    a.add_account("acme")
    page = only(first_page(a), "acme")
    (row,) = page.rows
    richer = replace(row, state=row.state.replace('"r":{', '"r":{"a_new_field":[[1,0,"x"]],'))
    b.store.apply(a.id, replace(page, rows=(richer,)))
    assert b.has("account", "acme")
    assert '"a_new_field"' in b.states()[("account", "acme")]
    b.update("account", "acme", network_domain="n")
    pull(c, b)
    assert '"a_new_field"' in c.states()[("account", "acme")]


@pytest.mark.rule("ENGINE 24")
def test_unique_values_swap_between_rows(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme", api_key="one")
    here.add_user("john", account="acme", api_key="two")
    pull(there, here)
    here.update("user", "jane", api_key=None)
    here.update("user", "john", api_key="one")
    here.update("user", "jane", api_key="two")
    pull(there, here)
    assert (there.value("user", "jane", "api_key"), there.value("user", "john", "api_key")) == ("two", "one")
    assert there.store.parked() == []


@pytest.mark.rule("ENGINE 23")
def test_a_row_that_arrives_never_becomes_a_change_of_the_one_that_has_its_unique_value(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    for cloud, key in ((here, "jane"), (there, "john")):
        cloud.add_account(f"of-{key}")
        cloud.add_user(key, account=f"of-{key}", api_key="the same")
    for row in (RowKey("account", "of-john"), RowKey("user", "john")):  # alone, and by the set
        here.store.apply_rows(there.id, there.store.read_rows([row]))
    pull(here, there)
    assert here.content()["user", "jane"]["username"] == "jane"
    assert not here.has("user", "john")
    assert [parked.row.key for parked in here.store.parked()] == ["john"]
    there.update("user", "john", api_key="another")
    pull(here, there)
    assert here.has("user", "john")
    assert here.content()["user", "jane"]["api_key"] == "the same"


@pytest.mark.rule("ENGINE 24")
def test_a_taken_unique_value_fetches_the_row_that_had_it_before_it_is_a_clash(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme", api_key="one")
    here.add_user("john", account="acme")
    pull(there, here)
    here.update("user", "jane", api_key="three")
    here.update("user", "john", api_key="one")
    page = only(first_page(here), "john")
    outcome = there.store.apply(here.id, page)
    assert outcome.missing == (RowKey("user", "jane"),)
    there.store.apply_rows(here.id, here.store.read_rows(outcome.missing))
    assert there.value("user", "john", "api_key") == "one"
    assert there.store.parked() == []
    assert there.store.conflicts(state=None) == []


@pytest.mark.rule("ENGINE 24")
def test_domains_of_one_name_removed_in_the_same_second_are_both_removed(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    for cloud, key, second in ((here, "d1", 0), (there, "d2", 1)):
        cloud.add_domain(key, name="sales")
        cloud.update("domain", key, removed=f"2026-03-03 00:00:0{second}", state="Inactive")
    here.add_domain("d3", name="other")
    settle(here, there)
    here.update("domain", "d3", name="sales")
    settle(here, there)
    here.update("domain", "d3", removed="2026-03-03 00:00:01")
    settle(here, there)
    assert there.value("domain", "d3", "removed") == "2026-03-03 00:00:02"
    assert there.store.parked() == []
    assert here.states() == there.states()


def test_a_page_of_another_region_is_refused(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    with pytest.raises(Refused):
        there.store.apply(3, first_page(here))


def test_a_row_that_came_and_went_between_two_folds_leaves_no_trace(cloud: Cloud) -> None:
    cloud.fold()
    head, states = cloud.store.head(), cloud.states()
    cloud.add_account("ghost")
    cloud.erase("account", "ghost")
    cloud.fold()
    assert (cloud.store.head(), cloud.states()) == (head, states)
    assert cloud.store.status().captured == 0


def test_a_value_written_just_before_the_row_went_is_not_named_after_an_older_write(cloud: Cloud) -> None:
    cloud.add_account("acme")
    cloud.add_user("jane", account="acme")
    cloud.fold()
    before = cloud.states()[("user", "jane")]
    cloud.update("user", "jane", email="last@example")
    cloud.erase("user", "jane")
    cloud.fold()
    after = codec.decode(cloud.states()[("user", "jane")])
    assert after.registers["email"][0].value == "last@example"
    assert after.registers["email"][0].dot.counter == 2
    assert merge(after, codec.decode(before)) == after
