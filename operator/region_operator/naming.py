"""Every name that more than one module, a manifest or a user relies on; the one place that quotes SQL identifiers.

Names of children derive from the Region's name (at most 40 characters, so the longest child stays below 63).
"""

import re
from typing import Final

from region_operator.errors import InvalidInput

GROUP: Final = "region-operator.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "region-operator"

FIELD_MANAGER: Final = "region-operator"
TEARDOWN_FINALIZER: Final = f"{GROUP}/teardown"
KOPF_UNUSED_FINALIZER: Final = f"{GROUP}/kopf-unused"
"""kopf removes any finalizer of this name when it has only event handlers, so it must not be ours."""

# Labels on every child; there are no owner references (they cannot cross namespaces and clusters).
LABEL_HUB: Final = f"{GROUP}/hub"
LABEL_REGION_NAMESPACE: Final = f"{GROUP}/region-namespace"
LABEL_REGION_NAME: Final = f"{GROUP}/region-name"
LABEL_REGION_ID: Final = f"{GROUP}/region-id"
PART_OF: Final = "region-operator"

# Annotations that users write.
ANNOTATION_RECONCILE: Final = f"{GROUP}/reconcile-requested-at"
ANNOTATION_ABANDON: Final = f"{GROUP}/abandon"
ANNOTATION_TAKE_OVER: Final = f"{GROUP}/take-over"
ANNOTATION_ACCEPT_REWIND: Final = f"{GROUP}/accept-rewind"
ANNOTATION_SCAN: Final = f"{GROUP}/scan-requested-at"

ANNOTATION_SCHEMA_HASH: Final = f"{GROUP}/schema-hash"
"""On our CustomResourceDefinitions: tells an operator that the installed ones are older than itself."""

PLACEMENT_CONSENT_CONFIGMAP: Final = "region-operator-placement"
FLEET_CA_SECRET: Final = "region-operator-ca"  # noqa: S105 - a name, not a secret
OPERATOR_CLIENT_SECRET: Final = "region-operator-client"  # noqa: S105 - a name, not a secret
DATABASE_KEY_SECRET: Final = "cloud-database-key"  # noqa: S105 - a name, not a secret

AGENT_PORT: Final = 8443
MANAGEMENT_PORT: Final = 8080
MANAGEMENT_TLS_PORT: Final = 8443
HEALTH_PORT: Final = 8081
DATABASE_PORT: Final = 3306

BUSINESS_SCHEMA: Final = "cloud"
SYNC_SCHEMA: Final = "region_sync"
DEFINER_ACCOUNT: Final = "region_sync_definer"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,63}\Z")
_REGION_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")


def is_region_name(name: str) -> bool:
    """Whether names of children, TLS names and labels can derive from `name`."""
    return len(name) <= 40 and _REGION_NAME.match(name) is not None


def database(region: str) -> str:
    """Name of the database's StatefulSet, client Service and Secret."""
    return f"{region}-database"


def database_headless(region: str) -> str:
    return f"{region}-database-pods"


def database_volume(region: str) -> str:
    """Name of the only PersistentVolumeClaim: made by the StatefulSet from the template ``data``."""
    return f"data-{region}-database-0"


def database_tls(region: str) -> str:
    return f"{region}-database-tls"


def database_key(region: str) -> str:
    """Name of the Secret with the region's copy of the fleet's database key (key ``key``)."""
    return f"{region}-database-key"


def prepare(region: str) -> str:
    """Name of the Job that makes schema, users and seed rows; a suffix tells runs apart."""
    return f"{region}-prepare"


def management(region: str) -> str:
    """Name of the management server's Deployment and Service."""
    return f"{region}-management"


def management_api(region: str) -> str:
    """Name of the Secret with the API keys by which the agent speaks to its management server."""
    return f"{region}-management-api"


def management_tls(region: str) -> str:
    """Name of the Secret with the management server's certificate: the placement's copy of ``tlsSecretRef``."""
    return f"{region}-management-tls"


def admin(region: str) -> str:
    """Name of the Secret with the first sign-in of the cloud's default admin."""
    return f"{region}-admin"


def agent(region: str) -> str:
    """Name of the agent's Deployment, Service and NetworkPolicy."""
    return f"{region}-agent"


def agent_tls(region: str) -> str:
    return f"{region}-agent-tls"


def claim(region: str) -> str:
    """Name of the ConfigMap that says which hub a placed region belongs to."""
    return f"{region}-claim"


def agent_server_name(region_id: int, fleet_uid: str) -> str:
    """The TLS name of an agent, the same wherever it is reached, so an address may change under it."""
    return f"agent-{region_id}.{fleet_uid}.region-operator.internal"


def spiffe_region(region_id: int, fleet_uid: str) -> str:
    """URI SAN of a region's agent."""
    return f"spiffe://{fleet_uid}/region/{region_id}"


def spiffe_operator(fleet_uid: str) -> str:
    """URI SAN of the operator."""
    return f"spiffe://{fleet_uid}/operator"


def quote_identifier(name: str) -> str:
    """Return ``name`` validated and in backticks, for the places where SQL cannot bind a value.

    Raises:
        InvalidInput: the name is not a plain identifier of 1 to 64 characters.
    """
    if not _IDENTIFIER.match(name):
        raise InvalidInput(
            field="identifier",
            problem=f"{name!r} is not a plain SQL identifier",
            remedy="use letters, digits, _ and $, at most 64, not starting with a digit",
        )
    return f"`{name}`"
