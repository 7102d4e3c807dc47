"""The operator from the working tree, behind doors to two API servers: killed there by SIGKILL, and started anew.

Run in the network of a cluster's node. The first line of standard output holds the kubeconfig that leads through the
door to the other cluster; then every mutating call is told as a line of JSON. A call is told by what it does to which
object, so two runs of the same path can be compared; with ``deaths`` the operator is killed once at each call named
there, ``before`` it reaches the API server or ``after`` it was carried out and before the answer.
"""

import asyncio
import base64
import json
import os
import re
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from devcluster.pki import Authority

# The Lease, Events and questions about rights are no part of what the operator makes.
_UNCOUNTED = re.compile(r"/(leases|events|selfsubjectaccessreviews)(/|$)")
_OBJECT = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?(?:/(status))?$")
_HASH = re.compile(r"-[0-9a-f]{8}$")  # of a Job
_HOP_HEADERS = {"host", "content-length", "transfer-encoding", "connection"}
THERE = "there: "  # before calls to the other cluster


@dataclass
class Door:
    """Forwards to an API server; the operator dies at the calls that are left in ``deaths``."""

    server: str
    tls: ssl.SSLContext
    deaths: dict[str, str]
    die: Callable[[str, str], Awaitable[None]]
    place: str = ""  # before each call that is told
    _session: aiohttp.ClientSession | None = None

    async def forward(self, request: web.Request) -> web.StreamResponse:
        call = name_of(request.method, request.path, await request.read())
        call = call and self.place + call
        when = self.deaths.pop(call, "")
        if when == "before":
            await asyncio.shield(self.die(call, when))  # else it ends with the connection of the one that is killed
            raise ConnectionResetError(call)
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_HEADERS}
        answer = await self.ask(request.method, request.raw_path, headers=headers, data=await request.read() or None)
        async with answer:
            if call:
                tell(call=call, status=answer.status)
            if when == "after":
                await answer.read()
                await asyncio.shield(self.die(call, when))
            return await _handed_on(request, answer)

    async def ask(self, method: str, path: str, **request: Any) -> aiohttp.ClientResponse:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=self.tls)
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        return await self._session.request(method, self.server + path, **request)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _handed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP_HEADERS}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


def name_of(method: str, path: str, body: bytes) -> str:
    """``PATCH statefulsets eu-west-database``; "" for what is read or not counted."""
    found = _OBJECT.search(path)
    if method == "GET" or _UNCOUNTED.search(path) or not found:
        return ""
    _, plural, name, subresource = found.groups()
    name = name or json.loads(body)["metadata"].get("name", "")
    return " ".join(filter(None, (method, plural, _HASH.sub("-#", name), subresource)))


def tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


class Mortal:
    """The operator's process; whenever it ends, another one is started."""

    def __init__(self, port: int, environment: dict[str, str]) -> None:
        self._file = tempfile.NamedTemporaryFile("w", suffix=".kubeconfig")  # noqa: SIM115 - lives as long as we do
        yaml.safe_dump(_kubeconfig(port), self._file)
        self._file.flush()
        self._environment = {**os.environ, **environment, "KUBECONFIG": self._file.name}
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False

    async def run(self) -> None:
        while not self._stopped:
            command = (sys.executable, "-m", "region_operator", "run")
            self._process = await asyncio.create_subprocess_exec(*command, env=self._environment, stdout=sys.stderr)
            await self._process.wait()

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()


def _kubeconfig(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "door",
        "contexts": [{"name": "door", "context": {"cluster": "door", "user": "operator"}}],
        "clusters": [{"name": "door", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "operator", "user": {"token": "the door has its own"}}],
    }


def api_server(kubeconfig: str) -> tuple[str, ssl.SSLContext]:
    """Where it is, and what makes us its admin."""
    given = yaml.safe_load(Path(kubeconfig).read_text())
    user, cluster = given["users"][0]["user"], given["clusters"][0]["cluster"]
    tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as pair:
        for key in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[key]))
        pair.flush()
        tls.load_cert_chain(pair.name)
    return cluster["server"], tls


def with_tls(port: int) -> tuple[ssl.SSLContext, str]:
    """For a door of which the operator reads in a Secret, so it must be a TLS server; and the kubeconfig for that."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        authority = Authority(directory)
        authority.write("door", authority.issue("door", names=("127.0.0.1",)))
        kubeconfig = directory / "kubeconfig"
        authority.write_kubeconfig(kubeconfig, server=f"https://127.0.0.1:{port}", pair=authority.issue("operator"))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(directory / "door.crt", directory / "door.key")
        return tls, kubeconfig.read_text()


@asynccontextmanager
async def opened(door: Door, listener: socket.socket, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    app = web.Application(client_max_size=8 * 2**20)
    app.router.add_route("*", "/{path:.*}", door.forward)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=tls).start()
    try:
        yield
    finally:
        await runner.cleanup()
        await door.close()


async def main(wanted: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_server(("127.0.0.1", 0)) as there:
        mortal = Mortal(here.getsockname()[1], wanted["environment"])

        async def die(call: str, when: str) -> None:
            await mortal.kill()
            tell(killed=call, when=when)
            # The dead cannot release their Lease; that it runs out after 15 s is tested elsewhere.
            merge = {"Content-Type": "application/merge-patch+json"}
            body = json.dumps({"spec": {"holderIdentity": ""}})
            (await hub.ask("PATCH", wanted["lease"], headers=merge, data=body)).release()

        hub = Door(*api_server(wanted["kubeconfig"]), wanted["deaths"], die)
        other = Door(*api_server(wanted["other_kubeconfig"]), wanted["deaths"], die, THERE)
        tls, kubeconfig = with_tls(there.getsockname()[1])
        async with opened(hub, here), opened(other, there, tls):
            tell(kubeconfig=kubeconfig)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, mortal.stop)
            await mortal.run()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
