"""How a program of a region gets at the database: the same environment and mounts for agent, manager and prepare Job.

The Secret of the database has the same name and keys whether we run the server or somebody else does; only host, port
and TLS differ, so no builder needs to know.
"""

from dataclasses import dataclass
from typing import Any, Literal

from region_operator import naming
from region_operator.controller.plan import pods
from region_operator.controller.plan.endpoints import service_host
from region_operator.controller.plan.labels import Site
from region_operator.controller.plan.pods import CONFIGURATION

DatabaseUser = Literal["admin", "agent", "manager"]


@dataclass(frozen=True)
class DatabaseAccess:
    """Where the database is, and how its server is verified; ``has_ca`` = ca.crt is in the Secret for it."""

    host: str
    port: int = naming.DATABASE_PORT
    name: str = naming.BUSINESS_SCHEMA
    tls_mode: Literal["VerifyIdentity", "VerifyCA", "Disabled"] = "VerifyIdentity"
    has_ca: bool = True

    @property
    def endpoint(self) -> str:
        return f"{self.host}:{self.port}"


def managed_access(site: Site) -> DatabaseAccess:
    return DatabaseAccess(host=service_host(naming.database(site.region), site.namespace))


def database_environment(access: DatabaseAccess) -> dict[str, str]:
    environment = {
        "DATABASE_HOST": access.host,
        "DATABASE_PORT": str(access.port),
        "DATABASE_NAME": access.name,
        "DATABASE_TLS_MODE": access.tls_mode,
        "DATABASE_CREDENTIALS_DIRECTORY": f"{CONFIGURATION}/database",
        "DATABASE_KEY_FILE": f"{CONFIGURATION}/database-key/key",
    }
    if access.has_ca:
        environment["DATABASE_CA_FILE"] = f"{CONFIGURATION}/database-ca/ca.crt"
    return environment


def database_volumes(site: Site, access: DatabaseAccess, *, user: DatabaseUser) -> list[dict[str, Any]]:
    volumes = [
        pods.user_volume("database", naming.database(site.region), user),
        pods.secret_volume("database-key", naming.database_key(site.region), {"key": "key"}),
    ]
    if access.has_ca:
        volumes.append(pods.secret_volume("database-ca", naming.database_tls(site.region), {"ca.crt": "ca.crt"}))
    return volumes


def database_mounts(access: DatabaseAccess) -> list[dict[str, Any]]:
    names = ["database", "database-key", *(["database-ca"] if access.has_ca else [])]
    return [pods.mount(name, f"{CONFIGURATION}/{name}") for name in names]
