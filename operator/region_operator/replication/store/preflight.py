"""What must be true of a database server before triggers go into it: each fault with its remedy, before any change."""

from region_operator.errors import InvalidInput
from region_operator.replication.store.connections import Session

OLDEST = (10, 6)
"""SKIP LOCKED came with 10.6."""


def check(session: Session) -> None:
    """Check the server.

    Raises:
        InvalidInput: the first fault found.
    """
    row = session.one("SELECT VERSION(), @@log_bin, @@binlog_format, @@log_bin_trust_function_creators")
    assert row is not None
    version, log_bin, binlog_format, trusted = row
    number = tuple(int(part) for part in str(version).split("-")[0].split(".")[:2])
    if "mariadb" not in str(version).lower() or number < OLDEST:
        raise _fault(f"the server is {version}", "use MariaDB 10.6 or newer", "UnsupportedVersion")
    if log_bin and binlog_format == "STATEMENT":
        raise _fault(
            "binlog_format is STATEMENT, under which captured changes differ between replicas",
            "set binlog_format = ROW or MIXED",
            "BinlogFormat",
        )
    if log_bin and not trusted and not _is_super(session):
        raise _fault(
            "the binary log is on and the admin user may not create triggers then",
            "set log_bin_trust_function_creators = 1, or GRANT SUPER ON *.* to the admin user",
            "TriggersNotAllowed",
        )


def _is_super(session: Session) -> bool:
    grants = " ".join(str(row[0]) for row in session.select("SHOW GRANTS"))
    return "ALL PRIVILEGES ON *.*" in grants or "SUPER" in grants


def _fault(problem: str, remedy: str, reason: str) -> InvalidInput:
    return InvalidInput(field="database", problem=problem, remedy=remedy, reason=reason)
