"""A management server that knows nothing but regions; answers as CloudStack does."""

from aiohttp import web


class RegionList:
    """Serves listCapabilities, listRegions, addRegion, updateRegion and removeRegion on loopback."""

    def __init__(self, *regions: tuple[int, str, str]) -> None:
        self.regions = {region_id: (name, endpoint) for region_id, name, endpoint in regions}
        self.calls: list[str] = []
        self.refused: set[str] = set()  # commands
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def open(self) -> "RegionList":
        app = web.Application()
        app.add_routes([web.post("/client/api", self._answer)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        command = str(form["command"])
        self.calls.append(command)
        number = int(str(form.get("id", 0)))
        key = command.lower() + "response"
        match command:
            case _ if command in self.refused:
                return web.json_response({key: {"errorcode": 431, "errortext": f"{command} is not now"}}, status=431)
            case "listCapabilities":
                return web.json_response({key: {"capability": {"cloudstackversion": "4.20.0"}}})
            case "listRegions":
                listed = [{"id": id_, "name": name, "endpoint": end} for id_, (name, end) in self.regions.items()]
                return web.json_response({key: {"count": len(listed), "region": listed} if listed else {}})
            case "addRegion" if number in self.regions:
                text = f"Region with id: {number} already exists"
                return web.json_response({key: {"uuidList": [], "errorcode": 431, "errortext": text}}, status=431)
            case "addRegion" | "updateRegion":
                self.regions[number] = (str(form["name"]), str(form["endpoint"]))
                return web.json_response({key: {"region": {"id": number}}})
            case "removeRegion":
                self.regions.pop(number)
                return web.json_response({key: {"success": True}})
            case _:
                return web.json_response({"errorresponse": {"errorcode": 432, "errortext": command}}, status=432)
