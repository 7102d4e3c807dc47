"""A dry run of a join, on two databases: its figures are exact, and neither database is another afterwards."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from contract.replication.regions import Region, settle
from region_operator.api.agent import LinkLimits
from region_operator.replication.comparison import Sketch, Totals, Verdict
from region_operator.replication.join_plan import JoinPlan, plan_join
from region_operator.replication.plan_protocol import CompareAnswer, IdentitiesAnswer, TotalsAnswer, WireSketch

MakeRegion = Callable[..., Region]


class Asked:
    """A region as a plan asks it; what is said goes over the wire, and is noted."""

    def __init__(self, region: Region) -> None:
        self.plan = region.store.join_plan()
        self.said: list[str] = []

    async def entities(self) -> list[str]:
        return self.plan.entities()

    async def sketches(self, entity: str, *, after: str) -> tuple[list[Sketch], str]:
        return self.plan.sketches(entity, after=after)

    async def totals(self, entity: str, *, after: str) -> Totals | None:
        return self._over_the_wire(TotalsAnswer.of(self.plan.totals(entity, after=after))).totals()

    async def compare(self, entity: str, sketches: Sequence[Sketch]) -> list[Verdict]:
        told = [self._over_the_wire(WireSketch.of(sketch)).sketch() for sketch in sketches]
        return self._over_the_wire(CompareAnswer.of(self.plan.compare(entity, told))).found(asked=len(sketches))

    async def identities(self, entity: str, keys: Sequence[str]) -> dict[str, str]:
        return self._over_the_wire(IdentitiesAnswer(identities=self.plan.identities(entity, keys))).identities

    def _over_the_wire(self, told: Any) -> Any:
        self.said.append(told.model_dump_json(by_alias=True))
        return type(told).model_validate_json(self.said[-1])


def plan(here: Region, peer: Region) -> JoinPlan:
    for region in (here, peer):
        region.fold()
    return asyncio.run(plan_join(Asked(here), Asked(peer)))


def figures(found: JoinPlan) -> dict[str, int]:
    return {
        "sent": found.sent.rows,
        "received": found.received.rows,
        "equal": found.equal,
        "concurrent": found.concurrent,
        "clashes": found.unique_clashes,
        "reused": found.reused_keys,
    }


def checksums(region: Region) -> dict[str, object]:
    """Of all tables of both schemas."""
    found = {}
    for schema in (region.schemas.business, region.schemas.sync):
        tables = region.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [schema])
        for (table,) in tables:
            found[f"{schema}.{table}"] = region.sql(f"CHECKSUM TABLE `{schema}`.`{table}`")[0][1]
    return found


def prepared(*regions: Region) -> None:
    for region in regions:
        region.prepare()
        region.open()


def more(base: dict[str, int], **added: int) -> dict[str, int]:
    return {name: number + added.get(name, 0) for name, number in base.items()}


@pytest.fixture
def clouds(make_region: MakeRegion) -> tuple[Region, Region]:
    """Two clouds with data from before they were prepared: some cloned, some grown apart."""
    one, two = make_region(1, prepared=False), make_region(2, prepared=False)
    for cloud in (one, two):
        for table in ("domain", "account", "user"):  # what the installation brought, at whatever second
            cloud.sql(f"UPDATE `{table}` SET created = '2026-01-01 00:00:00'")
        cloud.add_domain("d-cloned")
        cloud.add_account("a-cloned", domain="d-cloned")
        cloud.add_user("u-cloned", account="a-cloned")
        cloud.add_account("3", name=f"of-{cloud.id}")  # an old key, given twice
        cloud.add_user("u-edited", account="a-cloned", name="edited")
        cloud.sql("UPDATE user SET email = %s WHERE uuid = 'u-edited'", [f"of-{cloud.id}@example"])
        cloud.add_domain(f"d-same-{cloud.id}", name="same")
        cloud.add_account(f"a-{cloud.id}", name=f"team-{cloud.id}", domain="d-cloned")
        cloud.add_user(f"u-{cloud.id}", account=f"a-{cloud.id}", name="jo" if cloud is one else "JO")
    one.add_account("a-only-here")
    one.add_account("a-of-1-elsewhere", name="shared", domain="d-same-1")
    two.add_account("a-of-2-elsewhere", name="shared", domain="d-same-2")
    prepared(one, two)
    return one, two


def test_two_populated_clouds_are_told_what_meets_and_what_is_new(clouds: tuple[Region, Region]) -> None:
    """Domain `same` clashes, and user `jo` in one domain; accounts `shared` follow what becomes of their domains.

    Each sends four rows of its own, the edited user and key 3; the first has one more. Equal: what was cloned, and the
    three rows that every cloud has.
    """
    one, two = clouds
    expected = {"sent": 7, "received": 6, "equal": 6, "concurrent": 1, "clashes": 2, "reused": 1}
    assert figures(plan(one, two)) == expected
    assert figures(plan(two, one)) == {**expected, "sent": 6, "received": 7}


def test_a_plan_changes_nothing_in_either_database(clouds: tuple[Region, Region]) -> None:
    one, two = clouds
    for region in clouds:
        region.fold()
    before = [checksums(region) for region in clouds]
    plan(one, two)
    assert [checksums(region) for region in clouds] == before


def test_what_was_planned_is_what_comes_true(clouds: tuple[Region, Region]) -> None:
    one, two = clouds
    found = plan(one, two)
    settle(one, two)
    for region in clouds:
        reasons = [row.reason for row in region.store.parked()]
        assert reasons.count("KeyReused") == found.reused_keys
        differing = {record.row for record in region.store.conflicts(state=None) if record.kind == "Value"}
        assert len(differing) == found.concurrent
    assert max(region.store.counts().unique_clashes for region in clouds) == found.unique_clashes


def test_the_bytes_are_those_of_the_states_that_travel(two: tuple[Region, Region]) -> None:
    one, other = two
    one.add_account("a-1")
    one.fold()
    told = plan(one, other)
    states = one.states()
    both = other.states()
    differing = {row: text for row, text in states.items() if both.get(row) != text}
    assert told.sent.rows == len(differing)
    assert told.sent.size == sum(len(text.encode()) for text in differing.values())
    assert told.ours.size == sum(len(text.encode()) for text in states.values())


def test_regions_that_have_met_have_nothing_to_send_and_later_edits_go_one_way(two: tuple[Region, Region]) -> None:
    one, other = two
    one.add_account("a-1")
    one.add_account("a-2")
    settle(one, other)
    met = figures(plan(one, other))
    assert (met["sent"], met["received"], met["concurrent"]) == (0, 0, 0)
    one.sql("UPDATE account SET network_domain = 'here' WHERE uuid = 'a-1'")
    other.sql("UPDATE account SET network_domain = 'there' WHERE uuid = 'a-2'")
    assert figures(plan(one, other)) == more(met, sent=1, received=1, equal=-2)
    other.sql("UPDATE account SET account_name = 'other' WHERE uuid = 'a-1'")
    assert figures(plan(one, other)) == more(met, sent=1, received=2, equal=-2, concurrent=1)


def test_an_old_name_of_a_row_that_is_newer_there_is_no_clash(two: tuple[Region, Region]) -> None:
    one, other = two
    one.add_account("a-1", name="old")
    settle(one, other)
    other.sql("UPDATE account SET account_name = 'new' WHERE uuid = 'a-1'")
    other.add_account("a-2", name="old")
    assert plan(one, other).unique_clashes == 0
    assert plan(other, one).unique_clashes == 1, "until the new name has arrived"


def test_removed_rows_have_no_name_but_travel(two: tuple[Region, Region]) -> None:
    one, other = two
    before = figures(plan(one, other))
    one.add_account("a-1", name="same")
    one.sql("UPDATE account SET removed = '2026-01-02 00:00:00' WHERE uuid = 'a-1'")
    other.add_account("a-2", name="same")
    assert figures(plan(one, other)) == more(before, sent=1, received=1)


def test_an_entity_that_one_of_them_leaves_out_is_not_planned(make_region: MakeRegion) -> None:
    one = make_region(1)
    other = make_region(2, entities=[{"name": "event", "mode": "Off"}])
    before = figures(plan(one, other))
    one.add_account("a-1")
    one.add_user("u-1", account="a-1")
    one.add_event("e-1", account="a-1", user="u-1")
    assert figures(plan(one, other)) == more(before, sent=2)
    assert figures(plan(other, one)) == more(before, received=2, sent=0)


def test_more_rows_than_one_question_takes_are_asked_for_in_pages(
    two: tuple[Region, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    before = figures(plan(one, other))
    for number in range(7):
        one.add_account(f"a-{number}", name=f"name-{number}")
        other.add_account(f"b-{number}", name=f"name-{number}")
    monkeypatch.setattr("region_operator.replication.store.join_plan.SKETCHES_AT_ONCE", 3)
    monkeypatch.setattr("region_operator.replication.store.join_plan.TOTALS_AT_ONCE", 3)
    monkeypatch.setattr("region_operator.replication.store.join_plan._LOOKUPS_AT_ONCE", 2)
    assert figures(plan(one, other)) == more(before, sent=7, received=7, clashes=7)


def test_no_secret_is_told_not_even_as_a_name(two: tuple[Region, Region]) -> None:
    one, other = two
    for region in two:
        region.add_account(f"a-{region.id}")
        region.add_user(f"u-{region.id}", account=f"a-{region.id}", name=f"n-{region.id}", api_key="the-same-key")
        region.fold()
    peer = Asked(other)
    assert asyncio.run(plan_join(Asked(one), peer)).unique_clashes == 0
    assert any("n-1" in said for said in peer.said)
    assert not any("the-same-key" in said for said in peer.said)


def test_the_estimate_knows_the_limit_of_the_link() -> None:
    found = JoinPlan()
    found.ours.rows, found.ours.size = 25_000, 10 * 1024 * 1024
    assert found.estimated_s(LinkLimits()) == 3
    assert found.estimated_s(LinkLimits(max_kilobytes_per_second=100)) == 103
    assert JoinPlan().estimated_s(LinkLimits()) == 0
