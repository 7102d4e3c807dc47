"""A peer that claims writes of this region: refused where this region can prove that it never made them."""

import pytest

from contract.replication.regions import Region, default_rules, settle
from region_operator.replication.feed import FeedRequest, FeedRow, FetchedRows
from region_operator.replication.model import actor_of, decode, encode, local_write
from region_operator.replication.model.lag import Cursor, Incarnation


def begun_here(region: Region) -> str:
    """Let this very process begin the incarnation that the region writes under, as at every start of its server."""
    region.sync_sql("DELETE FROM server_run")
    region.reopen()
    return region.store.history()[-1].name


def forged(here: Region, key: str, **more: object) -> FetchedRows:
    """A row of ``here`` as a liar sends it: with a write in the name of ``here``'s present incarnation."""
    state = decode(here.states()[("account", key)])
    actor = more.get("actor", actor_of(here.id, here.store.history()[-1].name))
    lie = local_write(state, entity="account", key=key, actor=str(actor), changes={"network_domain": "forged"})
    return FetchedRows(2, (Incarnation("f" * 16, 1),), (FeedRow(1, "account", key, encode(lie)),))


@pytest.mark.rule("OPERATOR 17")
def test_a_write_that_this_region_provably_never_made_is_refused_and_said(two: tuple[Region, Region]) -> None:
    here, there = two
    present = begun_here(here)
    here.add_account("acme")
    settle(here, there)
    outcome = here.store.apply_rows(2, forged(here, "acme"))
    assert (outcome.forged, outcome.restored) == (1, False)
    assert here.value("account", "acme", "network_domain") is None
    assert here.store.history()[-1].name == present
    assert here.store.status().history_intact == "ForgedVersion"
    assert [(row.row.key, row.reason) for row in here.store.parked()] == [("acme", "ForgedVersion")]
    # The region goes on, and what it really writes is taken by everybody.
    here.sql("UPDATE account SET network_domain = 'true' WHERE uuid = 'acme'")
    settle(here, there)
    assert there.value("account", "acme", "network_domain") == "true"
    here.store.confirm_history(by="ann", reason="the liar is gone")
    assert here.store.status().history_intact == "Continuous"


@pytest.mark.rule("OPERATOR 17")
def test_a_cursor_beyond_all_that_was_ever_written_is_a_lie_too(region: Region) -> None:
    present = begun_here(region)
    page = region.read(FeedRequest(peer=2, after=Cursor(present, region.store.head() + 100)))
    assert page.rewound
    assert region.store.history()[-1].name == present
    assert region.store.status().history_intact == "ForgedVersion"


@pytest.mark.rule("ENGINE 11")
@pytest.mark.parametrize("harm", ["row", "versions", "lane", "witness", "restart"])
def test_whoever_cannot_prove_it_calls_nobody_a_liar(two: tuple[Region, Region], harm: str) -> None:
    here, there = two
    begun_here(here)
    here.add_account("acme")
    settle(here, there)
    lie = forged(here, "acme")
    match harm:
        case "row":
            here.reopen()  # another process
        case "versions":
            here.sync_sql("DELETE FROM row_version ORDER BY lsn DESC LIMIT 1")
        case "lane":
            here.sync_sql("UPDATE lane SET last_lsn = last_lsn - 1")
        case "witness":
            here.sync_sql("UPDATE lane SET witness = witness + 1")
        case _:
            here.sync_sql("DELETE FROM server_run")
    # A head that went back is noticed before the row is looked at.
    assert here.store.apply_rows(2, lie).restored == (harm != "lane")
    assert here.store.status().history_intact == "Restored"
    assert here.value("account", "acme", "network_domain") == "forged"


@pytest.mark.rule("OPERATOR 17")
def test_a_region_that_has_just_left_an_entity_out_still_knows_that_it_lost_nothing(
    two: tuple[Region, Region],
) -> None:
    here, _ = two
    begun_here(here)
    here.add_account("acme")
    here.fold()
    here.store.set_rules(default_rules(entities=[{"name": "event", "mode": "Off"}]))
    outcome = here.store.apply_rows(2, forged(here, "acme"))
    assert (outcome.forged, outcome.restored) == (1, False)


@pytest.mark.rule("OPERATOR 17")
def test_writes_of_an_earlier_incarnation_are_never_called_forged(two: tuple[Region, Region]) -> None:
    here, there = two
    earlier = actor_of(here.id, here.store.history()[-1].name)
    begun_here(here)
    here.add_account("acme")
    settle(here, there)
    assert here.store.apply_rows(2, forged(here, "acme", actor=earlier)).forged == 0
    assert here.value("account", "acme", "network_domain") == "forged"


@pytest.mark.rule("OPERATOR 17")
def test_counters_that_nobody_can_have_reached_are_refused(two: tuple[Region, Region]) -> None:
    here, there = two
    here.add_account("acme")
    settle(here, there)
    text = here.states()[("account", "acme")]
    for counter, reason in ((2**53, "MalformedState"), (2**53 - 1, "ForgedVersion")):
        high = text.replace('"s":[[0,1]]', f'"s":[[0,{counter}]]')
        assert high != text
        there.store.apply_rows(1, FetchedRows(1, (Incarnation("f" * 16, 1),), (FeedRow(1, "account", "acme", high),)))
        assert [row.reason for row in there.store.parked()] == [reason]
    new = text.replace('"acme"', '"new"').replace("[1,0,", f"[{2**53 - 1},0,").replace("[[0,1]]", f"[[0,{2**53 - 1}]]")
    there.store.apply_rows(1, FetchedRows(1, (Incarnation("f" * 16, 1),), (FeedRow(2, "account", "new", new),)))
    assert {row.row.key: row.reason for row in there.store.parked()}["new"] == "ForgedVersion"
    there.sql("UPDATE account SET network_domain = 'still written' WHERE uuid = 'acme'")
    there.fold()
    assert there.store.status().history_intact == "Continuous"
