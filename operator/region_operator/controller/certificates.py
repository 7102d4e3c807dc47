"""Makes keys and certificates; when and what for is decided in ``plan.certificates``.

Everything that is random or a clock is an argument, but for the two functions that fetch randomness and say so.
Keys are P-256; they leave this module as PEM for a Secret and are kept nowhere.
"""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from region_operator.controller.plan.certificates import BACKDATED, CA_LIFETIME, LEAF_LIFETIME
from region_operator.controller.plan.steps import CertificateRequest
from region_operator.errors import InvalidInput


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh private key, from the system's randomness."""
    return ec.generate_private_key(ec.SECP256R1())


def new_serial() -> int:
    """A fresh serial number, from the system's randomness."""
    return x509.random_serial_number()


def make_authority(name: str, *, key: ec.EllipticCurvePrivateKey, serial: int, now: datetime) -> KeyPair:
    """A self-signed CA for ten years that may sign leaves only."""
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), serial=serial)
    builder = _valid(builder, now - BACKDATED, now + CA_LIFETIME)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(Encoding.PEM), _pem(key))


def issue_leaf(
    request: CertificateRequest,
    *,
    authority: KeyPair,
    key: ec.EllipticCurvePrivateKey,
    serial: int,
    now: datetime,
) -> KeyPair:
    """A leaf for ``request``, signed by ``authority``, that ends before its authority does.

    Raises:
        InvalidInput: the authority's certificate and key cannot be read or do not belong together.
    """
    issuer, issuer_key = _load(authority)
    builder = _builder(_name(request.common_name), issuer.subject, key.public_key(), serial=serial)
    builder = _valid(builder, now - BACKDATED, min(now + LEAF_LIFETIME, issuer.not_valid_after_utc))
    purposes = [
        *([ExtendedKeyUsageOID.SERVER_AUTH] if request.server else []),
        *([ExtendedKeyUsageOID.CLIENT_AUTH] if request.client else []),
    ]
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(_alternative_names(request), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(Encoding.PEM), _pem(key))


def _load(authority: KeyPair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    remedy = "restore the Secret of the fleet's authority from a backup"
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate)
        key = load_pem_private_key(authority.key, password=None)
    except (ValueError, TypeError):
        # The cause may quote what it read, so it is not passed on.
        problem = "certificate or key cannot be read"
        raise InvalidInput(field="fleet authority", problem=problem, remedy=remedy) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        problem = "key and certificate do not belong together"
        raise InvalidInput(field="fleet authority", problem=problem, remedy=remedy)
    return certificate, key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, *, serial: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    return builder.public_key(public_key).serial_number(serial)


def _valid(builder: x509.CertificateBuilder, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    return builder.not_valid_before(begin.replace(microsecond=0)).not_valid_after(end.replace(microsecond=0))


def _alternative_names(request: CertificateRequest) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [
            *(x509.DNSName(name) for name in request.dns_names),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in request.ip_addresses),
            *(x509.UniformResourceIdentifier(uri) for uri in request.uris),
        ]
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def fleet_secret_data(*, fleet_uid: str, digest_key: bytes, authority: KeyPair) -> dict[str, bytes]:
    """Data of the Secret that ``plan.steps.CreateFleetSecret`` asks for."""
    return {
        "ca.crt": authority.certificate,
        "ca.key": authority.key,
        "fleet-uid": fleet_uid.encode("ascii"),
        "digest-key": digest_key,
    }


def leaf_secret_data(leaf: KeyPair, trust: tuple[str, ...]) -> dict[str, bytes]:
    """Data of the Secret that ``plan.steps.IssueCertificate`` asks for."""
    return {"ca.crt": "".join(trust).encode(), "tls.crt": leaf.certificate, "tls.key": leaf.key}
