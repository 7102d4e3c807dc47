"""What people see and decide in a region: conflicts and parked rows, page by page, audited."""

from dataclasses import replace

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.errors import InvalidInput, Refused
from region_operator.replication.feed import FeedRequest, RowKey
from region_operator.replication.records import ConflictRecord
from region_operator.replication.store.parked import Parking

JANE = RowKey("user", "jane")


def share_a_user(*regions: Region) -> None:
    regions[0].add_account("acme")
    regions[0].add_user("jane", account="acme")
    settle(*regions)


def set_user(region: Region, column: str, value: str | None) -> None:
    region.sql(f"UPDATE user SET {column} = %s WHERE uuid = 'jane'", [value])


def of_jane(region: Region) -> list[ConflictRecord]:
    return [record for record in region.store.conflicts(state=None) if record.row == JANE]


def disagree(here: Region, there: Region, *columns: str) -> None:
    share_a_user(here, there)
    for region, name in ((here, "here"), (there, "there")):
        for column in columns:
            set_user(region, column, name)
    settle(here, there)


def audit(region: Region) -> list[tuple[str, str, str, str]]:
    return region.sync_sql("SELECT action, subject, decided_by, reason FROM audit ORDER BY id")


# Which conflicts there are


def test_a_single_writer_never_makes_a_conflict_record_however_its_changes_arrive(
    three: tuple[Region, Region, Region],
) -> None:
    writer, near, far = three
    writer.add_domain("sales")
    for number in range(5):
        writer.add_account(f"a{number}", domain="sales")
        writer.add_user(f"u{number}", account=f"a{number}")
    for turn in range(4):
        pull(near, writer, max_rows=3)
        for number in range(5):
            writer.sql("UPDATE user SET email = %s, state = 'locked' WHERE uuid = %s", [f"e{turn}", f"u{number}"])
            writer.sql("UPDATE account SET account_name = %s WHERE uuid = %s", [f"n{turn}-{number}", f"a{number}"])
        writer.sql("UPDATE user SET removed = '2026-01-01 00:00:00' WHERE uuid = 'u3'")
        pull(far, near, max_rows=2)  # behind, and by way of somebody else
        pull(far, writer)
        pull(writer, far)
    settle(*three)
    assert writer.content() == near.content() == far.content()
    for region in three:
        records = [c for c in region.store.conflicts(state=None) if not c.row.key.startswith("well-known")]
        assert records == []


def test_a_record_says_both_values_who_wrote_them_what_had_been_seen_and_the_rule(
    two: tuple[Region, Region],
) -> None:
    here, there = two
    disagree(here, there, "email")
    (record,) = of_jane(here)
    assert {(value.value, value.region) for value in record.values} == {("here", 1), ("there", 2)}
    assert (record.rule, record.state, record.kind) == ("HighestVersion", "Settled", "Value")
    counters = {f"{counter}@{actor}" for actor, counter in record.vector}
    assert {value.dot for value in record.values} <= counters
    assert here.store.conflict(record.id) == record
    with pytest.raises(InvalidInput) as refusal:
        here.store.conflict(record.id + 999)
    assert refusal.value.reason == "NotFound"


def test_records_come_in_pages_the_latest_first(two: tuple[Region, Region]) -> None:
    here, there = two
    disagree(here, there, "email", "firstname", "lastname", "timezone", "source")
    whole = [record.id for record in here.store.conflicts(state="Settled")]
    first = here.store.conflicts(state="Settled", limit=3)
    rest = here.store.conflicts(state="Settled", before=first[-1].id, limit=100)
    assert [record.id for record in (*first, *rest)] == whole == sorted(whole, reverse=True)
    assert len(first) == 3


# What becomes of them


@pytest.mark.rule("ENGINE 3")
def test_writing_the_shown_value_by_hand_closes_nothing_and_resolving_closes_it_everywhere(
    two: tuple[Region, Region],
) -> None:
    here, there = two
    disagree(here, there, "email")
    shown = here.value("user", "jane", "email")
    set_user(here, "email", shown)
    settle(here, there)
    assert [record.state for record in of_jane(here)] == ["Settled"]
    (record,) = of_jane(here)
    here.store.resolve(record.id, by="ann", reason="right as it is")
    settle(here, there)
    for region in two:
        assert region.value("user", "jane", "email") == shown
        assert [record.state for record in of_jane(region)] == ["Closed"]
    assert here.states() == there.states()
    assert audit(here) == [("Resolve", f"conflict {record.id}", "ann", "right as it is")]
    assert audit(there) == []
    with pytest.raises(Refused) as refusal:
        here.store.resolve(record.id, by="ann", reason="again")
    assert refusal.value.reason == "ConflictClosed"


def test_a_manual_conflict_stays_open_until_somebody_chooses(make_region) -> None:
    here, there = make_region(1, rule="Manual"), make_region(2, rule="Manual")
    disagree(here, there, "email")
    (record,) = of_jane(here)
    assert record.state == "Open"
    assert here.store.counts().open_conflicts == 1
    here.store.resolve(record.id, by="ann", reason="fine")
    settle(here, there)
    assert (here.store.counts().open_conflicts, there.store.counts().open_conflicts) == (0, 0)


def test_what_a_deletion_cost_is_brought_back_with_its_row(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "removed", "2026-04-04 00:00:00")
    set_user(there, "email", "there")
    settle(here, there)
    (record,) = of_jane(here)
    assert record.kind == "Deletion"
    loser = next(value for value in record.values if value.dot != record.chosen)
    here.store.restore(record.id, dot=loser.dot, by="ann", reason="still needed")
    settle(here, there)
    for region in two:
        assert (region.value("user", "jane", "email"), region.value("user", "jane", "removed")) == ("there", None)
        assert [record.state for record in of_jane(region)] == ["Closed"]
    assert audit(here)[0][3] == f"value {loser.dot}: still needed"


def test_a_deletion_is_agreed_to(two: tuple[Region, Region]) -> None:
    here, there = two
    share_a_user(here, there)
    set_user(here, "removed", "2026-04-04 00:00:00")
    set_user(there, "email", "there")
    settle(here, there)
    (record,) = of_jane(there)
    there.store.resolve(record.id, by="ann", reason="gone")
    settle(here, there)
    for region in two:
        assert region.value("user", "jane", "removed") is not None
        assert [record.state for record in of_jane(region)] == ["Closed"]


def test_a_clash_of_names_has_no_value_to_keep(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("one", name="acme")
    there.add_account("two", name="acme")
    settle(here, there)
    here.store.retry_parked()
    (record,) = [c for c in here.store.conflicts(state=None) if c.kind == "UniqueClash"]
    with pytest.raises(InvalidInput, match="another name"):
        here.store.resolve(record.id, by="ann", reason="x")
    assert audit(here) == []


def test_closed_records_are_kept_for_their_time_and_deleted_some_at_a_time(two: tuple[Region, Region]) -> None:
    here, there = two
    disagree(here, there, "email", "firstname", "lastname", "timezone")
    for record in of_jane(here)[:3]:
        here.store.resolve(record.id, by="ann", reason="ok")
    assert here.store.forget_closed(days=1) == 0
    here.sync_sql("UPDATE conflict SET opened_at = opened_at - INTERVAL 9 DAY, closed_at = closed_at - INTERVAL 9 DAY")
    assert here.store.forget_closed(days=10) == 0
    assert [here.store.forget_closed(days=8, limit=2) for _ in range(3)] == [2, 1, 0]
    assert [record.state for record in of_jane(here)] == ["Settled"]


# Parked rows


def orphans(here: Region, there: Region, count: int) -> None:
    """Let ``count`` users arrive whose account does not."""
    here.add_account("acme")
    for number in range(count):
        here.add_user(f"u{number}", account="acme")
    here.fold()
    page = here.read(FeedRequest(peer=there.id))
    users = tuple(row for row in page.rows if row.entity == "user" and row.key.startswith("u"))
    there.store.apply(here.id, replace(page, rows=users, next=replace(page.next, lsn=0)))


@pytest.mark.rule("ENGINE 20")
def test_a_link_whose_parking_is_full_takes_no_further_page_and_drops_nothing(two: tuple[Region, Region]) -> None:
    here, there = two
    orphans(here, there, 3)
    assert there.store.counts(here.id).parked == 3
    there.store.set_parking(Parking(max_rows={here.id: 3}))
    before = there.store.cursor(here.id)
    here.add_account("late")
    with pytest.raises(Refused) as refusal:
        pull(there, here)
    assert refusal.value.reason == "ParkingFull"
    assert "3 rows of region 1 wait" in str(refusal.value)
    assert there.store.cursor(here.id) == before
    assert not there.has("account", "late")
    there.store.set_parking(Parking(max_rows={here.id: 4}))
    pull(there, here)
    assert there.has("account", "late")
    assert there.store.counts(here.id).parked == 0


def test_rows_that_were_given_up_make_room(two: tuple[Region, Region]) -> None:
    here, there = two
    orphans(here, there, 3)
    there.store.set_parking(Parking(max_rows={here.id: 3}))
    there.store.skip([RowKey("user", "u1")], by="ann", reason="a test user")
    pull(there, here)
    assert there.has("user", "u0")
    assert there.has("user", "u1")  # what comes again is tried again


def test_parked_rows_come_in_pages_and_by_what_became_of_them(two: tuple[Region, Region]) -> None:
    here, there = two
    orphans(here, there, 5)
    there.sync_sql("UPDATE parked SET state = 'Dead' WHERE entity_key = 'u4'")
    there.store.skip([RowKey("user", "u0")], by="ann", reason="no")
    first = there.store.parked(limit=2)
    rest = there.store.parked(after=first[-1].place)
    assert [row.row.key for row in (*first, *rest)] == ["u1", "u2", "u3", "u4"]
    assert [row.row.key for row in there.store.parked(state="Dead")] == ["u4"]
    assert [row.row.key for row in there.store.parked(state="Skipped")] == ["u0"]
    assert there.store.retry([RowKey("user", "u4"), RowKey("user", "u0")], by="ann", reason="once more") == 2
    assert len(there.store.parked(state="Parked")) == 5
    with pytest.raises(InvalidInput) as refusal:
        there.store.skip([RowKey("user", "u1"), RowKey("user", "nobody")], by="ann", reason="no")
    assert refusal.value.reason == "NotFound"
    assert len(there.store.parked(state="Parked")) == 5
    assert [(action, subject) for action, subject, _, _ in audit(there)] == [
        ("Skip", "user u0"),
        ("Retry", "user u4"),
        ("Retry", "user u0"),
    ]
