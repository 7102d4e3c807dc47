"""What an operator may ask of full scans: grant one, see them, abort one. Contract: ``api/scans.py``."""

from aiohttp import web

from region_operator.api.scans import ScanGrant, ScanReport, ScanReports
from region_operator.replication.agent.answers import answering, body_of
from region_operator.replication.agent.control_api import for_operators
from region_operator.replication.agent.scan_grants import scan_id_of
from region_operator.replication.agent.scans import Scans


def routes(scans: Scans) -> list[web.RouteDef]:
    api = _ScanApi(scans)
    return [
        web.get("/v1/scans", for_operators(answering(api.reports)), allow_head=False),
        web.put("/v1/scans/{id}", for_operators(answering(api.grant))),
        web.delete("/v1/scans/{id}", for_operators(answering(api.abort))),
    ]


class _ScanApi:
    def __init__(self, scans: Scans) -> None:
        self._scans = scans

    async def reports(self, _: web.Request) -> ScanReports:
        return self._scans.reports()

    async def grant(self, request: web.Request) -> ScanReport:
        scan_id = scan_id_of(request.match_info["id"])
        return await self._scans.grant(scan_id, await body_of(request, ScanGrant, contract="api/scans.py"))

    async def abort(self, request: web.Request) -> ScanReport:
        return await self._scans.abort(scan_id_of(request.match_info["id"]))
