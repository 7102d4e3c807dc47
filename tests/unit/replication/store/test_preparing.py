"""What is looked at before triggers go into a server, and how their DDL waits for its lock."""

from typing import Any

import pymysql
import pytest

from region_operator.errors import InvalidInput
from region_operator.replication.store import install, preflight


class Session:
    """A server that says ``facts`` of itself and holds the lock of a table for so many tries."""

    def __init__(self, *facts: Any, grants: str = "", locked_tries: int = 0) -> None:
        self._facts, self._grants, self._locked_tries = facts, grants, locked_tries
        self.executed: list[str] = []

    def one(self, _sql: str) -> tuple[Any, ...]:
        return self._facts

    def select(self, _sql: str) -> list[tuple[str]]:
        return [(self._grants,)]

    def execute(self, sql: str) -> int:
        self.executed.append(sql)
        if sql.startswith("CREATE") and self._locked_tries:
            self._locked_tries -= 1
            raise pymysql.OperationalError(1205, "Lock wait timeout exceeded")
        return 0


@pytest.mark.rule("ENGINE 17")
@pytest.mark.parametrize(
    ("facts", "grants", "reason"),
    [
        (("10.11.6-MariaDB", 1, "STATEMENT", 1), "", "BinlogFormat"),
        (("10.11.6-MariaDB", 1, "ROW", 0), "GRANT SELECT ON *.* TO `a`@`%`", "TriggersNotAllowed"),
        (("10.5.23-MariaDB", 0, "ROW", 0), "", "UnsupportedVersion"),
        (("8.0.36", 0, "ROW", 0), "", "UnsupportedVersion"),
    ],
)
def test_a_server_that_would_not_capture_right_is_refused_with_the_remedy(
    facts: tuple[Any, ...], grants: str, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        preflight.check(Session(*facts, grants=grants))  # type: ignore[arg-type]
    assert refusal.value.reason == reason
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("facts", "grants"),
    [
        (("10.11.6-MariaDB", 0, "STATEMENT", 0), ""),
        (("11.4.2-MariaDB-log", 1, "MIXED", 1), ""),
        (("10.6.0-MariaDB", 1, "ROW", 0), "GRANT ALL PRIVILEGES ON *.* TO `root`@`%`"),
    ],
)
def test_a_server_that_captures_right_is_taken(facts: tuple[Any, ...], grants: str) -> None:
    preflight.check(Session(*facts, grants=grants))  # type: ignore[arg-type]


@pytest.mark.rule("ENGINE 17")
def test_ddl_of_triggers_waits_a_second_for_its_lock_and_tries_again_so_that_no_writer_queues_behind_it() -> None:
    session = Session(locked_tries=3)
    install.retrying(session, "CREATE TRIGGER t")  # type: ignore[arg-type]
    assert session.executed == ["SET SESSION lock_wait_timeout = 1", *["CREATE TRIGGER t"] * 4]
    with pytest.raises(pymysql.OperationalError):
        install.retrying(Session(locked_tries=99), "CREATE TRIGGER t")  # type: ignore[arg-type]
