"""The agent's program before it serves."""

import argparse

import pytest

from region_operator.replication.agent import program


def test_an_incomplete_environment_is_named_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGENT_REGION_ID", "one")
    assert program.main(argparse.Namespace()) == 2
    told = capsys.readouterr().err
    assert "AGENT_REGION_ID: Input should be a valid integer" in told
    assert "AGENT_MANAGEMENT_URL: Field required" in told
