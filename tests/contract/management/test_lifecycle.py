"""A server as Kubernetes sees it: probes, metrics, certificates, an unreachable database, races between replicas."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cs import CloudStackApiException

from contract.management.conftest import Replica, serving
from contract.management.test_authentication import signed
from contract.management.test_identities import JANE
from contract.mariadb import MariaDBServer
from region_operator.errors import InvalidInput
from region_operator.settings import DatabaseSettings


def test_a_server_with_its_database_is_live_and_ready(cloud: Replica) -> None:
    assert requests.get(f"{cloud.health_url}/healthz", timeout=5).text == "ok\n"
    assert requests.get(f"{cloud.health_url}/readyz", timeout=5).status_code == 200
    cloud.server.health.stopping = True
    assert requests.get(f"{cloud.health_url}/readyz", timeout=5).status_code == 503


def test_metrics_count_requests_by_command_and_never_by_what_clients_invent(cloud: Replica) -> None:
    cloud.system.listRegions()
    requests.get(cloud.url, params={"command": "invented"}, timeout=5)
    text = requests.get(f"{cloud.health_url}/metrics", timeout=5).text
    assert 'region_operator_management_requests_total{command="listRegions",status="200"} 1.0' in text
    assert 'command="unknown",status="401"' in text
    assert "invented" not in text


def test_a_lost_connection_is_replaced_without_an_error(cloud: Replica) -> None:
    api = cloud.system
    api.listRegions()
    user = (cloud.database.credentials_directory / "username").read_text()
    for row in cloud.rows("SELECT id FROM information_schema.processlist WHERE user = %s", user):
        cloud.rows(f"KILL {row['id']}")
    for _ in range(10):
        assert api.listRegions()["count"] == 1


def test_without_a_database_requests_are_503_and_it_comes_back_by_itself(
    cloud: Replica, mariadb: MariaDBServer
) -> None:
    api = cloud.system
    api.listRegions()
    mariadb.stop()
    try:
        with pytest.raises(CloudStackApiException) as caught:
            api.listRegions()
        assert caught.value.error["errorcode"] == 503
        assert requests.get(f"{cloud.health_url}/readyz", timeout=5).status_code == 503
        assert requests.get(f"{cloud.health_url}/healthz", timeout=5).status_code == 200
    finally:
        mariadb.start()
    assert api.listRegions()["count"] == 1
    assert requests.get(f"{cloud.health_url}/readyz", timeout=5).status_code == 200


def test_wrong_credentials_of_the_database_are_503_and_work_once_corrected(cloud: Replica) -> None:
    password = cloud.database.credentials_directory / "password"
    right = password.read_text()
    password.write_text("wrong")
    with cloud.another() as other:
        assert requests.get(other.url, params=signed(), timeout=5).status_code == 503
        assert "refuses our user" in requests.get(f"{other.health_url}/readyz", timeout=5).text
        password.write_text(right)
        assert requests.get(other.url, params=signed(), timeout=5).status_code == 200


def test_a_missing_database_key_is_refused_at_the_start(database: DatabaseSettings, mariadb: MariaDBServer) -> None:
    database.key_file.unlink()
    with pytest.raises(InvalidInput, match="key"), serving(database, mariadb):
        pass


def test_a_server_that_stops_finishes_what_it_has_begun(database: DatabaseSettings, mariadb: MariaDBServer) -> None:
    answers: list[int] = []
    with (
        closing(mariadb.admin_connection(database.name, autocommit=False)) as blocker,
        blocker.cursor() as cursor,
    ):
        with serving(database, mariadb) as replica:
            cursor.execute("SELECT id FROM domain WHERE id = 1 FOR UPDATE")
            request = signed(command="createDomain", name="late")
            waiting = threading.Thread(
                target=lambda: answers.append(requests.post(replica.url, data=request, timeout=20).status_code)
            )
            waiting.start()
            await_blocked(replica)
            threading.Timer(0.5, blocker.rollback).start()
        waiting.join(20)
    assert answers == [200]


def await_blocked(replica: Replica) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if replica.rows("SELECT trx_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"):
            return
        time.sleep(0.2)  # the server looks anew only if that table was not read for a tenth of a second
    raise AssertionError("the request never came to the lock")


@pytest.mark.parametrize("what", ["domain", "account", "user", "region"])
def test_of_many_writers_of_one_name_exactly_one_wins_across_replicas(cloud: Replica, what: str) -> None:
    system = cloud.system
    system.createAccount(**JANE, account="acme", accounttype=0)
    joe = {**JANE, "username": "joe"}

    def attempt(number: int, replica: Replica) -> bool:
        api = replica.system
        try:
            match what:
                case "domain":
                    api.createDomain(name="one")
                case "account":
                    api.createAccount(**{**joe, "username": f"u{number}"}, account="one", accounttype=0)
                case "user":
                    api.createUser(**joe, account="acme")
                case _:
                    api.addRegion(id=50, name=f"r{number}", endpoint="e")
        except CloudStackApiException as error:
            assert error.error["errorcode"] == 431
            return False
        return True

    with cloud.another() as other, ThreadPoolExecutor(8) as threads:
        attempts = [threads.submit(attempt, number, (cloud, other)[number % 2]) for number in range(8)]
        assert sum(future.result() for future in attempts) == 1


def test_https_serves_secure_cookies_and_a_renewed_certificate_without_a_restart(
    database: DatabaseSettings, mariadb: MariaDBServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_operator.management.http.program._CERTIFICATE_CHECK_S", 0.05)
    write_certificate(tmp_path, serial=1001)
    with serving(database, mariadb, tls_directory=tmp_path) as replica:
        form = {"command": "login", "username": "admin", "password": "first sign-in"}
        verify, headers = str(tmp_path / "tls.crt"), {"Connection": "close"}
        answer = requests.post(replica.url, data=form, timeout=10, verify=verify, headers=headers)
        assert all("Secure" in cookie for cookie in answer.raw.headers.getlist("Set-Cookie"))
        assert served_serial(replica.server.api_port) == 1001
        write_certificate(tmp_path, serial=2002)
        deadline = time.monotonic() + 10
        while served_serial(replica.server.api_port) != 2002:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def served_serial(port: int) -> int:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as tls:
        certificate = tls.getpeercert(binary_form=True)
        tls.unwrap().close()
    assert certificate
    return x509.load_der_x509_certificate(certificate).serial_number


def write_certificate(directory: Path, *, serial: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "management")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (directory / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (directory / "tls.crt").write_bytes(certificate.public_bytes(pem))
