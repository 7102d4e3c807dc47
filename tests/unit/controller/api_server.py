"""An API server small enough to hold in one's head, under the real door of the operator: objects, versions, calls."""

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from region_operator.errors import Conflict, RegionOperatorError
from region_operator.kubernetes.answers import NotFound
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.connection import Call

_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap", "events": "Event"}


@dataclass
class ApiServer:
    """Answers calls from memory; ``fail`` maps a part of "METHOD path" to what is raised instead."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail: dict[str, RegionOperatorError] = field(default_factory=dict)
    leads: bool = True
    _numbers: Any = field(default_factory=lambda: count(1))

    def cluster(self, name: str = "hub") -> Cluster:
        return Cluster(name, self, may_write=lambda: self.leads)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """An object as somebody else made it."""
        stored = deepcopy(body)
        stored["metadata"].setdefault("uid", f"uid-{next(self._numbers)}")
        self._version(stored)
        self.objects[path] = stored
        return stored

    @property
    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith("GET")]

    async def call(self, call: Call) -> dict[str, Any]:
        self.calls.append(str(call))
        for part, error in self.fail.items():
            if part in str(call):
                raise error
        match call.method:
            case "GET":
                return deepcopy(self._found(call.path))
            case "POST":
                path = f"{call.path}/{call.body['metadata']['name']}"
                if path in self.objects:
                    raise Conflict(f"{path} exists")
                return deepcopy(self.put(path, call.body))
            case "PATCH":
                return deepcopy(self._patch(call))
            case _:
                uid = call.body["preconditions"]["uid"]
                if self._found(call.path)["metadata"]["uid"] != uid:
                    raise Conflict("another uid")
                return self.objects.pop(call.path)

    def _found(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            raise NotFound(path)
        return self.objects[path]

    def _patch(self, call: Call) -> dict[str, Any]:
        path, body = call.path.removesuffix("/status"), call.body
        if call.content_type.startswith("application/apply"):
            before = self.objects.get(path)
            changed = _merged(deepcopy(before) if before else {}, body)
            if before is not None and changed == before:
                return before
            return self.put(path, changed)
        stored = deepcopy(self._found(path))
        if call.content_type.startswith("application/merge"):
            wanted = body.get("metadata", {})
            for name in ("uid", "resourceVersion"):
                if wanted.get(name, stored["metadata"][name]) != stored["metadata"][name]:
                    raise Conflict(name)
            stored = _merged(stored, body)
        else:
            _operate(stored, body)
        self.objects[path] = stored
        self._version(stored)
        return stored

    def _version(self, stored: dict[str, Any]) -> None:
        stored["metadata"]["resourceVersion"] = str(next(self._numbers))


def _operate(stored: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        target = stored
        for name in parents:
            target = target[name]
        if last == "resourceVersion" and operation["value"] != target[last]:
            raise Conflict("resourceVersion")
        match operation["op"]:
            case "remove":
                del target[last]
            case "move":
                *_, source = operation["from"].split("/")
                target[last] = target.pop(source)
            case _:
                target[last] = operation["value"]


def _merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            target[name] = _merged(dict(target.get(name) or {}), value)
        else:
            target[name] = value
    return target
