"""Reads what a certificate says, and whether a key is its own; of a key nothing is kept or told."""

import functools
import ipaddress
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from region_operator.controller.facts import CertificateFacts, Invalid

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@functools.lru_cache(maxsize=8192)  # every pass reads the same few of each Region
def describe(pem: bytes) -> CertificateFacts | Invalid:
    """The first certificate in ``pem``."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = _alternative_names(certificate)
        return CertificateFacts(
            fingerprint=f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}",
            key_id=_key_id(certificate),
            authority=_authority(certificate),
            not_before=certificate.not_valid_before_utc.strftime(_TIME),
            not_after=certificate.not_valid_after_utc.strftime(_TIME),
            dns_names=frozenset(names.get_values_for_type(x509.DNSName)) if names else frozenset(),
            ip_addresses=frozenset(str(ip) for ip in names.get_values_for_type(x509.IPAddress))
            if names
            else frozenset(),
            uris=frozenset(names.get_values_for_type(x509.UniformResourceIdentifier)) if names else frozenset(),
            pem=certificate.public_bytes(Encoding.PEM).decode(),
        )
    except _UNREADABLE as error:
        return Invalid("CertificateUnreadable", f"no certificate can be read: {error}")


def why_no_pair(certificate: bytes, key: bytes) -> str:
    """Why no server can serve with the first certificate in ``certificate`` and ``key``; "" when one can."""
    try:
        ours = x509.load_pem_x509_certificate(certificate).public_key()
    except _UNREADABLE as error:
        return f"no certificate can be read in tls.crt ({error})"
    try:
        private = load_pem_private_key(key, password=None, unsafe_skip_rsa_key_validation=True)  # it is only compared
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return "no private key without a password can be read in tls.key"
    shape = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    same = private.public_key().public_bytes(*shape) == ours.public_bytes(*shape)
    return "" if same else "tls.key is not the key of the first certificate in tls.crt"


def is_ip(host: str) -> bool:
    """Whether ``host`` is an address, which stands in another field of a certificate than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _key_id(certificate: x509.Certificate) -> str:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except x509.ExtensionNotFound:
        return ""


def _authority(certificate: x509.Certificate) -> str:
    try:
        value = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return _key_id(certificate)
    return (value.key_identifier or b"").hex()
