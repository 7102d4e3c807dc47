"""`mode: Off`: an entity is left out, and when it is taken again nothing is missing."""

from dataclasses import replace

import pytest

from contract.replication.regions import Region, default_rules, pull, settle
from region_operator.errors import InvalidInput, Refused
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.model.lag import START
from region_operator.replication.store import left_out

OFF = {"entities": [{"name": name, "mode": "Off"} for name in ("user", "project_member", "event")]}


def share_a_user(*regions: Region) -> None:
    regions[0].add_account("acme")
    regions[0].add_user("jane", account="acme")
    settle(*regions)


def set_user(region: Region, column: str, value: str) -> None:
    region.sql(f"UPDATE user SET {column} = %s WHERE uuid = 'jane'", [value])


def jane(region: Region) -> tuple[str, str]:
    return region.value("user", "jane", "email"), region.value("user", "jane", "firstname")


@pytest.mark.rule("ENGINE 5")
def test_rows_of_an_entity_that_is_off_are_neither_taken_nor_served(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(default_rules(**OFF))
    set_user(here, "email", "ours")
    set_user(there, "firstname", "Theirs")
    there.add_user("new", account="acme")
    here.sql("UPDATE account SET network_domain = 'ours' WHERE uuid = 'acme'")
    settle(here, there)
    assert jane(here) == ("ours", "Jane")
    assert jane(there) == ("jane@example", "Theirs")
    assert not here.has("user", "new")
    assert there.value("account", "acme", "network_domain") == "ours"
    assert here.store.read_rows([RowKey("user", "jane")]).rows == ()
    assert here.store.parked() == there.store.parked() == []


@pytest.mark.rule("ENGINE 5")
def test_when_it_is_taken_again_nothing_is_missing_and_what_met_is_a_conflict(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(default_rules(**OFF))
    for region, name in ((here, "here"), (there, "there")):
        set_user(region, "email", name)
        region.add_user(name, account="acme")
    set_user(there, "firstname", "There")
    settle(here, there)
    here.store.set_rules(default_rules())
    settle(here, there)
    assert here.content() == there.content()
    assert here.states() == there.states()
    assert there.has("user", "here")
    assert here.has("user", "there")
    assert jane(here)[1] == "There"
    for region in two:
        (record,) = [c for c in region.store.conflicts(state=None) if c.row == RowKey("user", "jane")]
        assert {value.value for value in record.values} == {"here", "there"}


@pytest.mark.rule("ENGINE 5")
def test_what_was_missed_comes_also_after_a_crash_in_the_middle(
    two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(default_rules(**OFF))
    for number in range(5):
        here.add_user(f"u{number}", account="acme")
        there.add_user(f"v{number}", account="acme")
    settle(here, there)
    monkeypatch.setattr(left_out, "BATCH", 2)
    whole, batches = left_out.send_again, iter(range(2))

    def crash(*arguments: object, **keywords: object) -> bool:
        if next(batches, None) is None:
            raise KeyboardInterrupt
        return whole(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(left_out, "send_again", crash)
        with pytest.raises(KeyboardInterrupt):
            here.store.set_rules(default_rules())
    here.reopen()
    assert here.store.read_rows([RowKey("user", "u0")]).rows == ()  # until somebody says what holds
    here.store.set_rules(default_rules())
    settle(here, there)
    assert here.states() == there.states()
    assert len(here.content()["user"]) == 11


@pytest.mark.rule("ENGINE 5")
def test_a_page_that_was_on_its_way_does_not_take_the_link_past_what_it_has_to_read_again(
    two: tuple[Region, Region],
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


def test_parked_rows_of_an_entity_that_is_off_wait_for_it(two: tuple[Region, Region]) -> None:
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
    here.sync_sql("UPDATE parked SET next_try = next_try - INTERVAL 1 HOUR")
    assert here.store.retry_parked().received == 0
    assert not here.has("user", "jane")
    here.store.set_rules(default_rules())
    here.store.retry_parked()
    assert here.has("user", "jane")


@pytest.mark.rule("ENGINE 5")
def test_parents_cannot_be_left_out_without_their_children() -> None:
    with pytest.raises(InvalidInput, match="set mode Off for account_detail too") as refusal:
        default_rules(entities=[{"name": "account", "mode": "Off"}])
    assert refusal.value.field == "entities[0].mode"
