"""``region-operator run``: waits for the Lease, leads until stopped, and hands over at once on SIGTERM."""

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys
import uuid
from collections.abc import Coroutine

from region_operator import json_logs
from region_operator.controller.fleet import Fleet
from region_operator.controller.handlers.health import HealthServer, Metrics
from region_operator.controller.handlers.operator import Leadership, Operator, bulkhead_of
from region_operator.controller.lease import Elector
from region_operator.errors import InvalidInput, RegionOperatorError
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.clusters import LOCAL, connect_locally
from region_operator.kubernetes.leases import LeaseDoor
from region_operator.settings import OperatorSettings, from_environment
from region_operator.supervision.mailboxes import Mailboxes
from region_operator.supervision.units import Key, Pace

log = logging.getLogger(__name__)

LEASE_NAME = "region-operator"


def main(_: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    try:
        settings = from_environment(OperatorSettings)
    except InvalidInput as error:
        print(f"region-operator run: {error}", file=sys.stderr)  # noqa: T201 - the logs are not set up yet
        return 2
    json_logs.configure(settings.log_level, program="operator", pod=settings.pod_name)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    _allow_open_files()
    try:
        return asyncio.run(run(settings))
    except RegionOperatorError as error:
        log.critical("cannot run: %s", error)
        return 1


async def run(settings: OperatorSettings) -> int:
    """Compete for the Lease, lead, and release it; 0 after a planned stop, 1 when watching ended by itself."""
    stop, asked = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        asked.set()
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, on_signal)
    fleet = Fleet()
    mailboxes: Mailboxes[Key] = Mailboxes(
        bulkhead=bulkhead_of(fleet), pace=Pace(workers=settings.workers, resync_s=float(settings.resync_seconds))
    )
    connection = await connect_locally()
    door = LeaseDoor(connection, namespace=settings.namespace, name=LEASE_NAME)
    elector = Elector(door, f"{settings.pod_name}_{uuid.uuid4()}", on_lost=_exit)
    local = Cluster(LOCAL, connection, may_write=elector.may_write)
    metrics = Metrics(mailboxes, leading=elector.may_write)
    server = HealthServer(mailboxes, metrics, port=settings.health_port)
    await server.start()
    try:
        term = await _first(elector.acquire(), stop)
        if term is None:
            return 0
        log.info("leading", extra={"term": term, "lease": f"{settings.namespace}/{LEASE_NAME}"})
        keeping = asyncio.create_task(elector.keep())
        operator = Operator(settings, local, fleet=fleet, mailboxes=mailboxes, metrics=metrics)
        await operator.run(Leadership(term, elector.may_write), stop=stop)
        keeping.cancel()
        await elector.release()
        return 0 if asked.is_set() else 1
    finally:
        await server.stop()
        await connection.close()


async def _first(acquiring: Coroutine[None, None, int], stop: asyncio.Event) -> int | None:
    """The term, or None when we are asked to stop while waiting."""
    acquire = asyncio.create_task(acquiring)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({acquire, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if acquire.done():
        return acquire.result()
    acquire.cancel()
    return None


def _allow_open_files() -> None:
    """Raise our limit of open files as far as we may: each agent takes one, and the usual limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _exit() -> None:
    """Whatever is on its way cannot be called back, so the process ends at once and is started anew."""
    log.critical("leadership was lost: exiting")
    os._exit(1)
