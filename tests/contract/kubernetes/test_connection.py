"""The connection to an API server that misbehaves in every way a network and a tenant can think of."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from region_operator.errors import InvalidInput, Unavailable
from region_operator.kubernetes import kubeconfig
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.connection import Call, Connection
from region_operator.kubernetes.kinds import CONFIG_MAP
from region_operator.kubernetes.kubeconfig import Access
from region_operator.kubernetes.watch import Watch
from region_operator.supervision import Breaker

PING = Call("GET", "/ping")


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


async def reason_of(connection, call=PING):
    with pytest.raises((Unavailable, InvalidInput)) as error:
        await connection.call(call)
    assert "s3cret" not in str(error.value)
    return error.value.reason


async def pong(request):
    return web.json_response({"authorization": request.headers.get("Authorization")})


async def never(request):
    await asyncio.Event().wait()


async def test_the_token_is_sent_and_proxy_variables_are_not_heeded(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    async with (
        serving(pong, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}", clock=lambda: 7.0) as connection,
    ):
        assert connection.last_answer is None
        assert await connection.call(PING) == {"authorization": "Bearer s3cret"}
        assert connection.last_answer == 7.0


@pytest.mark.rule("OPERATOR 4")
async def test_a_client_certificate_from_memory_is_presented(tmp_path):
    client = Pair("operator")
    async with serving(pong, PAIR.context(tmp_path, clients=client)) as port:
        server = f"https://127.0.0.1:{port}"
        pair = {"certificate_pem": client.certificate, "key_pem": client.key, "token": None}
        async with connected(server, **pair) as connection:
            assert await connection.call(PING) == {"authorization": None}
        async with connected(server) as connection:
            assert await reason_of(connection) in {"TLSFailed", "ConnectionRefused"}


@pytest.mark.rule("OPERATOR 15")
async def test_silence_is_a_timeout_in_time(tmp_path):
    async with (
        serving(never, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}", timeout_s=0.1) as connection,
    ):
        async with asyncio.timeout(2):
            assert await reason_of(connection) == "ProbeTimeout"


@pytest.mark.rule("OPERATOR 15")
async def test_a_trickle_of_bytes_does_not_stretch_the_time(tmp_path):
    async def trickle(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with (
        serving(trickle, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}", timeout_s=0.2) as connection,
    ):
        async with asyncio.timeout(2):
            assert await reason_of(connection) == "ProbeTimeout"


async def test_a_server_that_accepts_and_says_nothing_is_a_timeout():
    accepted = []
    server = await asyncio.start_server(lambda reader, writer: accepted.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with connected(f"https://127.0.0.1:{port}", timeout_s=0.1) as connection:
        assert await reason_of(connection) == "ProbeTimeout"
    server.close()
    for writer in accepted:
        writer.close()


async def test_a_closed_port_is_a_refused_connection(unused_port):
    async with connected(f"https://127.0.0.1:{unused_port}") as connection:
        assert await reason_of(connection) == "ConnectionRefused"


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def test_an_unknown_authority_a_wrong_name_and_plain_http_are_failures_of_tls(tmp_path):
    named = Pair("api.eu")
    async with (
        serving(pong, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}", ca_pem=Pair().certificate) as connection,
    ):
        assert await reason_of(connection) == "TLSFailed"
    async with serving(pong, named.context(tmp_path)) as port:
        server = f"https://127.0.0.1:{port}"
        async with connected(server, ca_pem=named.certificate) as connection:
            assert await reason_of(connection) == "TLSFailed"
        async with connected(server, ca_pem=named.certificate, tls_server_name="api.eu") as connection:
            assert await connection.call(PING)
    async with serving(pong, None) as port, connected(f"https://127.0.0.1:{port}") as connection:
        assert await reason_of(connection) == "TLSFailed"


@pytest.mark.rule("OPERATOR 4")
async def test_a_redirect_is_not_followed(tmp_path):
    asked = []

    async def elsewhere(request):
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with (
        serving(elsewhere, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}") as connection,
    ):
        assert await reason_of(connection) == "UnexpectedAnswer"
    assert asked == ["/ping"]


@pytest.mark.rule("OPERATOR 4")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "127.1"])
async def test_no_spelling_of_this_machine_is_connected_to(tmp_path, host):
    asked = []

    async def note(request):
        asked.append(request.path)
        return web.json_response({})

    async with (
        serving(note, PAIR.context(tmp_path)) as port,
        connected(f"https://{host}:{port}", check_addresses=True) as connection,
    ):
        assert await reason_of(connection) in {"KubeconfigRefused", "UnexpectedAnswer"}  # some are no URL at all
    assert asked == []


@pytest.mark.parametrize("body", [b"{", b"<html>busy</html>", b"\xff\xff", b"[1]"])
async def test_an_answer_that_is_no_object_is_unexpected(tmp_path, body):
    async def garbage(request):
        return web.Response(body=body)

    async with serving(garbage, PAIR.context(tmp_path)) as port, connected(f"https://127.0.0.1:{port}") as connection:
        assert await reason_of(connection) == "UnexpectedAnswer"


@pytest.mark.rule("OPERATOR 15")
async def test_a_dead_cluster_costs_a_probe_each_30_seconds_and_recovers_with_its_answer(tmp_path):
    now, asked, alive = [0.0], [], []

    async def silent(request):
        asked.append(request.path)
        return web.json_response({}) if alive else await never(request)

    breaker = Breaker(clock=lambda: now[0])
    async with (
        serving(silent, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}", timeout_s=0.1, breaker=breaker) as connection,
    ):
        for _ in range(10):
            assert await reason_of(connection) == "ProbeTimeout"
        assert len(asked) == 3
        now[0] = 31.0
        alive.append(True)
        assert await connection.call(PING) == {}
        assert await connection.call(PING) == {}


class Script:
    """A server that answers lists, and each watch with what the test wrote for it."""

    def __init__(self, *watches) -> None:
        self.watches, self.queries = list(watches), []

    async def __call__(self, request):
        if "watch" not in request.query:
            self.queries.append("list")
            return web.json_response({"metadata": {"resourceVersion": "10"}, "items": []})
        self.queries.append(request.query["resourceVersion"])
        answer = self.watches.pop(0) if self.watches else "hang"
        if isinstance(answer, int):
            return web.json_response({"kind": "Status", "code": answer}, status=answer)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"" if answer == "hang" else answer)
        if answer == "hang":
            await asyncio.Event().wait()
        return response


def event(kind, name, version):
    labels = '"labels": {"a": "b"}'
    return (
        f'{{"type": "{kind}", "object": {{"metadata": '
        f'{{"name": "{name}", "namespace": "eu", "resourceVersion": "{version}", {labels}}}}}}}\n'
    ).encode()


EXPIRED = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410}}\n'
BROKEN = b'{"type": "ERROR", "object": {"kind": "Status", "code": 500}}\n'


@pytest.mark.rule("OPERATOR 3")
@pytest.mark.parametrize(
    ("watches", "queries"),
    [
        ([event("ADDED", "x", 11), event("ADDED", "y", 12)], ["list", "10", "11", "12"]),
        ([event("BOOKMARK", "", 20)], ["list", "10", "20"]),
        ([event("ADDED", "x", 11) + EXPIRED], ["list", "10", "list", "10"]),
        ([410], ["list", "10", "list", "10"]),
        ([event("ADDED", "x", 11) + BROKEN, 500, 429, 403], ["list", "10", "11", "11", "11", "11"]),
        ([event("ADDED", "x", 11) + b'{"type": "ADD'], ["list", "10", "11"]),
        ([b"garbage\n"], ["list", "10", "10"]),
    ],
    ids=[
        "ended by the server",
        "bookmark",
        "expired in the stream",
        "expired",
        "server errors",
        "truncated",
        "garbage",
    ],
)
async def test_a_watch_goes_on_after_a_break_from_where_it_was(tmp_path, watches, queries):
    script, changes, sleeps = Script(*watches), [], []

    async def sleep(seconds):
        sleeps.append(seconds)

    async with (
        serving(script, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}") as connection,
    ):
        cluster = Cluster("remote", connection, may_write=lambda: False)
        watch = Watch(cluster, CONFIG_MAP, "eu", selector="a=b", on_change=changes.append, sleep=sleep)
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(5):
            while len(script.queries) < len(queries):
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert script.queries == queries
    assert all(change.labels == {"a": "b"} for change in changes)
    if queries.count("list") == 2 and changes:  # the second list does not hold what the watch saw
        assert [(change.name, change.gone) for change in changes] == [("x", False), ("x", True)]


async def test_a_watch_that_falls_silent_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("region_operator.kubernetes.watch.SILENCE_S", 0.05)
    script = Script()
    async with (
        serving(script, PAIR.context(tmp_path)) as port,
        connected(f"https://127.0.0.1:{port}") as connection,
    ):
        cluster = Cluster("remote", connection, may_write=lambda: False)

        async def sleep(seconds):
            await asyncio.sleep(0)

        watch = Watch(cluster, CONFIG_MAP, "eu", selector="a=b", on_change=lambda change: None, sleep=sleep)
        task = asyncio.create_task(watch.run())
        async with asyncio.timeout(5):
            while len(script.queries) < 4:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert script.queries[:4] == ["list", "10", "10", "10"]
