"""The program as a container starts it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import requests

from contract.management.test_authentication import signed
from contract.ports import free_port
from region_operator.settings import DatabaseSettings


def environment(database: DatabaseSettings, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_HOST": database.host,
        "DATABASE_PORT": str(database.port),
        "DATABASE_NAME": database.name,
        "DATABASE_CREDENTIALS_DIRECTORY": str(database.credentials_directory),
        "DATABASE_TLS_MODE": "Disabled",
        "DATABASE_KEY_FILE": str(database.key_file),
        "MANAGER_REGION_ID": "3",
        "MANAGER_LISTEN_HOST": "127.0.0.1",
        **more,
    }


def started(env: dict[str, str]) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "region_operator", "manager"]
    return subprocess.Popen(program, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop_and_logs_json_without_secrets(
    database: DatabaseSettings, number: signal.Signals
) -> None:
    api, health = free_port(), free_port()
    process = started(environment(database, MANAGER_LISTEN_PORT=str(api), MANAGER_HEALTH_PORT=str(health)))
    try:
        await_ready(f"http://127.0.0.1:{health}/readyz", process)
        answer = requests.get(f"http://127.0.0.1:{api}/client/api", params=signed(), timeout=10)
        assert answer.json()["listregionsresponse"]["count"] == 1
        process.send_signal(number)
        output, log = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, output) == (0, "")
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["message"] for line in lines] == ["listening", "request", "stopping"]
    assert (lines[1]["command"], lines[1]["status"]) == ("listRegions", 200)
    assert "agent-key" not in log
    assert "signature" not in log


def test_without_its_database_key_it_says_so_and_ends(database: DatabaseSettings) -> None:
    process = started(environment(database, DATABASE_KEY_FILE="/nowhere/key"))
    _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    (line,) = log.splitlines()
    assert "/nowhere/key" in json.loads(line)["message"]


def test_a_setting_that_is_no_number_is_named(database: DatabaseSettings) -> None:
    process = started(environment(database, MANAGER_REGION_ID="x"))
    _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "MANAGER_REGION_ID" in json.loads(log)["message"]


def await_ready(url: str, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            if requests.get(url, timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError("the program never became ready")
