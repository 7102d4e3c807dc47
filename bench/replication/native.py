"""What people would use instead, between a pair of schemas of one name on the same servers."""

import os
import subprocess
from dataclasses import dataclass

from bench.replication.regions import NotFinished
from bench.replication.servers import run
from contract.mariadb import MariaDBServer

TABLES = ("domain", "account", "user")
SCHEMA = "plain"


def empty(server: MariaDBServer, schema: str = SCHEMA) -> None:
    run(server, f"DROP DATABASE IF EXISTS `{schema}`", f"CREATE DATABASE `{schema}` CHARACTER SET utf8mb4")


def dump_and_load(
    source: MariaDBServer,
    target: MariaDBServer,
    *,
    schema: str,
    into: str = SCHEMA,
    tls: bool = False,
    log: bool = True,
) -> None:
    """mariadb-dump piped into mariadb, of the synced tables into an empty schema."""
    dump = ["mariadb-dump", *_address(source, tls=tls), "--single-transaction", "--skip-triggers", schema, *TABLES]
    load = ["mariadb", *_address(target, tls=tls), *([] if log else ["--init-command=SET sql_log_bin=0"]), into]
    with subprocess.Popen(dump, stdout=subprocess.PIPE, env=_environment(source)) as dumping:
        subprocess.run(load, stdin=dumping.stdout, env=_environment(target), check=True)
    if dumping.returncode:
        raise NotFinished(f"mariadb-dump ended with {dumping.returncode}")


@dataclass(frozen=True)
class GtidReplication:
    """Server 2 replicates one schema of server 1 by GTID, over TLS; both hold the same when it is set up."""

    source: MariaDBServer
    replica: MariaDBServer
    schema: str = SCHEMA

    def set_up(self) -> None:
        position = run(self.source, "SELECT @@gtid_binlog_pos")[0][0]
        run(
            self.replica,
            "STOP SLAVE",
            f"SET GLOBAL gtid_slave_pos = '{position}'",
            f"SET GLOBAL replicate_wild_do_table = '{self.schema}.%'",
            f"CHANGE MASTER TO master_host = '{self.source.host}', master_port = {self.source.port}, "
            f"master_user = '{self.source.user}', master_password = '{self.source.password}', "
            "master_ssl = 1, master_use_gtid = slave_pos",
        )

    def start(self, *, threads: int = 0) -> None:
        """``threads``: how many apply in parallel; 0 is the server's default, one in order."""
        run(self.replica, "STOP SLAVE", f"SET GLOBAL slave_parallel_threads = {threads}", "START SLAVE")

    def stop(self) -> None:
        run(self.replica, "STOP SLAVE")

    def caught_up(self, *, limit_s: float) -> None:
        """Wait until the replica has applied all that the source has written."""
        position = run(self.source, "SELECT @@gtid_binlog_pos")[0][0]
        # Its waiting ends with the commit, so nothing is lost to looking.
        late = run(self.replica, f"SELECT MASTER_GTID_WAIT('{position}', {limit_s})")[0][0]
        if late:
            raise NotFinished(f"MariaDB's replication was not done after {limit_s:g} s: {self.errors()}")

    def errors(self) -> str:
        """What stopped it, as SHOW SLAVE STATUS says; '' while it runs."""
        with self.replica.admin_connection() as session, session.cursor() as cursor:
            cursor.execute("SHOW SLAVE STATUS")
            assert cursor.description is not None
            status = dict(zip((column[0] for column in cursor.description), cursor.fetchone() or (), strict=False))
        return f"{status.get('Last_IO_Error', '')}{status.get('Last_SQL_Error', '')}"


def _address(server: MariaDBServer, *, tls: bool) -> list[str]:
    return [
        "--no-defaults",
        "--protocol=tcp",
        f"--host={server.host}",
        f"--port={server.port}",
        f"--user={server.user}",
        "--ssl" if tls else "--skip-ssl",
    ]


def _environment(server: MariaDBServer) -> dict[str, str]:
    return {**os.environ, "MYSQL_PWD": server.password}
