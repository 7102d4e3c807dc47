"""Every parameter that takes a text, given texts that would do harm where a value is pasted into SQL, XML or a log."""

from xml.etree import ElementTree as ET

import pytest
import requests

from contract.management.conftest import Replica
from contract.management.test_authentication import signed
from region_operator.management.commands.catalogue import COMMANDS
from region_operator.management.commands.declaration import Command, Kind, Parameter

HOSTILE = (
    "' OR '1'='1",
    '"; DROP TABLE user; -- ',
    "x' UNION SELECT password FROM user -- ",
    "%s %(a)s {0} %",
    "\\' OR 1=1 #",
    "a\x00b`c\r\nSet-Cookie: x=y",
    "<a>&]]>\ud7ff\u2028",
    "٣😀",
)
FILLERS = {
    Kind.STRING: "filler",
    Kind.INTEGER: "77",
    Kind.SHORT: "0",
    Kind.LONG: "0",
    Kind.BOOLEAN: "true",
}


def text_parameters() -> list[tuple[Command, Parameter]]:
    return [
        (command, parameter)
        for command in COMMANDS.values()
        for parameter in command.all_parameters
        if parameter.kind in (Kind.STRING, Kind.UUID) and not parameter.unsupported
    ]


def test_no_text_in_any_parameter_does_more_than_a_value_can(cloud: Replica) -> None:
    untouched = (
        "SELECT * FROM region WHERE id = 3",
        "SELECT id, uuid, name, path, state, removed FROM domain WHERE id = 1",
        "SELECT * FROM account WHERE id = 1",
        "SELECT * FROM user WHERE id = 1",
    )
    before = [cloud.rows(statement) for statement in untouched]
    admins = {table: cloud.rows(f"SELECT uuid FROM `{table}` WHERE id = 2")[0]["uuid"] for table in ("account", "user")}
    assert len(text_parameters()) > 80
    for command, parameter in text_parameters():
        required = {
            p.name: admins.get(p.entity.value, "x") if p.entity else FILLERS[p.kind]
            for p in command.parameters
            if p.required
        }
        for text in ("' OR '1'='1", "\\\"'; DROP TABLE user; -- %s %(a)s\x00`\r\nSet-Cookie: x=y"):
            given = {**required, "command": command.name, "response": "json", parameter.name: text}
            answer = requests.post(cloud.url, data=signed(**given) if command.roles else given, timeout=10)
            (inner,) = answer.json().values()
            assert answer.status_code in (200, 401, 431, 531), (command.name, parameter.name, text, inner)
            assert list(answer.json()) == [command.response_key]
            assert "Set-Cookie" not in answer.headers or command.name == "logout"
    assert [cloud.rows(statement) for statement in untouched] == before


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_stored_found_and_returned_as_it_was_given(cloud: Replica, text: str) -> None:
    endpoint = f"{text}."
    cloud.system.addRegion(id=8, name="x", endpoint=endpoint)
    assert cloud.system.listRegions(id=8)["region"][0]["endpoint"] == endpoint.strip()
    name = f"n{text}"
    cloud.system.updateRegion(id=8, name=name)
    assert [region["id"] for region in cloud.system.listRegions(name=name.strip())["region"]] == [8]
    assert [region["id"] for region in cloud.system.listRegions(keyword=text.strip())["region"]] == [8]


@pytest.mark.parametrize("text", HOSTILE)
def test_xml_stays_well_formed(cloud: Replica, text: str) -> None:
    cloud.system.addRegion(id=8, name=f"n{text}", endpoint="e")
    parameters = signed(response="xml")
    answer = requests.get(cloud.url, params=parameters, timeout=10)
    assert answer.headers["Content-Type"] == "text/xml; charset=UTF-8"
    root = ET.fromstring(answer.content)
    assert root.tag == "listregionsresponse"
    assert root.findtext("count") == "2"
    assert len(root.findall("region")) == 2


def test_xml_is_the_default_for_errors_too(cloud: Replica) -> None:
    answer = requests.get(cloud.url, params={"command": "listRegions"}, timeout=10)
    assert answer.status_code == 401
    assert ET.fromstring(answer.content).findtext("errorcode") == "401"


def test_requests_that_are_no_api_calls_are_refused_quietly(cloud: Replica) -> None:
    assert requests.get(cloud.url.replace("/client/api", "/"), timeout=10).status_code == 404
    assert requests.put(cloud.url, timeout=10).status_code == 405
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(cloud.url, data=b"\xff\xfe" * 100, headers=form, timeout=10).status_code == 401
    assert requests.post(cloud.url, data=b"a" * 2_000_000, headers=form, timeout=10).status_code == 413
    many = "&".join(f"p{number}=1" for number in range(1001))
    assert requests.post(cloud.url, data=many, headers=form, timeout=10).status_code == 431
    assert cloud.system.listRegions()["count"] == 1


def test_no_log_line_holds_a_secret(cloud: Replica, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    session = cloud.sign_in("admin", "a-wrong-password")
    session = cloud.sign_in()
    cloud.admin.listUsers()
    requests.get(cloud.url, params=signed(command="noSuch<command>"), timeout=10)
    ours = [record for record in caplog.records if record.name.startswith("region_operator")]
    assert {record.command for record in ours if record.message == "request"} >= {"login", "listUsers", "unknown"}
    text = " ".join(str(vars(record)) for record in ours)
    secrets = ("a-wrong-password", "first sign-in", "agent-secret", "agent-key", *session.cookies.values())
    assert not [secret for secret in secrets if secret in text]
