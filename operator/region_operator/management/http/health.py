"""Health and metrics, on a port of their own that is never exposed: plain HTTP, no credentials."""

import asyncio
from typing import Final

from aiohttp import web

from region_operator.errors import RegionOperatorError
from region_operator.management.http.measurements import Measurements
from region_operator.management.store.connection import Database

_READY_WITHIN_S: Final = 3.0


class Health:
    """Live while the event loop turns; ready while the database answers and nobody told us to stop."""

    def __init__(self, database: Database, measurements: Measurements) -> None:
        self._database, self._measurements = database, measurements
        self.stopping = False

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/healthz", self._live)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._metrics)
        return application

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        if self.stopping:
            return web.Response(status=503, text="stopping\n")
        try:
            await asyncio.wait_for(self._database.ping(), _READY_WITHIN_S)
        except TimeoutError:
            return web.Response(status=503, text="the database does not answer in time\n")
        except RegionOperatorError as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(text="ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._measurements.text(), content_type="text/plain", charset="utf-8")
