"""HTTPS servers on loopback that stand for an API server, and a connection of ours to one."""

import contextlib
import datetime
import ipaddress
import ssl

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from region_operator.kubernetes import kubeconfig
from region_operator.kubernetes.connection import Connection
from region_operator.kubernetes.kubeconfig import Access


class Pair:
    """A self-signed certificate and its key, for a name or an address."""

    def __init__(self, name="127.0.0.1") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def context(self, tmp_path, *, clients=None):
        file = tmp_path / "server.pem"
        file.write_text(self.certificate + self.key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.certificate)
        return context


PAIR = Pair()


@contextlib.asynccontextmanager
async def serving(handler, context):
    """An HTTPS server on loopback; yields its port."""

    async def handle(request):
        return await handler(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def connected(server, **options):
    names = {"ca_pem", "certificate_pem", "key_pem", "tls_server_name", "token"}
    given = {"ca_pem": PAIR.certificate, "token": "s3cret"} | {key: options.pop(key) for key in names & set(options)}
    access = Access(server, **given)
    tls = kubeconfig.tls_context(access)
    connection = Connection(kubeconfig.configuration(access), tls=tls, **({"timeout_s": 2.0} | options))
    try:
        yield connection
    finally:
        await connection.close()
