"""How often captured changes are looked for, who is told of them, and what is noticed of the tables meanwhile."""

import asyncio
from collections.abc import Iterator

import pytest

from memory_region import Cloud, MemoryRegion, Server
from region_operator.errors import Conflict, Unavailable
from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.keeper import built_in_rules
from region_operator.replication.agent.region import LocalRegion, fold_pause_s
from region_operator.replication.agent.status import Facts, agent_status
from region_operator.replication.feed import RowKey
from region_operator.replication.records import Counts, EntityFinding, StoreStatus

HELD = EntityFinding("template", "TableMissing", "table vm_template is missing")
AWAY = Unavailable(reason="ProbeTimeout", message="away")
CHANGED = EntityFinding("user", "ColumnAdded", "table user has new columns", held_back=False)


class Store:
    """A database that tells one answer after the other, then that it was prepared anew."""

    def __init__(self, *answers: tuple[EntityFinding, ...] | Exception) -> None:
        self._answers: Iterator[tuple[EntityFinding, ...] | Exception] = iter(answers)
        self._left = len(answers)

    def look_for_drift(self) -> tuple[EntityFinding, ...]:
        self._left -= 1
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_outdated(self) -> bool:
        return self._left == 0

    def status(self) -> StoreStatus:
        return StoreStatus(schema_version=2, region_id=1, findings=(HELD,))

    def counts(self, source: int) -> Counts:
        return Counts()


def test_changes_are_looked_for_within_milliseconds_while_they_come_and_less_often_when_it_is_quiet() -> None:
    assert [fold_pause_s(quiet_s) for quiet_s in (0, 4, 30, 3600)] == [0.01, 0.01, 0.01, 0.02]


def test_what_is_folded_for_one_peer_wakes_the_others_too() -> None:
    async def is_rung() -> bool:
        cloud, bell = Cloud(Server()), Bell()
        store = MemoryRegion.open(cloud.server, region_id=1, rules=built_in_rules(), mint=lambda: 1)
        region = LocalRegion(store, head_moved=bell, changed=Bell())  # type: ignore[arg-type]
        cloud.add_account("acme")
        count = bell.count
        await region.read_rows([RowKey("account", "acme")])
        return await bell.beyond(count, timeout_s=30)

    assert asyncio.run(is_rung())


def test_what_was_done_to_tables_is_in_the_status_until_it_is_undone() -> None:
    async def told_after(*answers: tuple[EntityFinding, ...] | Exception) -> list[tuple[str, str, bool]]:
        region = LocalRegion(Store(*answers), head_moved=Bell(), changed=Bell())  # type: ignore[arg-type]
        with pytest.raises(Conflict, match="prepared anew"):
            await region.watch_schema(interval_s=0)
        await region.look([])
        status = agent_status(Facts(region_id=1, version="1", region=region.facts))
        return [(one.entity, one.reason, one.held_back) for one in status.entities]

    held, changed = ("template", "TableMissing", True), ("user", "ColumnAdded", False)
    assert asyncio.run(told_after((CHANGED,))) == [held, changed]
    assert asyncio.run(told_after((CHANGED,), AWAY, ())) == [held]
    assert asyncio.run(told_after((CHANGED,), AWAY, (CHANGED,))) == [held, changed]
