"""Are the CustomResourceDefinitions in the cluster those of this version? An operator says so when they are not.

Helm and GitOps tools often leave definitions behind when they upgrade an operator; the API server then drops the fields
it does not know from what we write, without a word (OPERATOR.md 25).
"""

import logging
from typing import Final

from region_operator import naming
from region_operator.api import crds
from region_operator.errors import RegionOperatorError
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster

log = logging.getLogger(__name__)

_REMEDY: Final = "apply the definitions of this version (helm upgrade with crds.install, or kubectl apply -f crds/)"


async def outdated_definitions(hub: Cluster) -> tuple[str, ...]:
    """Names of our definitions that are not of this version; each is logged, with what to do."""
    found = []
    for kind in crds.KINDS:
        name = f"{kind.plural}.{naming.GROUP}"
        try:
            body = await hub.get(kinds.CUSTOM_RESOURCE_DEFINITION, None, name)
        except RegionOperatorError as error:
            log.warning("definition %s could not be looked at: %s", name, error)
            continue
        annotations = (body or {}).get("metadata", {}).get("annotations") or {}
        if annotations.get(naming.ANNOTATION_SCHEMA_HASH) != crds.schema_hash(kind):
            log.error("definition %s is not of this version: %s", name, _REMEDY)
            found.append(name)
    return tuple(found)
