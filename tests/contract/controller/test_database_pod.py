"""What the database Pod runs, run here by the real programs: install, server, probe, the admin of the Secret.

Nothing but the paths of the manifest is changed; the programs run as the Pod's user when the tests run as root.
"""

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pymysql
import pytest

from contract.ports import free_port
from region_operator.controller import certificates
from region_operator.controller.plan import database, mycnf
from region_operator.controller.plan.certificates import database_request
from region_operator.controller.plan.labels import Site
from region_operator.controller.plan.pods import Workload
from region_operator.controller.plan.secrets import init_sql

SITE = Site(hub="hub", region_namespace="clouds", region="eu", region_id=1, namespace="clouds")
ADMIN, PASSWORD = "region_admin", 'p\'\\w\n;-- "x" % é'
MOUNTS = {
    "/var/lib/mysql": "volume",
    "/run/mysqld": "run",
    "/etc/region-operator/tls": "tls",
    "/etc/region-operator/mysql": "configuration",
    "/etc/region-operator/init": "init",
}


@dataclass(frozen=True)
class Pod:
    """The Pod's directories on this machine."""

    root: Path
    port: int
    containers: dict[str, dict]

    def here(self, text: str) -> str:
        for mount, name in MOUNTS.items():
            text = text.replace(mount, str(self.root / name))
        return text.replace("tmpdir = /tmp", f"tmpdir = {self.root}/tmp").replace("port = 3306", f"port = {self.port}")

    def command(self, words: list[str]) -> list[str]:
        user = str(database.USER_ID)
        other = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.geteuid() == 0 else []
        return [*other, *(self.here(word) for word in words)]

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TMPDIR": str(self.root / "tmp"), "HOME": "/nonexistent"}
        return subprocess.run(
            self.command(words), env=environment, text=True, capture_output=True, check=False, timeout=120
        )

    def ping(self) -> bool:
        return self.run(self.containers["mariadb"]["readinessProbe"]["exec"]["command"]).returncode == 0

    def connect(self, *, tls: bool = True) -> pymysql.connections.Connection:
        context = ssl.create_default_context(cafile=self.root / "tls" / "ca.crt") if tls else None
        if context:
            context.check_hostname = False  # the certificate names the Service, not this machine
        password = PASSWORD.encode()  # the driver would take text for latin1
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=ADMIN, password=password, ssl=context, ssl_disabled=not tls
        )


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    if shutil.which("mariadbd") is None:
        pytest.skip("mariadbd is not installed")
    port = free_port()
    root = Path(tmp_path_factory.mktemp("pod"))
    inputs = database.DatabaseInputs(Workload("x"), "1Gi", None, mycnf.my_cnf({"sql_mode": "STRICT_TRANS_TABLES"}))
    spec = database.stateful_set(SITE, inputs)["spec"]["template"]["spec"]
    pod = Pod(root, port, {item["name"]: item for item in (*spec["initContainers"], *spec["containers"])})
    for name in (*MOUNTS.values(), "tmp"):
        (root / name).mkdir()
    (root / "configuration" / "my.cnf").write_text(pod.here(inputs.configuration))
    (root / "init" / "init.sql").write_text(init_sql(ADMIN, PASSWORD))
    now = datetime.now(UTC)
    ca = certificates.make_authority("test", key=certificates.new_key(), serial=1, now=now)
    leaf = certificates.issue_leaf(database_request(SITE), authority=ca, key=certificates.new_key(), serial=2, now=now)
    for name, value in certificates.leaf_secret_data(leaf, (ca.certificate.decode(),)).items():
        (root / "tls" / name).write_bytes(value)
    _hand_over(root)
    (root / "volume" / "data.installing").mkdir()  # an earlier start was cut off
    (root / "volume" / "data.installing" / "half").touch()
    _hand_over(root)
    installed = pod.run(pod.containers["install"]["command"])
    assert installed.returncode == 0, installed.stderr
    server = subprocess.Popen(pod.command(pod.containers["mariadb"]["command"]), stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not pod.ping():
            assert server.poll() is None, server.stderr and server.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield pod
    finally:
        server.terminate()
        server.communicate(timeout=60)


def _hand_over(root: Path) -> None:
    if os.geteuid() == 0:
        for parent in reversed(root.parents[:-2]):
            parent.chmod(parent.stat().st_mode | 0o011)
        for path in (root, *root.rglob("*")):
            os.chown(path, database.USER_ID, database.USER_ID)


def test_the_admin_has_the_password_of_the_secret_whatever_is_in_it(pod: Pod) -> None:
    with pod.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user, host FROM mysql.user ORDER BY user, host")
        users = cursor.fetchall()
        cursor.execute("SHOW GRANTS FOR probe@localhost")
        grants = [row[0] for row in cursor.fetchall()]
    assert (ADMIN, "%") in users
    assert len(grants) == 1
    assert grants[0].startswith("GRANT USAGE ON *.*")


def test_the_network_is_entered_by_tls_only(pod: Pod) -> None:
    pod.connect(tls=True).close()
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        pod.connect(tls=False)


def test_what_the_design_relies_on_is_set(pod: Pod) -> None:
    with pod.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@tx_isolation, @@character_set_server, "
            "@@log_bin_trust_function_creators, @@sql_mode, @@local_infile"
        )
        assert cursor.fetchone() == (1, 1, "READ-COMMITTED", "utf8mb4", 1, "STRICT_TRANS_TABLES", 0)


def test_a_second_start_installs_nothing(pod: Pod) -> None:
    before = (pod.root / "volume" / "data").stat().st_ino
    assert pod.run(pod.containers["install"]["command"]).returncode == 0
    assert (pod.root / "volume" / "data").stat().st_ino == before
    assert not (pod.root / "volume" / "data.installing").exists()


def test_no_other_account_can_sign_in_over_the_network(pod: Pod) -> None:
    with pod.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user FROM mysql.user WHERE host NOT IN ('localhost', '127.0.0.1', '::1')")
        assert {row[0] for row in cursor.fetchall()} <= {ADMIN, "mariadb.sys", "PUBLIC"}
