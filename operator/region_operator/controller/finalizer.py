"""Our finalizer, set and removed by us alone, never by kopf (OPERATOR.md 2)."""

from region_operator import naming
from region_operator.api.schema import ObjectMeta
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.kinds import Kind, Manifest


async def set_finalizer(hub: Cluster, kind: Kind, meta: ObjectMeta, *, wanted: bool) -> Manifest:
    """Set or remove it, if the object is still as we read it; returns the object.

    Raises:
        Conflict: the object has changed, or is gone.
    """
    others = [name for name in meta.finalizers if name != naming.TEARDOWN_FINALIZER]
    value = [*others, naming.TEARDOWN_FINALIZER] if wanted else others
    operations = [{"op": "add", "path": "/metadata/finalizers", "value": value}]
    return await hub.json_patch(kind, meta.namespace, meta.name, operations, resource_version=meta.resource_version)
