"""`mode: Off`: what the store suite says of it, when the region is killed in the middle; and what may be left out."""

import pytest

from contract.replication.regions import Region, default_rules, settle
from region_operator.errors import InvalidInput
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.store import left_out

OFF = {"entities": [{"name": name, "mode": "Off"} for name in ("user", "project_member", "event")]}


@pytest.mark.rule("ENGINE 5")
def test_what_was_missed_comes_also_after_a_crash_in_the_middle(
    two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme")
    settle(here, there)
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


@pytest.mark.rule("ENGINE 12")
def test_no_reader_is_sure_of_what_was_left_out_until_all_of_it_is_on_its_way_again(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    region.store.set_rules(default_rules(**OFF))
    whole, pages = left_out.send_again, []

    def read_meanwhile(*arguments: object, **keywords: object) -> bool:
        pages.append(region.store.read_feed(FeedRequest(peer=2)))
        return whole(*arguments, **keywords)

    monkeypatch.setattr(left_out, "send_again", read_meanwhile)
    region.store.set_rules(default_rules())
    assert pages
    assert all(page.leaves_out for page in pages)
    assert not region.store.read_feed(FeedRequest(peer=2)).leaves_out


@pytest.mark.rule("ENGINE 5")
def test_parents_cannot_be_left_out_without_their_children() -> None:
    with pytest.raises(InvalidInput, match="set mode Off for account_detail too") as refusal:
        default_rules(entities=[{"name": "account", "mode": "Off"}])
    assert refusal.value.field == "entities[0].mode"
