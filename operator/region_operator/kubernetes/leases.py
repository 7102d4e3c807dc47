"""The Lease object as the elector needs it: three short calls, not guarded, because they are what the guard is."""

from typing import Final

from region_operator.errors import RegionOperatorError
from region_operator.kubernetes.answers import NotFound
from region_operator.kubernetes.connection import Call, Connection
from region_operator.kubernetes.kinds import LEASE, Manifest

REQUEST_TIMEOUT_S: Final = 3.0


class LeaseDoor:
    """Reads and writes one Lease; ``replace`` is refused with ``Conflict`` when somebody else wrote since ``read``."""

    def __init__(self, connection: Connection, *, namespace: str, name: str) -> None:
        self._connection, self._namespace, self._name = connection, namespace, name

    async def read(self) -> Manifest | None:
        call = Call("GET", LEASE.path(self._namespace, self._name))
        try:
            return await self._connection.call(call, timeout_s=REQUEST_TIMEOUT_S)
        except NotFound:
            return None

    async def create(self, spec: Manifest) -> Manifest:
        metadata = {"namespace": self._namespace, "name": self._name}
        lease = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
        call = Call("POST", LEASE.path(self._namespace), body=lease)
        return await self._connection.call(call, timeout_s=REQUEST_TIMEOUT_S)

    async def replace(self, lease: Manifest) -> Manifest:
        if not lease["metadata"].get("resourceVersion"):
            raise RegionOperatorError("a Lease is only replaced as it was read")
        call = Call("PUT", LEASE.path(self._namespace, self._name), body=lease)
        return await self._connection.call(call, timeout_s=REQUEST_TIMEOUT_S)
