"""`acceptFrom`: writes of other clouds are not taken, none is half-joined, and none is lost."""

import pytest

from contract.replication.regions import default_rules, pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.feed import RowKey

JANE = RowKey("user", "jane")


def accepting(*clouds: int) -> dict:
    return default_rules(entities=[{"name": "user", "acceptFrom": list(clouds)}])


def share_a_user(*clouds: Cloud) -> None:
    clouds[0].add_account("acme")
    clouds[0].add_user("jane", account="acme")
    settle(*clouds)


def set_user(cloud: Cloud, column: str, value: str) -> None:
    cloud.update("user", "jane", **{column: value})


def emails(*clouds: Cloud) -> list[str]:
    return [cloud.value("user", "jane", "email") for cloud in clouds]


@pytest.mark.rule("OPERATOR 17")
def test_a_row_with_a_write_of_a_region_that_is_not_accepted_is_refused_whole(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(accepting(1))
    before = here.states()[("user", "jane")]
    set_user(there, "email", "theirs")
    set_user(there, "lastname", "Theirs")
    there.update("account", "acme", network_domain="theirs")
    settle(here, there)
    assert emails(here) == ["jane@example"]
    assert here.states()[("user", "jane")] == before
    assert here.value("account", "acme", "network_domain") == "theirs"  # another entity
    (parked,) = here.store.parked()
    assert (parked.row, parked.reason, parked.source) == (JANE, "OriginRefused", 2)
    assert "region 2" in parked.message
    # Nobody has to do anything about it, and time does not make it a dead letter.
    here.age_parked(hours=900 * 24)
    assert here.store.retry_parked().received == 0
    assert here.store.counts().parked == here.store.counts().dead_lettered == 0


@pytest.mark.rule("OPERATOR 17")
def test_what_was_refused_is_joined_once_the_policy_accepts_it_and_what_was_written_meanwhile_is_concurrent(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(accepting(1))
    set_user(there, "email", "theirs")
    settle(here, there)
    set_user(here, "email", "ours")
    settle(here, there)
    # Over there both are known: ours had not seen theirs, so it does not simply win.
    (record,) = [c for c in there.store.conflicts(state=None) if c.row == JANE]
    assert {value.value for value in record.values} == {"ours", "theirs"}
    assert emails(here) == ["ours"]
    here.store.set_rules(accepting(1, 2))
    here.store.retry_parked()
    settle(here, there)
    assert here.states() == there.states()
    assert here.content() == there.content()
    assert here.store.parked() == []


@pytest.mark.rule("OPERATOR 17")
def test_a_later_write_of_an_accepted_region_is_taken_with_all_that_it_had_seen(
    three: tuple[Cloud, Cloud, Cloud],
) -> None:
    a, b, c = three
    share_a_user(a, b, c)
    a.store.set_rules(accepting(1, 2))
    set_user(c, "email", "refused")
    settle(a, b, c)
    assert emails(a, b, c) == ["jane@example", "refused", "refused"]
    set_user(b, "email", "accepted")
    settle(a, b, c)
    assert emails(a, b, c) == ["accepted"] * 3
    assert a.states() == b.states() == c.states()
    assert [row.reason for row in a.store.parked()] == ["OriginRefused"]  # as it came from c; never half of it
    a.store.set_rules(default_rules())
    a.store.retry_parked()
    assert a.store.parked() == []
    assert emails(a) == ["accepted"]


def test_what_was_written_here_meanwhile_is_versioned_and_news_to_peers_though_what_arrives_is_refused(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(accepting(1))
    set_user(there, "email", "theirs")
    there.fold()
    set_user(here, "lastname", "Ours")
    outcome = here.store.apply_rows(there.id, there.store.read_rows([JANE]))
    assert (outcome.parked, outcome.changed) == (1, 1)
    assert here.store.status().captured == 0


@pytest.mark.rule("OPERATOR 17")
def test_a_deletion_by_a_region_that_is_not_accepted_deletes_nothing(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    share_a_user(here, there)
    here.store.set_rules(accepting(1))
    there.update("user", "jane", removed="2026-04-04 00:00:00")
    settle(here, there)
    assert here.value("user", "jane", "removed") is None
    assert there.value("user", "jane", "removed") is not None


def test_what_is_accepted_from_one_peer_does_not_forget_what_was_refused_of_another(
    three: tuple[Cloud, Cloud, Cloud],
) -> None:
    a, b, c = three
    share_a_user(a, b, c)
    a.store.set_rules(accepting(1, 2))
    set_user(c, "email", "refused")
    pull(a, c)
    set_user(b, "lastname", "Accepted")
    pull(a, b)
    assert a.value("user", "jane", "lastname") == "Accepted"
    assert [row.source for row in a.store.parked()] == [3]
    a.store.set_rules(default_rules())
    a.store.retry_parked()
    assert emails(a) == ["refused"]
