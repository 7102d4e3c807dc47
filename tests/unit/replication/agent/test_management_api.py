import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from region_operator.api.signature import is_signed
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.replication.agent.management_api import Credentials, KnownRegion, ManagementApi, credentials_from

WEST = KnownRegion(id=2, name="eu-west", endpoint="https://west/client/")


class FakeCloud:
    """Stands where the HTTP session does: CloudStack's region commands in memory, with its texts and its paging."""

    def __init__(self, *regions: KnownRegion, pages: bool = True) -> None:
        self.regions = {region.id: region for region in regions}
        self.pages = pages
        self.requests: list[dict[str, str]] = []
        self.answer: Callable[[], tuple[int, bytes]] | None = None

    @asynccontextmanager
    async def post(self, url: str, *, data: dict[str, str], timeout: object, allow_redirects: bool):
        assert url == "http://cloud/client/api"
        assert not allow_redirects
        self.requests.append(data)
        status, body = self.answer() if self.answer else self._execute(data)

        async def read() -> bytes:
            return body

        yield SimpleNamespace(status=status, read=read)

    @property
    def commands(self) -> list[str]:
        return [request["command"] for request in self.requests]

    def _execute(self, request: dict[str, str]) -> tuple[int, bytes]:
        command = request["command"]
        if not is_signed(request, "SECRET", request["signature"]):
            return _answer(command, 401, {"errorcode": 401, "errortext": "unable to verify user credentials"})
        return getattr(self, f"_{command}")(request)

    def _listCapabilities(self, request: dict[str, str]) -> tuple[int, bytes]:  # noqa: N802
        return _answer("listCapabilities", 200, {"capability": {"cloudstackversion": "4.20"}})

    def _listRegions(self, request: dict[str, str]) -> tuple[int, bytes]:  # noqa: N802
        rows = [vars(region) for region in self.regions.values()]
        start = (int(request["page"]) - 1) * int(request["pagesize"]) if self.pages else 0
        shown = rows[start : start + int(request["pagesize"])] if self.pages else rows
        return _answer("listRegions", 200, {"count": len(rows), "region": shown} if shown else {})

    def _addRegion(self, request: dict[str, str]) -> tuple[int, bytes]:  # noqa: N802
        if int(request["id"]) in self.regions:
            return _refuse("addRegion", f"Region with id: {request['id']} already exists")
        if request["name"] in {region.name for region in self.regions.values()}:
            return _refuse("addRegion", f"Region with name: {request['name']} already exists")
        return self._store(request)

    def _updateRegion(self, request: dict[str, str]) -> tuple[int, bytes]:  # noqa: N802
        return self._store(request)

    def _removeRegion(self, request: dict[str, str]) -> tuple[int, bytes]:  # noqa: N802
        if self.regions.pop(int(request["id"]), None) is None:
            return _refuse("removeRegion", f"Failed to delete Region: {request['id']}, Region not found")
        return _answer("removeRegion", 200, {"success": "true"})

    def _store(self, request: dict[str, str]) -> tuple[int, bytes]:
        region = KnownRegion(id=int(request["id"]), name=request["name"], endpoint=request["endpoint"])
        self.regions[region.id] = region
        return _answer(request["command"], 200, {"region": vars(region)})


def _answer(command: str, status: int, inner: dict[str, object]) -> tuple[int, bytes]:
    return status, json.dumps({f"{command.lower()}response": inner}).encode()


def _refuse(command: str, text: str) -> tuple[int, bytes]:
    return _answer(command, 431, {"uuidList": [], "errorcode": 431, "cserrorcode": 4350, "errortext": text})


def client(cloud: object, secret: str = "SECRET") -> ManagementApi:
    return ManagementApi(
        "http://cloud/client/api",
        session=cloud,
        credentials=lambda: Credentials("KEY", secret),
        now=lambda: datetime(2026, 11, 22, tzinfo=UTC),
    )


async def test_a_new_region_is_added() -> None:
    cloud = FakeCloud()
    assert await client(cloud).add_region(WEST)
    assert cloud.regions == {2: WEST}
    assert cloud.requests[0]["expires"] == "2026-11-22T00:10:00+0000"


async def test_a_region_known_with_equal_fields_is_success_without_a_write() -> None:
    cloud = FakeCloud(WEST)
    assert not await client(cloud).add_region(WEST)
    assert cloud.commands == ["addRegion", "listRegions"]


async def test_a_region_known_with_other_fields_is_updated() -> None:
    cloud = FakeCloud(KnownRegion(id=2, name="eu-west", endpoint="http://old/"))
    assert await client(cloud).add_region(WEST)
    assert cloud.regions == {2: WEST}


async def test_a_name_that_another_region_has_is_refused_in_the_servers_words() -> None:
    cloud = FakeCloud(KnownRegion(id=9, name="eu-west", endpoint="http://other/"))
    with pytest.raises(Refused, match="Region with name: eu-west already exists"):
        await client(cloud).add_region(WEST)


async def test_removing_a_region_is_idempotent() -> None:
    cloud = FakeCloud(WEST)
    assert await client(cloud).remove_region(2)
    assert not await client(cloud).remove_region(2)
    assert cloud.regions == {}


@pytest.mark.parametrize("pages", [True, False], ids=["a server that pages", "a server that ignores pages"])
async def test_all_regions_are_listed_once(pages: bool) -> None:
    regions = [KnownRegion(id=number, name=f"r{number}", endpoint="http://e/") for number in range(1, 702)]
    assert await client(FakeCloud(*regions, pages=pages)).list_regions() == regions


async def test_no_region_is_an_empty_list() -> None:
    assert await client(FakeCloud()).list_regions() == []


async def test_capabilities_are_the_servers() -> None:
    assert (await client(FakeCloud()).list_capabilities())["cloudstackversion"] == "4.20"


async def test_keys_that_are_not_accepted_are_named_as_such() -> None:
    with pytest.raises(Unavailable) as error:
        await client(FakeCloud(), secret="WRONG").list_regions()
    assert error.value.reason == "AuthFailed"


@pytest.mark.parametrize("body", [b"<html>502</html>", b"[]", b"{}", b'{"a": 1}', b'{"a": {}, "b": {}}'])
async def test_an_answer_that_is_no_cloudstacks_is_unavailable(body: bytes) -> None:
    cloud = FakeCloud()
    cloud.answer = lambda: (502, body)
    with pytest.raises(Unavailable) as error:
        await client(cloud).list_regions()
    assert error.value.reason == "BadAnswer"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (TimeoutError(), "ProbeTimeout"),
        (aiohttp.ServerDisconnectedError(), "ConnectionRefused"),
        (aiohttp.ClientPayloadError(), "ConnectionRefused"),
    ],
)
async def test_a_failing_connection_is_unavailable_with_its_reason(failure: Exception, reason: str) -> None:
    def fail() -> tuple[int, bytes]:
        raise failure

    cloud = FakeCloud()
    cloud.answer = fail
    with pytest.raises(Unavailable) as error:
        await client(cloud).list_regions()
    assert error.value.reason == reason


def test_rotated_keys_are_read_at_the_next_request(tmp_path: Path) -> None:
    read = credentials_from(tmp_path)
    with pytest.raises(InvalidInput, match="apiKey"):
        read()
    (tmp_path / "apiKey").write_text("one\n")
    (tmp_path / "secretKey").write_text("two\n")
    assert read() == Credentials("one", "two")
    (tmp_path / "secretKey").write_text("three")
    assert read() == Credentials("one", "three")


def test_a_secret_never_shows_in_a_representation() -> None:
    assert "hidden" not in repr(Credentials("KEY", "hidden"))
