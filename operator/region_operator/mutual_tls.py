"""TLS with certificates on both sides, the same for agents and for the operator that speaks to them.

Keys and certificates come as text (from a Secret, or from a mounted directory read in one go) and are handed to OpenSSL
through an anonymous file, so a private key is written nowhere and a half-swapped directory is never loaded.
"""

import contextlib
import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from region_operator.errors import InvalidInput

CA_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.crt", "tls.crt", "tls.key"


@dataclass(frozen=True)
class Identity:
    """Who a program is on the wire, and whom it believes.

    Attributes:
        ca_pem: one or more CA certificates that the other side's certificate is checked against.
        certificate_pem: own leaf, then its intermediates.
        key_pem: private key of the leaf.
    """

    ca_pem: str
    certificate_pem: str
    key_pem: str = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """Identify the content; contexts are cached and swapped by it."""
        return hashlib.sha256("\0".join((self.ca_pem, self.certificate_pem, self.key_pem)).encode()).hexdigest()

    @cached_property
    def leaf(self) -> x509.Certificate:
        return _certificates(self.certificate_pem, field_name=CERTIFICATE_FILE)[0]

    def trusting(self, more_ca_pem: Sequence[str]) -> "Identity":
        """Return this identity that believes further CAs too (while a CA is being rotated)."""
        return Identity("\n".join([self.ca_pem, *more_ca_pem]), self.certificate_pem, self.key_pem)

    @cached_property
    def ca_fingerprints(self) -> tuple[str, ...]:
        return tuple(sorted({fingerprint(der(ca)) for ca in _certificates(self.ca_pem, field_name=CA_FILE)}))


def read_identity(directory: Path) -> Identity:
    """Read ``ca.crt``, ``tls.crt`` and ``tls.key`` of a mounted Secret.

    Raises:
        InvalidInput: a file is missing or unreadable.
    """
    try:
        texts = [(directory / name).read_text() for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE)]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            field=str(directory),
            problem=f"cannot be read ({error})",
            remedy=f"mount a Secret with {CA_FILE}, {CERTIFICATE_FILE} and {KEY_FILE}",
            reason="CertificateMissing",
        ) from error
    return Identity(*texts)


def client_context(identity: Identity) -> ssl.SSLContext:
    """Verify the server's chain and name, and present our certificate."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity)


def server_context(identity: Identity) -> ssl.SSLContext:
    """Refuse every client that has no certificate of one of our CAs."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # nobody resumes sessions here, and each ticket costs the client some kilobytes
    context.sslobject_class = _SaysWhy
    return context


class _SaysWhy(ssl.SSLObject):
    """Lets the TLS alert out before the connection ends.

    asyncio drops what OpenSSL has to say when a handshake fails, so a client whose certificate is refused would see a
    closed connection and call it a network fault. "Want read" makes asyncio send what is pending; the failure follows
    when the client hangs up, or at the handshake's time limit.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            raise ssl.SSLWantReadError from error


def fingerprint(certificate_der: bytes) -> str:
    return "sha256:" + hashlib.sha256(certificate_der).hexdigest()


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def uri_names(certificate: x509.Certificate) -> list[str]:
    """Return the URI subject alternative names: who a certificate says its holder is."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(extension.value.get_values_for_type(x509.UniformResourceIdentifier))


def _context(protocol: int, identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=identity.ca_pem)
        with _anonymous_file(identity.certificate_pem + "\n" + identity.key_pem) as path:
            context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInput(
            field=f"{CA_FILE}, {CERTIFICATE_FILE}, {KEY_FILE}",
            problem=f"OpenSSL refuses them ({error})",
            remedy="give PEM certificates and the unencrypted key that belongs to the leaf",
            reason="CertificateInvalid",
        ) from error
    return context


def _certificates(pem: str, *, field_name: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise InvalidInput(
            field=field_name,
            problem=f"holds no PEM certificate ({error})",
            remedy="give PEM certificates",
            reason="CertificateInvalid",
        ) from error


@contextlib.contextmanager
def _anonymous_file(text: str) -> Iterator[str]:
    # OpenSSL's Python binding loads keys from paths only.
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile("w") as file:  # mode 0600; only where there is no memfd (development on macOS)
        file.write(text)
        file.flush()
        yield file.name
