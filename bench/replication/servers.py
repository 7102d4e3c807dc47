"""Two MariaDB servers with equal settings: those of a managed region, and a binary log, which replication needs."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from contract.agent.certificates import Authority, mount
from contract.mariadb import MariaDBServer, running_server
from region_operator.controller.plan import mycnf

MEMORY = "2Gi"  # of each server's container: a buffer pool of 1 GiB


def options(number: int, tls: Path) -> list[str]:
    """Arguments of server ``number``, which are alike but for its numbers."""
    settings = {
        **mycnf.defaults(MEMORY),
        "bind_address": "127.0.0.1",
        "skip_name_resolve": "ON",
        "local_infile": "ON",
        "log_bin": "binlog",
        "server_id": str(number),
        "gtid_domain_id": str(number),
        "ssl_ca": str(tls / "ca.crt"),
        "ssl_cert": str(tls / "tls.crt"),
        "ssl_key": str(tls / "tls.key"),
    }
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


@contextlib.contextmanager
def two_servers(*extra: str) -> Iterator[tuple[MariaDBServer, MariaDBServer]]:
    """Both up inside the block, gone with their data after it."""
    authority = Authority("benchmark")
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name, contextlib.ExitStack() as up:
        servers = []
        for number in (1, 2):
            directory = Path(name) / f"server-{number}"
            mount(authority.issue("spiffe://benchmark/server", server_name="localhost"), directory / "tls")
            servers.append(up.enter_context(running_server(directory, options=_all(number, directory, extra))))
        yield servers[0], servers[1]


def _all(number: int, directory: Path, extra: Sequence[str]) -> list[str]:
    return [*options(number, directory / "tls"), *extra]


@contextlib.contextmanager
def not_waiting_for_disks(server: MariaDBServer) -> Iterator[None]:
    """For writes that are not measured: commits inside the block do not wait until they are on the disk."""
    settings = "SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog"
    safe = run(server, settings)[0]
    change = "SET GLOBAL innodb_flush_log_at_trx_commit = {}, GLOBAL sync_binlog = {}"
    run(server, change.format(0, 0))
    try:
        yield
    finally:
        run(server, change.format(*safe))


def run(server: MariaDBServer, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
    """Run statements as the admin in a session of their own; returns the rows of the last."""
    with contextlib.closing(server.admin_connection(database)) as session, session.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())
