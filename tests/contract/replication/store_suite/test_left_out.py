"""`mode: Off`: an entity is left out, and when it is taken again nothing is missing."""

from dataclasses import replace

import pytest

from contract.replication.regions import default_rules, pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.errors import Refused
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.model.lag import START

OFF = {"entities": [{"name": name, "mode": "Off"} for name in ("user", "project_member", "event")]}


def share_a_user(*clouds: Cloud) -> None:
    clouds[0].add_account("acme")
    clouds[0].add_user("jane", account="acme")
    settle(*clouds)


def set_user(cloud: Cloud, column: str, value: str) -> None:
    cloud.update("user", "jane", **{column: value})


def jane(cloud: Cloud) -> tuple[str, str]:
    return cloud.value("user", "jane", "email"), cloud.value("user", "jane", "firstname")


@pytest.mark.rule("ENGINE 5")
def test_rows_of_an_entity_that_is_off_are_neither_taken_nor_served(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(default_rules(**OFF))
    set_user(here, "email", "ours")
    set_user(there, "firstname", "Theirs")
    there.add_user("new", account="acme")
    here.update("account", "acme", network_domain="ours")
    settle(here, there)
    assert jane(here) == ("ours", "Jane")
    assert jane(there) == ("jane@example", "Theirs")
    assert not here.has("user", "new")
    assert there.value("account", "acme", "network_domain") == "ours"
    assert here.store.read_rows([RowKey("user", "jane")]).rows == ()
    assert here.store.parked() == there.store.parked() == []


@pytest.mark.rule("ENGINE 5")
def test_when_it_is_taken_again_nothing_is_missing_and_what_met_is_a_conflict(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(default_rules(**OFF))
    for cloud, name in ((here, "here"), (there, "there")):
        set_user(cloud, "email", name)
        cloud.add_user(name, account="acme")
    set_user(there, "firstname", "There")
    settle(here, there)
    here.store.set_rules(default_rules())
    settle(here, there)
    assert here.content() == there.content()
    assert here.states() == there.states()
    assert there.has("user", "here")
    assert here.has("user", "there")
    assert jane(here)[1] == "There"
    for cloud in two:
        (record,) = [c for c in cloud.store.conflicts(state=None) if c.row == RowKey("user", "jane")]
        assert {value.value for value in record.values} == {"here", "there"}


@pytest.mark.rule("ENGINE 5")
def test_a_page_that_was_on_its_way_does_not_take_the_link_past_what_it_has_to_read_again(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    share_a_user(there, here)
    here.store.set_rules(default_rules(**OFF))
    there.add_user("new", account="acme")
    pull(here, there)
    stood = here.store.cursor(there.id)
    there.add_account("late")
    there.fold()
    page = replace(there.read(FeedRequest(peer=here.id, after=stood)), asked=stood)
    here.store.set_rules(default_rules())
    with pytest.raises(Refused) as refusal:
        here.store.apply(there.id, page)
    assert refusal.value.reason == "CursorMoved"
    assert here.store.cursor(there.id) == START
    pull(here, there)
    assert here.has("user", "new")
    assert here.has("account", "late")


def test_parked_rows_of_an_entity_that_is_off_wait_for_it(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    there.add_account("acme")
    there.add_user("jane", account="acme")
    there.fold()
    page = there.read(FeedRequest(peer=here.id))
    here.store.apply(there.id, replace(page, rows=tuple(row for row in page.rows if row.key == "jane")))
    here.store.set_rules(default_rules(**OFF))
    here.store.drop_cursor(there.id)
    pull(here, there)
    assert here.has("account", "acme")
    here.age_parked(hours=1)
    assert here.store.retry_parked().received == 0
    assert not here.has("user", "jane")
    here.store.set_rules(default_rules())
    here.store.retry_parked()
    assert here.has("user", "jane")


@pytest.mark.rule("ENGINE 12")
def test_what_was_passed_over_is_sent_when_a_restore_made_the_source_forget_that_it_left_it_out(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    share_a_user(here, there)
    there.add_user("new", account="acme")
    there.fold()
    backup = there.backup()
    there.store.set_rules(default_rules(**OFF))
    pull(here, there)
    assert not here.has("user", "new")
    there.restore(backup)
    settle(here, there)
    assert here.has("user", "new")
    assert here.states() == there.states()
