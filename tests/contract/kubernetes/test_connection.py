"""The connection to an API server that misbehaves in every way a network and a tenant can think of."""

import asyncio

import pytest
from aiohttp import web

from contract.kubernetes.api_servers import PAIR, Pair, connected, serving
from region_operator.errors import InvalidInput, Unavailable
from region_operator.kubernetes.connection import Call
from region_operator.supervision import Breaker

PING = Call("GET", "/ping")


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
        async with asyncio.timeout(10):
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
        async with asyncio.timeout(10):
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
        connected(f"https://127.0.0.1:{port}", timeout_s=0.5, breaker=breaker) as connection,
    ):
        for _ in range(10):
            assert await reason_of(connection) == "ProbeTimeout"
        assert len(asked) == 3
        now[0] = 31.0
        alive.append(True)
        assert await connection.call(PING) == {}
        assert await connection.call(PING) == {}
