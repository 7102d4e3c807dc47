"""The API about itself, as client generators and the agent use it."""

import asyncio

import aiohttp
import pytest

from contract.management.conftest import Replica
from contract.management.test_regions import refusal
from region_operator import __version__
from region_operator.errors import Refused, Unavailable
from region_operator.management.commands.catalogue import COMMANDS
from region_operator.replication.agent.management_api import Credentials, KnownRegion, ManagementApi


def test_every_command_is_described_as_client_generators_need_it(cloud: Replica) -> None:
    answer = cloud.system.listApis(listall=True)
    assert answer["count"] == len(answer["api"]) == len(COMMANDS)
    for api in answer["api"]:
        assert {"name", "isasync", "description", "params", "response"} <= set(api)
        assert isinstance(api["isasync"], bool)
        for parameter in api["params"]:
            assert isinstance(parameter["required"], bool)
            assert all(isinstance(parameter[key], str) for key in ("name", "type", "description"))


def test_one_command_is_described_by_name(cloud: Replica) -> None:
    (api,) = cloud.system.listApis(name="disableAccount")["api"]
    assert api["isasync"]
    assert {(p["name"], p["type"], p["required"]) for p in api["params"]} == {
        ("id", "uuid", False),
        ("account", "string", False),
        ("domainid", "uuid", False),
        ("lock", "boolean", True),
    }
    assert "does not exist" in refusal(cloud.system.listApis, name="noSuchCommand")["errortext"]


def test_answers_hold_only_fields_that_are_declared(cloud: Replica) -> None:
    api = cloud.admin
    for command, key in (
        ("listRegions", "region"),
        ("listDomains", "domain"),
        ("listAccounts", "account"),
        ("listUsers", "user"),
        ("listCapabilities", "capability"),
    ):
        declared = {field.name for field in COMMANDS[command].answer.fields}
        answer = getattr(api, command)()[key]
        for item in answer if isinstance(answer, list) else [answer]:
            assert set(item) <= declared, command


def test_the_version_is_told(cloud: Replica) -> None:
    assert cloud.system.listCapabilities()["capability"]["cloudstackversion"] == __version__


def test_the_agents_client_wires_and_unwires_a_region(cloud: Replica) -> None:
    west = KnownRegion(id=9, name="us-west", endpoint="https://west/client/")
    own = KnownRegion(id=3, name="eu-west", endpoint="http://eu-west/client/")

    async def story(session: aiohttp.ClientSession) -> None:
        credentials = Credentials("agent-key", "agent-secret")
        api = ManagementApi(cloud.url, session=session, credentials=lambda: credentials)
        assert await api.list_regions() == [own]
        assert await api.add_region(west)
        assert not await api.add_region(west)
        moved = KnownRegion(id=9, name="us-west", endpoint="https://moved/client/")
        assert await api.add_region(moved)
        assert await api.list_regions() == [own, moved]
        with pytest.raises(Refused, match="Region with name: us-west already exists"):
            await api.add_region(KnownRegion(id=10, name="us-west", endpoint="e"))
        assert await api.remove_region(9)
        assert not await api.remove_region(9)
        assert (await api.list_capabilities())["cloudstackversion"] == __version__
        stranger = ManagementApi(cloud.url, session=session, credentials=lambda: Credentials("agent-key", "wrong"))
        with pytest.raises(Unavailable) as error:
            await stranger.list_regions()
        assert error.value.reason == "AuthFailed"

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            await story(session)

    asyncio.run(run())
