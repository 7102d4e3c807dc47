"""What must be true of a database before triggers go into it; each fault is said with its remedy, before any change."""

from region_operator.errors import InvalidInput
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout

OLDEST = (10, 6)
"""SKIP LOCKED came with 10.6."""


def check(session: Session, layout: Layout) -> None:
    """Check server, tables and columns.

    Raises:
        InvalidInput: the first fault found.
    """
    _check_server(session)
    for table in layout.tables.values():
        entity = table.entity
        columns = _columns(session, layout.business.strip("`"), entity.table)
        if not columns:
            raise _fault(
                f"table {entity.table} is missing", "name the schema of the cloud in spec.database", "TableMissing"
            )
        wanted = {*entity.columns, entity.key_column, entity.local_id, *entity.derived}
        if absent := sorted(wanted - columns.keys()):
            raise _fault(
                f"table {entity.table} has no column {', '.join(absent)}",
                "upgrade the cloud's schema to a version that has it",
                "ColumnMissing",
            )


def _check_server(session: Session) -> None:
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


def _columns(session: Session, schema: str, table: str) -> dict[str, str]:
    return dict(
        session.select(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            (schema, table),
        )
    )


def _fault(problem: str, remedy: str, reason: str) -> InvalidInput:
    return InvalidInput(field="database", problem=problem, remedy=remedy, reason=reason)
