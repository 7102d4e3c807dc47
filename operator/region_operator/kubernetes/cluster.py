"""One cluster's API server, as the reconciles see it: live reads, and writes that are ours, guarded and sparse."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from region_operator import naming
from region_operator.errors import Conflict, InvalidInput, Refused
from region_operator.kubernetes.answers import NotFound
from region_operator.kubernetes.connection import Call, Connection
from region_operator.kubernetes.kinds import NAMESPACE, SERVICE, Kind, Manifest, kind_of
from region_operator.kubernetes.pages import list_pages
from region_operator.kubernetes.written import Written

_APPLY: Final = "application/apply-patch+yaml"
_JSON_PATCH: Final = "application/json-patch+json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_OWNER_LABELS: Final = (naming.LABEL_HUB, naming.LABEL_REGION_NAMESPACE, naming.LABEL_REGION_NAME)


class Cluster:
    """The door to one API server.

    Every call ends within 10 s. Errors are those of ``region_operator.errors``: ``Unavailable`` (no usable answer),
    ``Conflict`` (read again), ``Refused``, ``InvalidInput`` (the API server rejects a value).

    Args:
        name: names the failure domain: bulkhead, metrics, logs.
        may_write: asked before each write; a leader that cannot prove its Lease must not write.
    """

    def __init__(self, name: str, connection: Connection, *, may_write: Callable[[], bool]) -> None:
        self.name, self.connection = name, connection
        self._may_write = may_write
        self._written = Written()

    # --- reading -------------------------------------------------------------------------------------------------

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """The object as it is now, or None."""
        try:
            return await self.connection.call(Call("GET", kind.path(namespace, name)))
        except NotFound:
            return None

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """All objects of a kind, in one namespace or everywhere, that carry ``labels``."""
        selector = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        return (await list_pages(self.connection, Call("GET", kind.path(namespace), query=selector), kind))[0]

    async def identity(self) -> str:
        """The uid of namespace ``kube-system``: tells one cluster from another."""
        found = await self.get(NAMESPACE, None, "kube-system")
        if found is None:
            raise Refused(reason="ClusterUnidentified", message=f"cluster {self.name} has no namespace kube-system")
        return str(found["metadata"]["uid"])

    def is_own_write(self, uid: str, resource_version: str) -> bool:
        """Whether this version of the object came of our own last write, so an event about it tells us nothing."""
        return self._written.is_last(uid, resource_version)

    def is_applied(self, manifest: Manifest, resource_version: str) -> bool:
        """Whether an object at this version is known to be as ``manifest`` says, from what we applied or found."""
        return self._written.is_applied_at(manifest, resource_version)

    # --- writing -------------------------------------------------------------------------------------------------

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object that must not exist yet.

        Raises:
            Conflict: it exists.
        """
        kind, namespace, _ = _address(manifest)
        query = {"fieldManager": naming.FIELD_MANAGER}
        return await self._write(Call("POST", kind.path(namespace), query=query, body=manifest), namespace=namespace)

    async def apply(self, manifest: Manifest, *, uid: str | None = None, live: Manifest | None = None) -> Manifest:
        """Make the object be as ``manifest`` says, by server-side apply; no call is made when it already is.

        Args:
            manifest: all the fields we own, with the labels that say whose object it is.
            uid: of the object that was seen; None when none was, then an existing one must carry our labels.
            live: the object if the caller has just read it, which spares a read.

        Raises:
            Refused: ``NameCollision``: somebody else's object has this name.
            Conflict: the object seen is gone, or is another one by now.
        """
        kind, namespace, name = _address(manifest)
        live = live or await self.get(kind, namespace, name)
        expected = uid or _adopted_uid(manifest, live, name)
        if expected is not None and (live is None or live["metadata"]["uid"] != expected):
            self._written.forget(kind, namespace, name)
            raise Conflict(f"{kind.kind} {name}: the object with uid {expected} is gone")
        if live is not None and self._written.is_applied(manifest, live):
            return live
        if live is not None and expected is not None and _has_other_ports(manifest, live):
            await self.merge_patch(kind, namespace, name, {"spec": {"ports": manifest["spec"]["ports"]}}, uid=expected)
        body = manifest if expected is None else _with_metadata(manifest, uid=expected)
        query = {"fieldManager": naming.FIELD_MANAGER, "force": "true"}
        call = Call("PATCH", kind.path(namespace, name), query=query, body=body, content_type=_APPLY)
        result = await self._write(call, namespace=namespace)
        self._written.applied(manifest, result)
        return result

    async def patch_status(
        self, kind: Kind, namespace: str, name: str, status: Manifest, *, resource_version: str | None = None
    ) -> Manifest:
        """Replace the whole status.

        Raises:
            Conflict: the object is gone, or is not at ``resource_version`` any more.
        """
        operations = [{"op": "add", "path": "/status", "value": status}]
        path = kind.path(namespace, name, "status")
        return await self._json_patch(path, operations, resource_version=resource_version)

    async def json_patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        operations: Iterable[Mapping[str, Any]],
        *,
        resource_version: str | None,
    ) -> Manifest:
        """Edit an object, if it is still at ``resource_version``.

        Raises:
            Conflict: the object is gone or has changed.
        """
        return await self._json_patch(kind.path(namespace, name), operations, resource_version=resource_version)

    async def merge_patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Mapping[str, Any],
        *,
        uid: str,
        resource_version: str = "",
    ) -> Manifest:
        """Change some fields of the object with this uid (null removes one), if it is still at ``resource_version``.

        Raises:
            Conflict: the object is gone, is another one, or has changed.
        """
        precondition = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        patch = {**body, "metadata": {**body.get("metadata", {}), **precondition}}
        query = {"fieldManager": naming.FIELD_MANAGER}
        call = Call("PATCH", kind.path(namespace, name), query=query, body=patch, content_type=_MERGE_PATCH)
        try:
            return await self._write(call)
        except NotFound as error:
            raise Conflict(str(error)) from error

    async def delete(
        self, kind: Kind, namespace: str | None, name: str, *, uid: str, propagation: str = "Background"
    ) -> None:
        """Delete the object with this uid; one that is gone already is fine.

        Raises:
            Conflict: another object has this name by now.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": propagation,
        }
        self._written.forget(kind, namespace, name)
        self._guard("DELETE")
        try:
            await self.connection.call(Call("DELETE", kind.path(namespace, name), body=options))
        except NotFound:
            return

    async def close(self) -> None:
        await self.connection.close()

    # --- inside --------------------------------------------------------------------------------------------------

    async def _json_patch(
        self, path: str, operations: Iterable[Mapping[str, Any]], *, resource_version: str | None
    ) -> Manifest:
        body = [dict(operation) for operation in operations]
        if resource_version is not None:
            # Writing the version, unlike testing it, is refused with 409; a failed test is a 422 like any bad value.
            body.append({"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version})
        query = {"fieldManager": naming.FIELD_MANAGER}
        try:
            return await self._write(Call("PATCH", path, query=query, body=body, content_type=_JSON_PATCH))
        except NotFound as error:
            raise Conflict(str(error)) from error

    async def _write(self, call: Call, *, namespace: str | None = None) -> Manifest:
        self._guard(str(call))
        try:
            result = await self.connection.call(call)
        except NotFound as error:
            if namespace is None:
                raise
            raise InvalidInput(
                field="namespace",
                problem=f"{namespace} does not exist in cluster {self.name}",
                remedy="create it",
                reason="NamespaceMissing",
            ) from error
        self._written.wrote(result)
        return result

    def _guard(self, what: str) -> None:
        if not self._may_write():
            raise Refused(reason="NotLeader", message=f"{what}: not sent, the Lease was not renewed in time")


def _address(manifest: Manifest) -> tuple[Kind, str | None, str]:
    kind, metadata = kind_of(manifest), manifest["metadata"]
    return kind, metadata.get("namespace") if kind.namespaced else None, metadata.get("name") or ""


def _adopted_uid(manifest: Manifest, live: Manifest | None, name: str) -> str | None:
    """The uid of an object found where we meant to make one, if it is ours."""
    if live is None:
        return None
    ours, theirs = manifest["metadata"].get("labels") or {}, live["metadata"].get("labels") or {}
    if not any(label in ours for label in _OWNER_LABELS) or any(
        ours.get(label) != theirs.get(label) for label in _OWNER_LABELS
    ):
        message = f"{manifest['kind']} {name} exists and does not belong to this Region"
        raise Refused(reason="NameCollision", message=message)
    return str(live["metadata"]["uid"])


def _has_other_ports(manifest: Manifest, live: Manifest) -> bool:
    """Whether a Service has ports that we did not give it.

    Lists are merged by key, here the number: beside a port that somebody renumbered ours would be a second one of the
    same name, which is refused.
    """
    if kind_of(manifest) != SERVICE:
        return False
    ours, theirs = ({port["port"] for port in body["spec"].get("ports") or ()} for body in (manifest, live))
    return bool(theirs - ours)


def _with_metadata(manifest: Manifest, **fields: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], **fields}}
