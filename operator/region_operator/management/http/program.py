"""``region-operator manager``: one stateless replica of a region's management server."""

import argparse
import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from region_operator import __version__, json_logs
from region_operator.errors import InvalidInput
from region_operator.management.commands.call import Services
from region_operator.management.commands.catalogue import COMMANDS
from region_operator.management.http.health import Health
from region_operator.management.http.jobs import JobRunner
from region_operator.management.http.measurements import Measurements
from region_operator.management.http.server import Api
from region_operator.management.store.connection import Database
from region_operator.management.store.encryption import SecretKeyCipher
from region_operator.settings import DatabaseSettings, ManagerSettings, from_environment

log = logging.getLogger(__name__)

_DRAIN_S: Final = 3.0  # Kubernetes takes a while to stop sending us requests
_GRACE_S: Final = 20.0
_CERTIFICATE_CHECK_S: Final = 30.0


@dataclass(frozen=True)
class Running:
    """A server that is up; the ports are the real ones, also when it was told to choose."""

    api_port: int
    health_port: int
    health: Health


def main(_: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    json_logs.configure(program="manager")
    try:
        asyncio.run(_serve(from_environment(ManagerSettings), from_environment(DatabaseSettings)))
    except InvalidInput as error:
        log.error("cannot start: %s", error)  # noqa: TRY400 - the message says it all
        return 1
    return 0


async def _serve(settings: ManagerSettings, database: DatabaseSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings, database) as server:
        log.info("listening", extra={"port": server.api_port, "region": settings.region_id})
        await stop.wait()
        log.info("stopping")
        server.health.stopping = True
        await asyncio.sleep(_DRAIN_S)


@asynccontextmanager
async def running(settings: ManagerSettings, database_settings: DatabaseSettings) -> AsyncIterator[Running]:
    """A server that is up inside the block; leaving it finishes what runs.

    Raises:
        InvalidInput: the database key or the certificate cannot be read.
    """
    cipher = SecretKeyCipher(_content(database_settings.key_file))
    tls = _tls(settings.tls_directory)
    database = Database(database_settings)
    measurements = Measurements(database)
    services = Services(cipher=cipher, commands=COMMANDS, version=__version__)
    jobs = JobRunner(database, services, measurements)
    api = Api(database, services, jobs, measurements, secure_cookies=tls is not None)
    health = Health(database, measurements)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(database.close)
        await stack.enter_async_context(_task(jobs.run()))
        if tls is not None and settings.tls_directory is not None:
            await stack.enter_async_context(_task(_follow_certificate(tls, settings.tls_directory)))
        health_port = await _listen(stack, health.application(), settings.listen_host, settings.health_port)
        api_port = await _listen(stack, api.application(), settings.listen_host, settings.listen_port, tls=tls)
        yield Running(api_port, health_port, health)


async def _listen(
    stack: contextlib.AsyncExitStack,
    application: web.Application,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
) -> int:
    # No access log of aiohttp's: it writes whole URLs, and with them API keys and signatures.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_GRACE_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, host, port, ssl_context=tls)
    await site.start()
    return int(runner.addresses[0][1])


@asynccontextmanager
async def _task(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _tls(directory: Path | None) -> ssl.SSLContext | None:
    if directory is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_certificate(context, directory)
    return context


def _load_certificate(context: ssl.SSLContext, directory: Path) -> None:
    try:
        context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(
            field=str(directory),
            problem=f"cannot load tls.crt and tls.key ({error})",
            remedy="mount a Secret of type kubernetes.io/tls with a matching pair",
        ) from error


async def _follow_certificate(context: ssl.SSLContext, directory: Path) -> None:
    """A renewed certificate is served to new connections without a restart."""
    seen = _content(directory / "tls.crt")
    while True:
        await asyncio.sleep(_CERTIFICATE_CHECK_S)
        try:
            present = _content(directory / "tls.crt")
            if present != seen:
                _load_certificate(context, directory)
                seen = present
                log.info("serving a renewed certificate")
        except InvalidInput as error:
            log.warning("keeping the present certificate: %s", error)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            field=str(path), problem=f"cannot be read ({error.strerror})", remedy="mount its Secret"
        ) from error
