"""How long the prepare Job waits, and what it says in the end."""

from pathlib import Path

import pytest

from region_operator.errors import Refused, Unavailable
from region_operator.replication.agent import prepare


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize(
    ("reason", "limit_s"),
    [("ConnectionRefused", 600.0), ("AuthFailed", prepare.WAIT_FOR_LOGIN_S)],
)
def test_the_wait_for_a_database_is_bounded(reason: str, limit_s: float) -> None:
    time = Time()

    def refuse():
        raise Unavailable(reason=reason, message="not there")

    with pytest.raises(Unavailable):
        prepare.awaited(refuse, within_s=600.0, clock=lambda: time.seconds, sleep=time.sleep)
    assert time.seconds == pytest.approx(limit_s)


def test_a_server_that_took_long_to_come_up_still_gets_time_to_set_the_admins_password() -> None:
    time = Time()

    def refuse():
        raise Unavailable(reason="AuthFailed" if time.seconds >= 100.0 else "ConnectionRefused", message="not yet")

    with pytest.raises(Unavailable):
        prepare.awaited(refuse, within_s=600.0, clock=lambda: time.seconds, sleep=time.sleep)
    assert time.seconds == pytest.approx(100.0 + prepare.WAIT_FOR_LOGIN_S)


def test_the_last_line_and_the_termination_message_say_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message_file = tmp_path / "termination-log"
    message_file.touch()
    monkeypatch.setattr(prepare, "TERMINATION_LOG", message_file)

    def work() -> str:
        raise Refused(reason="ColumnMissing", message="table x\nhas no column y")

    assert prepare.ended("prepare", work, done="Prepared") == 2
    assert message_file.read_text() == "ColumnMissing: table x has no column y"
    assert capsys.readouterr().out == "prepare: ColumnMissing: table x has no column y\n"
