"""What becomes of rows that arrive: joined, shown, or parked with a reason."""

from dataclasses import replace

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.errors import Refused
from region_operator.replication.feed import FeedPage, FeedRequest, RowKey
from region_operator.replication.model.lag import START


def first_page(source: Region, **more: int) -> FeedPage:
    source.fold()
    return source.read(FeedRequest(peer=2, **more))


def only(page: FeedPage, *keys: str) -> FeedPage:
    return replace(page, rows=tuple(row for row in page.rows if row.key in keys))


def test_applying_a_page_again_changes_nothing(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_domain("sales")
    here.add_account("acme", domain="sales")
    page = first_page(here)
    assert there.store.apply(here.id, page).changed > 0
    head, content = there.store.head(), there.content()
    again = there.store.apply(here.id, page)
    assert (again.changed, again.parked) == (0, 0)
    assert (there.store.head(), there.content()) == (head, content)


@pytest.mark.rule("ENGINE 10")
def test_what_is_applied_is_not_captured_as_a_change_of_this_region(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    pull(there, here)
    assert there.sync_sql("SELECT COUNT(*) FROM dirty") == [(0,)]
    assert there.states()[("account", "acme")] == here.states()[("account", "acme")]


def test_the_cursor_commits_with_the_data(two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = two
    here.add_account("acme")
    page = first_page(here)
    from region_operator.replication.store import configuration

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(configuration, "move_cursor", crash)
        with pytest.raises(KeyboardInterrupt):
            there.store.apply(here.id, page)
    assert there.store.cursor(here.id) == START
    assert not there.has("account", "acme")
    there.reopen()
    there.store.apply(here.id, page)
    assert there.store.cursor(here.id) == page.next
    assert there.has("account", "acme")


def test_a_crash_of_the_server_between_two_pages_loses_and_repeats_nothing(two: tuple[Region, Region]) -> None:
    here, there = two
    for number in range(6):
        here.add_account(f"a{number}")
    pull_one = first_page(here, max_rows=4)
    there.store.apply(here.id, pull_one)
    there.server.kill()
    there.server.start()
    for region in two:
        region.writer = region.server.admin_connection(region.schemas.business)
    pull(there, here)
    assert {key for (key,) in there.sql("SELECT uuid FROM account WHERE uuid LIKE 'a_'")} == {f"a{n}" for n in range(6)}


def test_a_deletion_arrives_and_so_does_one_that_follows_its_creation_at_once(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_account("brief")
    pull(there, here)
    here.sql("UPDATE account SET removed = '2026-03-03 00:00:00' WHERE uuid = 'acme'")
    here.add_account("late")
    here.fold()
    here.sql("UPDATE account SET removed = '2026-03-03 00:00:00' WHERE uuid = 'late'")
    here.sql("DELETE FROM account WHERE uuid = 'brief'")
    pull(there, here)
    assert str(there.value("account", "acme", "removed")) == "2026-03-03 00:00:00"
    assert not there.has("account", "late")
    assert there.value("account", "brief", "removed") is not None
    settle(here, there)
    assert here.states() == there.states()


def test_a_child_waits_for_its_parent_and_follows_it(two: tuple[Region, Region]) -> None:
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


def test_a_row_that_is_not_shown_is_stored_and_forwarded(three: tuple[Region, Region, Region]) -> None:
    a, b, c = three
    a.add_account("acme")
    a.add_user("jane", account="acme")
    page = first_page(a)
    b.store.apply(a.id, only(page, "jane"))
    pull(c, b, fetch=False)
    pull(c, a)
    assert c.has("user", "jane")
    assert b.states()[("user", "jane")] == a.states()[("user", "jane")]


def test_one_bad_row_parks_itself_and_the_stream_goes_on(two: tuple[Region, Region]) -> None:
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


def test_a_value_that_does_not_fit_parks_its_row(two: tuple[Region, Region]) -> None:
    here, there = two
    here.sql("ALTER TABLE account MODIFY network_domain VARCHAR(300)")
    here.add_account("good")
    here.add_account("bad")
    here.sql("UPDATE account SET network_domain = %s WHERE uuid = 'bad'", ["x" * 256])
    pull(there, here)
    assert there.has("account", "good")
    assert not there.has("account", "bad")
    (parked,) = there.store.parked()
    assert parked.reason == "WriteRefused"
    assert "256" in parked.message


@pytest.mark.rule("ENGINE 5")
def test_a_state_that_lacks_a_field_is_refused_whole(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    page = only(first_page(here), "acme")
    (row,) = page.rows
    crippled = replace(row, state=row.state.replace('"network_domain"', '"unheard_of"'))
    there.store.apply(here.id, replace(page, rows=(crippled,)))
    (parked,) = there.store.parked()
    assert parked.reason == "SchemaSkew"
    assert ("account", "acme") not in there.states()


@pytest.mark.rule("ENGINE 5")
def test_a_field_that_nobody_knows_here_is_kept_and_forwarded(three: tuple[Region, Region, Region]) -> None:
    a, b, c = three
    a.add_account("acme")
    page = only(first_page(a), "acme")
    (row,) = page.rows
    richer = replace(row, state=row.state.replace('"r":{', '"r":{"a_new_field":[[1,0,"x"]],'))
    b.store.apply(a.id, replace(page, rows=(richer,)))
    assert b.has("account", "acme")
    assert '"a_new_field"' in b.states()[("account", "acme")]
    b.sql("UPDATE account SET network_domain = 'n' WHERE uuid = 'acme'")
    pull(c, b)
    assert '"a_new_field"' in c.states()[("account", "acme")]


@pytest.mark.rule("ENGINE 22")
def test_a_row_that_a_writer_holds_is_tried_again_and_neither_waits_for_the_other(
    two: tuple[Region, Region],
) -> None:
    here, there = two
    here.add_account("acme")
    here.add_account("other")
    pull(there, here)
    here.sql("UPDATE account SET network_domain = 'n' WHERE uuid IN ('acme', 'other')")
    holder = there.server.admin_connection(there.schemas.business, autocommit=False)
    with holder.cursor() as cursor:
        cursor.execute("SELECT id FROM account WHERE uuid = 'acme' FOR UPDATE")
        outcomes = pull(there, here)
        assert there.value("account", "other", "network_domain") == "n"
        assert sum(outcome.parked for outcome in outcomes) == 1
    holder.rollback()
    holder.close()
    there.store.retry_parked()
    assert there.value("account", "acme", "network_domain") == "n"
    assert there.store.parked() == []


@pytest.mark.rule("ENGINE 24")
def test_unique_values_swap_between_rows(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme", api_key="one")
    here.add_user("john", account="acme", api_key="two")
    pull(there, here)
    here.sql("UPDATE user SET api_key = NULL WHERE uuid = 'jane'")
    here.sql("UPDATE user SET api_key = 'one' WHERE uuid = 'john'")
    here.sql("UPDATE user SET api_key = 'two' WHERE uuid = 'jane'")
    pull(there, here)
    assert (there.value("user", "jane", "api_key"), there.value("user", "john", "api_key")) == ("two", "one")
    assert there.store.parked() == []


@pytest.mark.rule("ENGINE 24")
def test_a_taken_unique_value_fetches_the_row_that_had_it_before_it_is_a_clash(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme", api_key="one")
    here.add_user("john", account="acme")
    pull(there, here)
    here.sql("UPDATE user SET api_key = 'three' WHERE uuid = 'jane'")
    here.sql("UPDATE user SET api_key = 'one' WHERE uuid = 'john'")
    page = only(first_page(here), "john")
    outcome = there.store.apply(here.id, page)
    assert outcome.missing == (RowKey("user", "jane"),)
    there.store.apply_rows(here.id, here.store.read_rows(outcome.missing))
    assert there.value("user", "john", "api_key") == "one"
    assert there.store.parked() == []
    assert there.store.conflicts(state=None) == []


@pytest.mark.rule("ENGINE 24")
def test_domains_of_one_name_removed_in_the_same_second_are_both_removed(two: tuple[Region, Region]) -> None:
    here, there = two
    for region, key in ((here, "d1"), (there, "d2")):
        region.add_domain(key, name="sales")
        region.sql("UPDATE domain SET removed = '2026-03-03 00:00:00', state = 'Inactive' WHERE uuid = %s", [key])
    here.add_domain("d3", name="other")
    settle(here, there)
    here.sql("UPDATE domain SET name = 'sales' WHERE uuid = 'd3'")
    settle(here, there)
    here.sql("UPDATE domain SET removed = '2026-03-03 00:00:01' WHERE uuid = 'd3'")
    settle(here, there)
    assert there.store.parked() == []
    assert here.states() == there.states()


def test_a_page_of_another_region_is_refused(two: tuple[Region, Region]) -> None:
    here, there = two
    with pytest.raises(Refused):
        there.store.apply(3, first_page(here))


def test_custom_roles_stay_in_their_region_and_arriving_accounts_keep_theirs(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    pull(there, here)
    here.sql("UPDATE account SET role_id = 17 WHERE uuid = 'acme'")
    pull(there, here)
    assert there.value("account", "acme", "role_id") is None
    there.sql("UPDATE account SET role_id = 23 WHERE uuid = 'acme'")
    settle(here, there)
    assert here.value("account", "acme", "role_id") == 17
    assert there.value("account", "acme", "role_id") == 23
    here.sql("UPDATE account SET role_id = 2 WHERE uuid = 'acme'")
    settle(here, there)
    assert there.value("account", "acme", "role_id") == 2


def test_a_parked_row_is_a_dead_letter_in_the_end_and_lives_again_when_asked(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    here.add_user("jane", account="acme")
    there.store.apply(here.id, only(first_page(here), "jane"))
    there.sync_sql("UPDATE parked SET parked_at = parked_at - INTERVAL 2 DAY, next_try = next_try - INTERVAL 1 HOUR")
    there.store.retry_parked()
    assert there.store.counts().dead_lettered == 1
    assert there.store.retry_parked().received == 0
    there.store.retry([RowKey("user", "jane")])
    assert there.store.counts().parked == 1
    there.store.skip([RowKey("user", "jane")], by="ann", reason="not ours")
    assert there.store.parked() == []
    assert there.sync_sql("SELECT action, subject, decided_by, reason FROM audit WHERE action = 'Skip'") == [
        ("Skip", "user jane", "ann", "not ours")
    ]
    there.store.apply(here.id, first_page(here))
    assert there.has("user", "jane")
