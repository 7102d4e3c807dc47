"""What a program is told by its environment; read once at start, then passed on as values.

Secrets never come as variables: a variable names a directory that a Secret is mounted at, one file per key.
"""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from region_operator import naming
from region_operator.errors import InvalidInput

Settings = TypeVar("Settings", bound=BaseSettings)


def from_environment(settings: type[Settings]) -> Settings:
    """Read what a program is told.

    Raises:
        InvalidInput: ``InvalidEnvironment``, naming every variable that is missing or wrong.
    """
    try:
        return settings()
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        told = [f"{prefix}{one['loc'][0]}".upper() + f": {one['msg']}" for one in error.errors()]
        raise InvalidInput(
            field="environment",
            problem="; ".join(told),
            remedy="set these variables of the container",
            reason="InvalidEnvironment",
        ) from None


class DatabaseSettings(BaseSettings):
    """How a program of a region reaches the region's MariaDB."""

    model_config = SettingsConfigDict(env_prefix="DATABASE_", frozen=True)

    host: str
    port: int = naming.DATABASE_PORT
    name: str = naming.BUSINESS_SCHEMA
    sync_schema: str = naming.SYNC_SCHEMA
    credentials_directory: Path = Path("/etc/region-operator/database")  # files: username, password
    tls_mode: Literal["VerifyIdentity", "VerifyCA", "Disabled"] = "VerifyIdentity"
    ca_file: Path | None = None
    key_file: Path = Path("/etc/region-operator/database-key/key")  # CloudStack's database key


class AgentSettings(BaseSettings):
    """``region-operator agent``."""

    model_config = SettingsConfigDict(env_prefix="AGENT_", frozen=True)

    region_id: int
    region_name: str
    listen_host: str = "0.0.0.0"  # noqa: S104 - a Pod's address is its boundary
    listen_port: int = naming.AGENT_PORT
    health_port: int = naming.HEALTH_PORT  # /healthz /readyz /metrics, plain HTTP
    tls_directory: Path = Path("/etc/region-operator/tls")  # files: ca.crt, tls.crt, tls.key
    management_url: str  # http(s)://host:port/client/api
    management_credentials_directory: Path = Path("/etc/region-operator/management")  # files: apiKey, secretKey
    management_ca_file: Path | None = None


class ManagerSettings(BaseSettings):
    """``region-operator manager``."""

    model_config = SettingsConfigDict(env_prefix="MANAGER_", frozen=True)

    region_id: int
    listen_host: str = "0.0.0.0"  # noqa: S104 - a Pod's address is its boundary
    listen_port: int = naming.MANAGEMENT_PORT
    health_port: int = naming.HEALTH_PORT
    tls_directory: Path | None = None  # files: tls.crt, tls.key; absent = plain HTTP


class PrepareSettings(BaseSettings):
    """``region-operator agent prepare``: the only program that is given the database's admin."""

    model_config = SettingsConfigDict(env_prefix="PREPARE_", frozen=True)

    region_id: int
    region_name: str
    management_endpoint: str  # own row of table region
    business_schema: Literal["Create", "Expect"] = "Create"  # Expect: a CloudStack made it; we add capture only
    agent_credentials_directory: Path = Path("/etc/region-operator/agent-user")  # username, password
    manager_credentials_directory: Path | None = None  # username, password; absent with an external management server
    admin_credentials_directory: Path | None = None  # username, password of the cloud's default admin
    management_api_directory: Path | None = None  # apiKey, secretKey of the agent at its management server
    database_wait_seconds: float = 20.0  # for a server to come up; a managed one may have to pull its image first
    retire_other_users: bool = False  # lock the other user of each a/b pair; set once all Pods use the new one


class OperatorSettings(BaseSettings):
    """``region-operator run``."""

    model_config = SettingsConfigDict(env_prefix="OPERATOR_", frozen=True)

    namespace: str  # where the operator itself runs: its Lease
    pod_name: str
    watch_namespaces: str = ""  # comma separated; "" = all
    image: str  # of agents and management servers that name none of their own
    mariadb_image: str = "mariadb:10.11"
    resync_seconds: int = 300
    poll_seconds: int = 5  # how often link evidence is looked at between long polls
    health_port: int = naming.HEALTH_PORT
    workers: int = 16
    max_concurrent_scans: int = 4  # full scans of one fleet that run at once
    allow_loopback_clusters: bool = False  # development: kubeconfigs may name loopback and link-local addresses
    log_level: str = "INFO"
