"""Certificates and kubeconfigs of one cluster, made anew at each start and gone with it."""

import base64
import datetime
import ipaddress
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """The cluster's certificate authority, and the directory that everything it makes is written to."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "devcluster")])
        self._certificate = self._sign(
            self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=None)
        )
        (directory / "ca.crt").write_bytes(_pem(self._certificate))

    def issue(self, user: str, *, group: str = "", names: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
        """A certificate and key for ``user`` of ``group``; with ``names`` it serves under these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        if group:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        extensions = [x509.SubjectAlternativeName([_general_name(name) for name in names])] if names else []
        certificate = self._sign(x509.Name(attributes), key.public_key(), *extensions)
        return _pem(certificate), _pem(key)

    def write(self, file: str, pair: tuple[bytes, bytes]) -> None:
        for suffix, content in zip(("crt", "key"), pair, strict=True):
            path = self._directory / f"{file}.{suffix}"
            path.touch(mode=0o600)
            path.write_bytes(content)

    def write_kubeconfig(self, path: Path, *, server: str, pair: tuple[bytes, bytes]) -> None:
        """A kubeconfig that holds all it needs, so it works wherever it is copied to."""
        ca, certificate, key = (base64.b64encode(raw).decode() for raw in (_pem(self._certificate), *pair))
        name = "devcluster"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": ca}}],
            "users": [{"name": name, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))

    def _sign(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *more: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        builder = x509.CertificateBuilder(
            self._name, subject, public, x509.random_serial_number(), now - day, now + 365 * day
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(item: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(item, x509.Certificate):
        return item.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    return item.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
