"""Two Galera nodes on this machine: what they do with concurrent writes, and without each other."""

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from bench.replication.bed import tell
from bench.replication.regions import NotFinished
from bench.replication.servers import run
from bench.results import Figure
from contract.mariadb import MariaDBServer

LIBRARY = Path("/usr/lib/galera/libgalera_smm.so")
WRITERS, SECONDS, ROWS = 2, 5.0, 5  # writers on each node
SETTLE_S = 1.0
SILENCE_S, ALONE = 12.0, 20  # a node that does not answer is suspected after 5 s; so many writes are tried then


def missing() -> list[str]:
    """What is not there of what Galera needs; nodes find each other's state by the scripts of mariadb-server."""
    programs = [name for name in ("wsrep_sst_rsync", "rsync") if shutil.which(name) is None]
    return [*([] if LIBRARY.exists() else [str(LIBRARY)]), *programs]


@dataclass
class Count:
    """What a writer was told."""

    committed: int = 0
    refused: dict[int, int] = field(default_factory=dict)  # by number of the error


def measure() -> list[Figure]:
    """Counters that all writers raise: read, add one, write; all on one node, then on both; then one is silent."""
    with cluster() as nodes:
        run(nodes[0], "CREATE DATABASE test_counts", "CREATE TABLE test_counts.t (id INT PRIMARY KEY, n INT NOT NULL)")
        run(nodes[0], *(f"INSERT INTO test_counts.t VALUES ({row}, 0)" for row in range(ROWS)))
        time.sleep(SETTLE_S)
        found = []
        for locking in (True, False):
            how = "locking reads" if locking else "plain reads"
            found += _figures(f"{how}, all writers on one node", [nodes[0], nodes[0]], locking=locking)
            found += _figures(f"{how}, writers on both nodes", list(nodes), locking=locking)
        alone = _alone(nodes)
    name = "Galera, cut off from the other node: writes confirmed"
    return [*found, Figure(name, alone.committed, "", size=f"of {ALONE}; {_refusals(alone)}")]


def _figures(what: str, nodes: list[MariaDBServer], *, locking: bool) -> list[Figure]:
    before = _total(nodes[0])
    counts = _raise_counters(nodes, locking=locking)
    time.sleep(SETTLE_S)
    committed = sum(count.committed for count in counts)
    aborted = sum(sum(count.refused.values()) for count in counts)
    lost = committed - (_total(nodes[0]) - before)
    tell(f"Galera, {what}: {committed} commits were confirmed, {aborted} transactions aborted, {lost} increments lost")
    size = f"{committed:,} confirmed, {2 * WRITERS} writers, {ROWS} rows"
    return [
        Figure(f"Galera, {what}: confirmed increments that are not in the counters", lost, "", size=size),
        Figure(f"Galera, {what}: transactions aborted", aborted, "", size=size),
    ]


def _total(node: MariaDBServer) -> int:
    return int(str(run(node, "SELECT SUM(n) FROM test_counts.t")[0][0]))


def _refusals(count: Count) -> str:
    return ", ".join(f"{times} refused with error {number}" for number, times in sorted(count.refused.items()))


@contextlib.contextmanager
def cluster() -> Iterator[tuple[MariaDBServer, MariaDBServer]]:
    """Two nodes that are in sync; the second starts from a copy of the first one's files, so nothing is transferred."""
    with tempfile.TemporaryDirectory(prefix="galera-", ignore_cleanup_errors=True) as name:
        first, second = (MariaDBServer(Path(name) / str(number)) for number in (1, 2))
        first.directory.mkdir()
        first.install()
        first.stop()
        # The library gives its own port and the ones above it a meaning, so they lie apart.
        ports = (first.port + 1000, second.port + 2000)
        first.options = [*_options(ports[0], ""), "--wsrep-new-cluster"]
        second.options = _options(ports[1], f"127.0.0.1:{ports[0]}")
        try:
            first.start()
            first.stop()
            shutil.copytree(first.directory, second.directory, ignore=shutil.ignore_patterns("s", "pid", "*.log"))
            for directory in (Path(name), second.directory, second.directory / "data"):
                directory.chmod(0o777)  # rsync's daemon gives its rights up and leaves a mark there
            first.start()
            second.start()
            _await_size(second, 2)
            yield first, second
        finally:
            first.kill()
            second.kill()


def _options(port: int, join: str) -> list[str]:
    return [
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
        "--innodb-log-file-size=16M",
        "--transaction-isolation=REPEATABLE-READ",
        "--wsrep-on=ON",
        f"--wsrep-provider={LIBRARY}",
        f"--wsrep-cluster-address=gcomm://{join}",
        f"--wsrep-node-address=127.0.0.1:{port}",
        f"--wsrep-provider-options=base_port={port};gmcast.listen_addr=tcp://127.0.0.1:{port};"
        f"ist.recv_addr=127.0.0.1:{port + 1}",
        "--wsrep-sst-method=rsync",
    ]


def _await_size(node: MariaDBServer, size: int, *, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    status: dict[object, object] = {}
    while time.monotonic() < deadline:
        status = dict(run(node, "SHOW GLOBAL STATUS LIKE 'wsrep_%'"))  # type: ignore[arg-type]
        if status.get("wsrep_cluster_size") == str(size) and status.get("wsrep_ready") == "ON":
            return
        time.sleep(0.2)
    raise NotFinished(f"the Galera cluster has {status.get('wsrep_cluster_size')} of {size} nodes")


def _raise_counters(nodes: list[MariaDBServer], *, locking: bool) -> list[Count]:
    counts = [Count() for _ in range(2 * WRITERS)]
    stop = threading.Event()
    threads = [
        threading.Thread(
            target=_write, args=(nodes[number % 2], count, stop), kwargs={"row": number % ROWS, "locking": locking}
        )
        for number, count in enumerate(counts)
    ]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return counts


def _write(node: MariaDBServer, count: Count, stop: threading.Event, *, row: int, locking: bool) -> None:
    """Read, compute, write; a lock is one of the writer's own node."""
    read = f"SELECT n FROM t WHERE id = %s{' FOR UPDATE' if locking else ''}"
    with contextlib.closing(node.admin_connection("test_counts", autocommit=False)) as session:
        while not stop.is_set():
            row = (row + 1) % ROWS
            try:
                with session.cursor() as cursor:
                    cursor.execute(read, (row,))
                    (value,) = cursor.fetchone() or (0,)
                    cursor.execute("UPDATE t SET n = %s WHERE id = %s", (value + 1, row))
                session.commit()
            except pymysql.Error as error:
                session.rollback()
                count.refused[error.args[0]] = count.refused.get(error.args[0], 0) + 1
            else:
                count.committed += 1


def _alone(nodes: tuple[MariaDBServer, MariaDBServer]) -> Count:
    """Writes on the second node while the first is silent, as behind a cut cable."""
    count = Count()
    with nodes[0].silent():
        time.sleep(SILENCE_S)
        for number in range(ALONE):
            try:
                run(nodes[1], f"UPDATE test_counts.t SET n = n + 1 WHERE id = {number % ROWS}")
            except pymysql.Error as error:
                count.refused[error.args[0]] = count.refused.get(error.args[0], 0) + 1
            else:
                count.committed += 1
    tell(f"Galera, the other node silent: {count.committed} of {ALONE} writes confirmed; {_refusals(count)}")
    return count
