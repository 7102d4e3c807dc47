"""Every test of the suite runs on MariaDB and in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contract.replication.store_suite.clouds import Cloud, make_mariadb, make_memory


@pytest.fixture(params=["mariadb", "memory"])
def make_cloud(request: pytest.FixtureRequest) -> Iterator[Callable[..., Cloud]]:
    """``make_cloud(1, delete_rule="UpdateWins")``: a fresh region with an opened store."""
    made: list[Cloud] = []

    def make(region_id: int, **rules: Any) -> Cloud:
        if request.param == "memory":
            made.append(make_memory(region_id, **rules))
        else:
            made.append(make_mariadb(request.getfixturevalue("mariadb"), region_id, **rules))
        return made[-1]

    yield make
    for cloud in made:
        cloud.close()


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    return make_cloud(1)


@pytest.fixture
def two(make_cloud: Callable[..., Cloud]) -> tuple[Cloud, Cloud]:
    return make_cloud(1), make_cloud(2)


@pytest.fixture
def three(make_cloud: Callable[..., Cloud]) -> tuple[Cloud, Cloud, Cloud]:
    return make_cloud(1), make_cloud(2), make_cloud(3)
