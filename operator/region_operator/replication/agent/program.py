"""``region-operator agent``: settings, logs, signals; the work is in ``Agent``."""

import argparse
import asyncio
import functools
import logging
import os
import signal
import sys
import threading

from region_operator import json_logs
from region_operator.errors import InvalidInput
from region_operator.replication.agent.agent import Agent
from region_operator.replication.agent.database_address import address_of
from region_operator.replication.agent.scan_answers import comparison
from region_operator.replication.store.region_store import RegionStore
from region_operator.settings import AgentSettings, DatabaseSettings, from_environment

log = logging.getLogger(__name__)

STOP_WITHIN_S = 10.0


def main(_: argparse.Namespace) -> int:
    try:
        settings, database = from_environment(AgentSettings), from_environment(DatabaseSettings)
    except InvalidInput as error:
        print(f"region-operator agent: {error}", file=sys.stderr)  # noqa: T201
        return 2
    json_logs.configure(program="agent", region=settings.region_id)
    try:
        asyncio.run(_serve(settings, database))
    except (InvalidInput, OSError) as error:
        log.critical("cannot serve: %s", error)
        return 1
    return 0


async def _serve(settings: AgentSettings, database: DatabaseSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, functools.partial(_stop, stop))

    def open_store(**arguments: object) -> RegionStore:
        # Credentials are read at each opening, so a rotated password is picked up by the next one.
        return RegionStore.open(address_of(database), **arguments)  # type: ignore[arg-type]

    agent = Agent(settings, open_store=open_store, key_file=database.key_file, compare=comparison)
    await agent.run(stop)
    log.info("stopped")


def _stop(stop: asyncio.Event) -> None:
    log.info("stopping")
    stop.set()
    # A thread that waits for a database that hangs must not hold the Pod: what it did is rolled back by the server.
    last_resort = threading.Timer(STOP_WITHIN_S, os._exit, args=(0,))
    last_resort.daemon = True
    last_resort.start()
