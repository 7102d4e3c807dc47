"""The connection to the database is never less safe than its settings say."""

import datetime
import ipaddress
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contract.mariadb import OPTIONS, MariaDBServer, running_server
from region_operator.errors import Unavailable
from region_operator.management.store.connection import connect
from region_operator.settings import DatabaseSettings


@dataclass(frozen=True)
class Certificates:
    """A server certificate for ``127.0.0.1`` only, from a CA of its own; and another CA."""

    directory: Path

    @property
    def authority(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def stranger(self) -> Path:
        return self.directory / "stranger.crt"


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    with tempfile.TemporaryDirectory(prefix="tls-") as directory:
        made = Certificates(Path(directory))
        made.directory.chmod(0o755)
        write_pair(made.directory)
        yield made


@pytest.fixture(scope="module")
def secured(certificates: Certificates) -> Iterator[MariaDBServer]:
    options = [f"--ssl-cert={certificates.directory}/tls.crt", f"--ssl-key={certificates.directory}/tls.key"]
    with (
        tempfile.TemporaryDirectory(prefix="mariadb-") as directory,
        running_server(Path(directory), options=[*OPTIONS, *options]) as server,
    ):
        yield server


def settings(server: MariaDBServer, credentials: Path, **more: object) -> DatabaseSettings:
    (credentials / "username").write_text(server.user)
    (credentials / "password").write_text(server.password)
    return DatabaseSettings(host=server.host, port=server.port, name="mysql", credentials_directory=credentials, **more)


def cipher_of(given: DatabaseSettings) -> str:
    connection = connect(given)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
            row = cursor.fetchone()
            return row["Value"] if row else ""
    finally:
        connection.close()


@pytest.mark.parametrize("mode", ["VerifyIdentity", "VerifyCA"])
def test_a_trusted_server_is_spoken_to_encrypted(secured, certificates, tmp_path: Path, mode: str) -> None:
    assert cipher_of(settings(secured, tmp_path, tls_mode=mode, ca_file=certificates.authority))


@pytest.mark.parametrize("mode", ["VerifyIdentity", "VerifyCA"])
def test_a_server_of_another_authority_is_refused(secured, certificates, tmp_path: Path, mode: str) -> None:
    with pytest.raises(Unavailable) as error:
        connect(settings(secured, tmp_path, tls_mode=mode, ca_file=certificates.stranger))
    assert error.value.reason == "TLSFailed"


def test_a_certificate_for_another_name_is_refused_unless_only_its_authority_counts(
    secured, certificates, tmp_path: Path
) -> None:
    elsewhere = settings(secured, tmp_path, ca_file=certificates.authority).model_copy(update={"host": "localhost"})
    with pytest.raises(Unavailable) as error:
        connect(elsewhere)
    assert error.value.reason == "TLSFailed"
    assert cipher_of(elsewhere.model_copy(update={"tls_mode": "VerifyCA"}))


def test_a_server_without_tls_is_never_spoken_to_in_the_clear(mariadb, certificates, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as error:
        connect(settings(mariadb, tmp_path, ca_file=certificates.authority))
    assert error.value.reason == "TLSFailed"


def test_tls_is_off_only_when_it_is_said_so(secured, tmp_path: Path) -> None:
    assert cipher_of(settings(secured, tmp_path, tls_mode="Disabled")) == ""


def write_pair(directory: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)

    def certificate(name: str, issuer: str, *, key, signer, extension: x509.ExtensionType) -> bytes:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=False)
            .sign(signer, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    authority, stranger, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    constraint = x509.BasicConstraints(ca=True, path_length=None)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    (directory / "ca.crt").write_bytes(certificate("ca", "ca", key=authority, signer=authority, extension=constraint))
    (directory / "stranger.crt").write_bytes(
        certificate("stranger", "stranger", key=stranger, signer=stranger, extension=constraint)
    )
    (directory / "tls.crt").write_bytes(certificate("db", "ca", key=server, signer=authority, extension=address))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (directory / "tls.key").write_bytes(server.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
