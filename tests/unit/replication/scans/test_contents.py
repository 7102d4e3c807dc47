"""Drifted rows of two regions are mended batch by batch, and no region is asked twice for the same rows."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from region_operator.replication.feed import FetchedRows, RowKey
from region_operator.replication.scans import contents
from region_operator.replication.scans.contents import AT_ONCE, Mended, Walked

pytestmark = pytest.mark.rule("ENGINE 28")


class Region:
    def __init__(self, *drifted: str) -> None:
        self.drift = set(drifted)
        self.looks: list[str] = []
        self.mended: list[str] = []
        self.asked: list[str] = []

    async def drifted(self, entity: str, *, after: str, upto: str) -> list[str]:
        self.looks.append(after)
        return sorted(key for key in self.drift if after < key and (not upto or key <= upto))[:AT_ONCE]

    async def mend(self, entity: str, keys: Sequence[str], rows: FetchedRows | None, *, capture: bool) -> Mended:
        self.mended += keys
        self.drift -= set(keys)
        return Mended(len(keys), len(keys))

    async def name(self, entity: str, *, after: int, limit: int) -> Walked:
        raise AssertionError("nobody asks here")

    async def rows(self, keys: list[RowKey]) -> FetchedRows:
        self.asked += [row.key for row in keys]
        return FetchedRows(1, (), ())


def checked(here: Region, there: Region, *, upto: str = "") -> Mended:
    async def caught_up() -> Any: ...

    return asyncio.run(contents.check((here, there), "user", after="", upto=upto, capture=True, caught_up=caught_up))


def keys(*numbers: int) -> list[str]:
    return [f"{number:04}" for number in numbers]


def test_a_region_without_drift_is_asked_once_however_much_the_other_has() -> None:
    here, there = Region(*keys(*range(1, 2 * AT_ONCE + 51))), Region()
    assert checked(here, there) == Mended(2 * AT_ONCE + 50, 2 * AT_ONCE + 50)
    assert here.looks == ["", *keys(AT_ONCE, 2 * AT_ONCE)]
    assert there.looks == [""]
    assert there.asked == here.mended == keys(*range(1, 2 * AT_ONCE + 51))


def test_rows_that_drifted_in_both_regions_are_asked_of_neither() -> None:
    both, beyond = keys(*range(1, AT_ONCE + 51)), keys(*range(1000, 1010))
    here, there = Region(*both, *beyond), Region(*both)
    assert checked(here, there).found == 2 * len(both) + len(beyond)
    assert there.asked == beyond
    assert here.asked == []
    assert here.drift == there.drift == set()


def test_no_row_beyond_the_range_is_mended() -> None:
    here, there = Region(*keys(1, 2, 3)), Region(*keys(2, 4))
    assert checked(here, there, upto="0002") == Mended(3, 3)
    assert (here.drift, there.drift) == (set(keys(3)), set(keys(4)))
