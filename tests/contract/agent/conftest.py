"""Regions in memory and over MariaDB, with real TLS, real HTTP and the operator's real client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from contract.agent.cable import Cable
from contract.agent.certificates import Authority
from contract.agent.management import RegionList
from contract.agent.regions import Memory, Operator, Pair, Region, running_pair
from contract.agent.serving import Serving
from contract.mariadb import MariaDBServer


@pytest_asyncio.fixture
async def authority() -> Authority:
    return Authority()


@pytest_asyncio.fixture
async def serving(authority: Authority) -> AsyncIterator[Serving]:
    serving = Serving(authority)
    await serving.start()
    yield serving
    await serving.stop()


@pytest_asyncio.fixture
async def operator(authority: Authority) -> AsyncIterator[Operator]:
    operator = Operator(authority)
    yield operator
    await operator.client.close()


MakeRegion = Callable[..., Awaitable[Region]]


@pytest_asyncio.fixture
async def make_region(tmp_path: Path, authority: Authority) -> AsyncIterator[MakeRegion]:
    """``await make_region(1)``: a region that is not started; with ``open_store``, over that store."""
    made: list[Region] = []

    async def make(region_id: int, *, open_store=None) -> Region:
        name, endpoint = f"region-{region_id}", f"http://cloud-{region_id}.test/client/"
        management = await RegionList((region_id, name, endpoint)).open()
        directory = tmp_path / name
        directory.mkdir()
        memory = Memory()
        region = Region(region_id, directory, authority, open_store or memory.open, management, memory=memory)
        region.prepare_files()
        made.append(region)
        return region

    yield make
    for region in made:
        await region.stop()
        await region.management.close()


@pytest_asyncio.fixture
async def region(make_region: MakeRegion) -> Region:
    region = await make_region(1)
    await region.start()
    return region


@pytest_asyncio.fixture
async def cable_to() -> AsyncIterator[Callable[[Region], Awaitable[Cable]]]:
    cables: list[Cable] = []

    async def lay(region: Region) -> Cable:
        cables.append(await Cable(region.port).open())
        return cables[-1]

    yield lay
    for cable in cables:
        await cable.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing_pair(mariadb: MariaDBServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Two prepared regions whose agents run; made once, because preparing and peering take most of a test's time."""
    async with running_pair(mariadb, tmp_path_factory.mktemp("pair")) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="module")
async def pair(standing_pair: Pair) -> AsyncIterator[Pair]:
    """Two regions that stream to each other; what region 1 pulls runs through ``pair.cable``."""
    await standing_pair.restore()
    yield standing_pair
