"""The operator's program before it leads."""

import argparse
from pathlib import Path

import pytest

from region_operator.controller.handlers import program


def test_an_incomplete_environment_is_named_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPERATOR_WORKERS", "many")
    assert program.main(argparse.Namespace()) == 2
    told = capsys.readouterr().err
    assert "OPERATOR_NAMESPACE: Field required" in told
    assert "OPERATOR_WORKERS: Input should be a valid integer" in told


def test_a_cluster_that_cannot_be_reached_is_named_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {"NAMESPACE": "here", "POD_NAME": "one", "IMAGE": "i"}.items():
        monkeypatch.setenv(f"OPERATOR_{name}", value)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(program.json_logs, "configure", lambda *_, **__: None)
    assert program.main(argparse.Namespace()) == 1
    assert "cannot run: no cluster to run in" in caplog.text
