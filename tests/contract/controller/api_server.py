"""Stands for an API server on loopback: tells what there is, and writes down every call."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import web

from region_operator import naming
from region_operator.controller.handlers.watching import PLURALS

GROUP_PATH = f"/apis/{naming.API_VERSION}"
KINDS = dict(zip(PLURALS, ("Region", "RegionPeering", "SyncPolicy"), strict=True))


def an_object(plural: str, version: str, **metadata: object) -> dict:
    meta = {"name": "x", "namespace": "clouds", "uid": f"uid-{plural}", "generation": 1, "resourceVersion": version}
    finalizers = [naming.TEARDOWN_FINALIZER, "others/one"]
    return {
        "apiVersion": naming.API_VERSION,
        "kind": KINDS[plural],
        "metadata": {**meta, "finalizers": finalizers, **metadata},
        "spec": {"id": 1},
    }


def _group(api_version: str) -> dict:
    name, version = api_version.split("/")
    entry = {"groupVersion": api_version, "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def _resource(plural: str, kind: str, *, namespaced: bool = True) -> dict:
    verbs = ["get", "list", "watch", "patch", "update", "create", "delete"]
    return {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": namespaced, "verbs": verbs}


class ApiServer:
    """Serves the three kinds: one object of each, which is then changed, marked as deleted, and gone."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.watched: set[str] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path}")
        if request.method != "GET":
            return web.json_response({})
        plural = request.path.rsplit("/", 1)[-1]
        if plural in PLURALS or request.query.get("watch"):
            return await (self._watch if request.query.get("watch") else self._list)(request, plural)
        return web.json_response(self._discovery(request.path))

    def _discovery(self, path: str) -> dict:
        if path == "/apis":
            return {"groups": [_group(naming.API_VERSION), _group("apiextensions.k8s.io/v1")]}
        if path == "/api":
            return {"versions": ["v1"]}
        served = {
            GROUP_PATH: [_resource(plural, kind) for plural, kind in KINDS.items()],
            "/api/v1": [_resource("namespaces", "Namespace", namespaced=False)],
            "/apis/apiextensions.k8s.io/v1": [
                _resource("customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
            ],
        }
        return {"resources": served.get(path, []), "items": [], "metadata": {"resourceVersion": "1"}}

    async def _list(self, request: web.Request, plural: str) -> web.Response:
        items = [an_object(plural, "10")]
        return web.json_response({"kind": "List", "metadata": {"resourceVersion": "10"}, "items": items})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if plural in PLURALS and plural not in self.watched:
            self.watched.add(plural)
            deleted = {"deletionTimestamp": "2026-11-22T00:00:00Z"}
            for type_, body in (
                ("MODIFIED", an_object(plural, "11", generation=2)),
                ("MODIFIED", an_object(plural, "12", generation=3, **deleted)),
                ("DELETED", an_object(plural, "13", generation=3, **deleted)),
            ):
                await response.write(json.dumps({"type": type_, "object": body}).encode() + b"\n")
        await asyncio.Event().wait()
        return response


@asynccontextmanager
async def served(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], directory: Path
) -> AsyncIterator[Path]:
    """Have all requests answered inside the block; yields the kubeconfig, which lies in ``directory``."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://{host}:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    yield kubeconfig
    await runner.cleanup()
