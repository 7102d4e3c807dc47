"""What a scan does to this region is told to those who wait for its changes."""

from collections.abc import Sequence
from typing import Any

from region_operator.replication.agent.bell import Bell
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.agent.scan_answers import ComparedHere
from region_operator.replication.feed import FetchedRows
from region_operator.replication.scans.contents import Mended, Walked


class Store:
    """A region in which rows have drifted; to put them back gives them numbers, and is no fold."""

    def __init__(self, found: Mended) -> None:
        self._found = found

    def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        return self._found

    def name(self, entity: str, *, after: int, limit: int) -> Walked:
        return Walked(None, self._found)


def region_of(found: Mended) -> tuple[ComparedHere, Bell]:
    bell = Bell()
    store: Any = Store(found)
    return ComparedHere(LocalRegion(store, head_moved=bell, changed=Bell()), peer=2), bell


async def test_rows_that_are_put_back_wake_who_waits_for_changes() -> None:
    here, bell = region_of(Mended(1, 1))
    count = bell.count
    await here.mend("user", ["jane"], None, capture=False)
    assert bell.count > count


async def test_rows_that_are_named_wake_who_waits_for_changes() -> None:
    here, bell = region_of(Mended(1, 1))
    count = bell.count
    await here.name("user", after=0, limit=100)
    assert bell.count > count


async def test_a_walk_that_finds_nothing_wakes_nobody() -> None:
    here, bell = region_of(Mended())
    count = bell.count
    await here.name("user", after=0, limit=100)
    assert bell.count == count
