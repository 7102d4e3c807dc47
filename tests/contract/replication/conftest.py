"""Regions on a real server, prepared and opened; closed when the test ends."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import temporary_directory
from contract.mariadb import MariaDBServer, running_server
from contract.replication.regions import Region, default_rules
from region_operator.replication.catalog import CATALOG, Entity
from region_operator.replication.store.plain_apply import PlainApplication


@pytest.fixture
def mariadb(installed_data: Path) -> Iterator[MariaDBServer]:
    """A server of the test's own: the triggers and grants of every region weigh on all of its neighbours."""
    with temporary_directory() as directory, running_server(directory, installed=installed_data) as server:
        yield server


@pytest.fixture
def make_region(mariadb: MariaDBServer) -> Iterator[Callable[..., Region]]:
    """``make_region(1)``: a fresh, seeded, prepared region with an opened store (``prepared=False``: neither)."""
    made: list[Region] = []

    def make(
        region_id: int,
        *,
        prepared: bool = True,
        character_set: str = "utf8mb4",
        catalog: Mapping[str, Entity] = CATALOG,
        **rules: Any,
    ) -> Region:
        schemas = mariadb.fresh_schemas(character_set=character_set)
        region = Region(
            region_id,
            mariadb,
            schemas,
            itertools.count(region_id * 0x1000000),
            rules=default_rules(catalog, **rules),
            catalog=catalog,
        )
        made.append(region)
        region.create_tables()
        if prepared:
            region.prepare()
            region.open()
        return region

    yield make
    for region in made:
        region.close()


@pytest.fixture
def region(make_region: Callable[..., Region]) -> Region:
    return make_region(1)


@pytest.fixture
def two(make_region: Callable[..., Region]) -> tuple[Region, Region]:
    return make_region(1), make_region(2)


@pytest.fixture
def three(make_region: Callable[..., Region]) -> tuple[Region, Region, Region]:
    return make_region(1), make_region(2), make_region(3)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of rows that an agent looks at one by one."""
    seen: list[str] = []
    run = PlainApplication.run

    def noted(self: PlainApplication, rows: Any) -> Any:
        seen.extend(row.key for row in rows)
        return run(self, rows)

    monkeypatch.setattr(PlainApplication, "run", noted)
    return seen
