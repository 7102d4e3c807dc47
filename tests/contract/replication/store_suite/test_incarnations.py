"""A database that may have gone back in time never reuses a version number, and gets back what it lost."""

import pytest

from contract.replication.regions import pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.errors import Conflict
from region_operator.replication.feed import FeedRequest
from region_operator.replication.model.lag import Cursor


@pytest.mark.rule("ENGINE 11")
def test_an_agent_that_restarts_alone_keeps_its_incarnation(cloud: Cloud) -> None:
    before = cloud.store.history()
    cloud.reopen()
    cloud.reopen()
    assert cloud.store.history() == before


@pytest.mark.rule("ENGINE 11")
def test_a_restart_of_the_database_server_begins_a_new_incarnation_in_a_running_agent(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    here.add_account("before")
    settle(here, there)
    old, cursor = here.store.history(), there.store.cursor(here.id)
    here.restart()
    here.add_account("after")
    pull(there, here)
    assert here.store.history()[:-1] == old
    assert here.store.history()[-1].first_lsn == cursor.lsn + 1
    # The cursor of the old incarnation went on without copying anything again.
    page = here.read(FeedRequest(peer=there.id, after=cursor))
    assert {row.key for row in page.rows} == {"after"}
    assert not page.rewound
    assert here.store.status().history_intact == "Continuous"
    assert there.has("account", "after")


@pytest.mark.rule("ENGINE 12")
def test_a_cursor_beyond_the_end_proves_lost_commits_and_they_flow_back(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_account("kept")
    settle(here, there)
    saved = here.backup()
    here.add_account("lost")
    here.update("account", "kept", network_domain="lost too")
    pull(there, here)
    here.restore(saved)
    assert not here.has("account", "lost")
    here.update("account", "kept", network_domain="written after the restore")
    here.fold()
    after, known_history, seen = there.store.position(here.id)
    outcome = here.read(FeedRequest(peer=there.id, after=after, known_history=known_history, seen=seen))
    assert outcome.rewound
    assert outcome.rows == ()
    settle(here, there)
    assert here.has("account", "lost")
    assert here.store.status().history_intact == "Restored"
    assert here.content() == there.content()
    assert here.states() == there.states()
    # Both writes to the one field are known: nothing was overwritten in silence.
    assert "lost too" in here.states()[("account", "kept")]
    assert "written after the restore" in here.states()[("account", "kept")]
    here.store.confirm_history()
    assert here.store.status().history_intact == "Continuous"


@pytest.mark.rule("ENGINE 12")
def test_a_restore_in_the_middle_of_catching_up_loses_no_row_that_lies_behind_the_cursor_again(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    settle(here, there)
    for key in ("early", "b", "c", "d"):
        here.add_account(key)
        here.fold()
    saved = here.backup()
    here.update("account", "early", network_domain="moved to the head")
    here.fold()
    # A page that ends before the row that has moved: what it tells is not all that lies up to its end in the backup.
    after, known_history, seen = there.store.position(here.id)
    request = FeedRequest(there.id, after, there.store.history(), known_history, seen, max_rows=2)
    page = here.read(request)
    assert [row.key for row in page.rows] == ["b", "c"]
    there.store.apply(here.id, page)
    here.restore(saved)
    settle(here, there)
    assert there.has("account", "early")
    assert here.states() == there.states()
    assert here.store.status().history_intact == "Restored"


@pytest.mark.rule("ENGINE 12")
def test_a_restore_to_before_a_change_that_was_not_versioned_yet_loses_no_row(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    settle(here, there)
    here.add_account("acme")
    here.fold()
    saved = here.backup()
    here.update("account", "acme", network_domain="captured, not folded")
    after, known_history, seen = there.store.position(here.id)
    page = here.read(FeedRequest(there.id, after, there.store.history(), known_history, seen))
    assert (page.rows, page.unfolded) == ((), True)
    there.store.apply(here.id, page)
    here.restore(saved)
    settle(here, there)
    assert there.has("account", "acme")
    assert here.states() == there.states()


@pytest.mark.rule("ENGINE 12")
def test_a_restart_in_the_middle_of_catching_up_sends_nothing_again(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    settle(here, there)
    for key in ("a", "b", "c"):
        here.add_account(key)
    here.fold()
    after, known_history, seen = there.store.position(here.id)
    there.store.apply(here.id, here.read(FeedRequest(there.id, after, (), known_history, seen, max_rows=2)))
    here.restart()
    here.add_account("d")
    here.fold()
    after, known_history, seen = there.store.position(here.id)
    page = here.read(FeedRequest(there.id, after, (), known_history, seen))
    assert not page.rewound
    assert [row.key for row in page.rows] == ["c", "d"]


@pytest.mark.rule("ENGINE 11")
def test_a_cursor_of_the_present_incarnation_beyond_the_head_ends_it(cloud: Cloud) -> None:
    present = cloud.store.history()[-1].name
    page = cloud.read(FeedRequest(peer=2, after=Cursor(present, cloud.store.head() + 100)))
    assert page.rewound
    assert page.next.lsn == cloud.store.head()
    assert cloud.store.history()[-1].name != present
    assert cloud.store.status().history_intact == "Restored"


@pytest.mark.rule("ENGINE 19")
def test_an_agent_that_was_replaced_may_not_write_any_more(cloud: Cloud) -> None:
    cloud.add_account("acme")
    cloud.be_replaced()
    with pytest.raises(Conflict):
        cloud.store.fold()
    assert cloud.store.status().captured == 1
