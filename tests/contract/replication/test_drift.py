"""What is done to synced tables behind the agent's back is noticed and told, by the agent's own least privileges."""

import pytest

from contract.replication.regions import Region, pull, settle
from region_operator.replication.feed import FeedRequest


def drift(region: Region) -> dict[str, str]:
    return {finding.entity: finding.reason for finding in region.store.look_for_drift()}


def message(region: Region) -> str:
    (finding,) = region.store.look_for_drift()
    assert not finding.held_back
    return finding.message


def test_a_region_that_was_just_prepared_is_as_it_was(region: Region) -> None:
    assert drift(region) == {}
    assert not region.store.is_outdated()
    region.prepare()
    assert drift(region) == {}


@pytest.mark.parametrize(
    ("statement", "entity", "reason", "words"),
    [
        ("ALTER TABLE user ADD COLUMN nickname TEXT", "user", "ColumnAdded", ("nickname", "prepare")),
        ("ALTER TABLE user MODIFY email VARCHAR(20)", "user", "ColumnChanged", ("varchar(20)", "varchar(255)")),
        ("ALTER TABLE account CONVERT TO CHARACTER SET latin1", "account", "ColumnChanged", ("latin1", "utf8mb4")),
        ("ALTER TABLE vm_template DROP COLUMN bits", "template", "ColumnMissing", ("bits", "writers fail")),
        ("DROP TRIGGER {sync}_event_insert", "event", "TriggersMissing", ("_event_insert", "not captured")),
        ("DROP TABLE vm_template_details", "template_detail", "TriggersMissing", ("vm_template_details is missing",)),
    ],
)
@pytest.mark.rule("ENGINE 17")
def test_what_changes_on_a_synced_table_is_told_with_the_remedy(
    region: Region, statement: str, entity: str, reason: str, words: tuple[str, ...]
) -> None:
    region.sql("SET FOREIGN_KEY_CHECKS = 0")
    region.sql(statement.format(sync=region.schemas.sync))
    assert drift(region) == {entity: reason}
    for word in words:
        assert word in message(region)


def test_a_trigger_that_somebody_replaced_is_told(region: Region) -> None:
    region.sql(
        f"CREATE OR REPLACE TRIGGER {region.schemas.sync}_user_update AFTER UPDATE ON user FOR EACH ROW BEGIN END"
    )
    assert drift(region) == {"user": "TriggersMissing"}
    region.prepare()
    assert drift(region) == {}


def test_preparing_again_takes_note_of_new_columns(region: Region) -> None:
    region.sql("ALTER TABLE user ADD COLUMN nickname TEXT")
    region.prepare()
    assert drift(region) == {}


def test_an_agent_whose_user_may_not_look_says_so(region: Region) -> None:
    region.sql(f"REVOKE EXECUTE ON FUNCTION {region.schemas.sync}.capture_triggers FROM '{region.agent.user}'@'%'")
    (finding,) = region.store.look_for_drift()
    assert finding.reason == "TriggersUnseen"


def test_an_agent_notices_that_other_entities_can_be_exchanged(region: Region) -> None:
    region.sql("SET FOREIGN_KEY_CHECKS = 0")
    region.sql("DROP TABLE vm_template")
    region.prepare()
    assert region.store.is_outdated()
    region.reopen()
    assert not region.store.is_outdated()


@pytest.mark.rule("ENGINE 16")
def test_deleting_a_zone_takes_accounts_with_it_everywhere_and_is_not_stopped(two: tuple[Region, Region]) -> None:
    """CloudStack's account.default_zone_id cascades, and its owner may fire the trigger."""
    here, there = two
    here.sql("CREATE TABLE data_center (id BIGINT UNSIGNED PRIMARY KEY)")
    here.sql("INSERT INTO data_center VALUES (1)")
    here.sql(
        "ALTER TABLE account ADD CONSTRAINT fk_account__default_zone_id FOREIGN KEY (default_zone_id) "
        "REFERENCES data_center (id) ON DELETE CASCADE"
    )
    here.prepare()
    here.add_account("acme")
    settle(here, there)
    here.sql("UPDATE account SET default_zone_id = 1 WHERE uuid = 'acme'")
    here.sql("DELETE FROM data_center")
    settle(here, there)
    assert not here.has("account", "acme")
    assert there.value("account", "acme", "removed") is not None


@pytest.mark.rule("ENGINE 16")
def test_a_cloud_without_the_zone_column_deletes_its_zones_undisturbed(region: Region) -> None:
    region.sql("CREATE TABLE data_center (id BIGINT UNSIGNED PRIMARY KEY)")
    region.sql("INSERT INTO data_center VALUES (1)")
    region.sql("ALTER TABLE account DROP COLUMN default_zone_id")
    region.prepare()
    region.sql("DELETE FROM data_center")
    assert region.sql("SELECT * FROM data_center") == []


@pytest.mark.rule("ENGINE 16")
def test_a_table_that_was_truncated_is_not_taken_for_lost_commits(two: tuple[Region, Region]) -> None:
    """No trigger sees it, and only a scan could find it; but the feed has an end, and nothing else is disturbed."""
    here, there = two
    here.add_account("acme")
    for number in range(3):
        here.insert("account_details", account_id="acme", name=f"n{number}", value="1")
    pull(there, here, max_rows=1)
    here.sql("TRUNCATE account_details")
    here.add_account("later")
    here.store.drop_cursor(there.id)
    there.store.drop_cursor(here.id)
    settle(here, there)
    assert there.has("account", "later")
    assert not here.read(FeedRequest(peer=there.id)).unfolded
    assert len(here.store.history()) == 1
