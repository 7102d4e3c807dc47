"""The kind Region, its database: one that the operator runs, or one that somebody else runs."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from region_operator import naming
from region_operator.api.common import (
    CaSecretRef,
    Host,
    Image,
    LocalRef,
    Port,
    ResourceRequirements,
    Scheduling,
    SizeQuantity,
)
from region_operator.api.schema import Cel, Manifest
from region_operator.api.server_settings import ServerSettings


class Storage(Manifest):
    """Volume of a managed database."""

    size: Annotated[
        SizeQuantity, Cel("quantity(self).compareTo(quantity(oldSelf)) >= 0", "size may grow, never shrink")
    ] = Field(description="Size of the volume; it may grow, never shrink.")
    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        default=None, description="StorageClass of the volume; default the cluster's. Immutable."
    )

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "has(self.storageClassName) == has(oldSelf.storageClassName) && "
            "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
            "storageClassName is immutable",
        ),
    )


class ManagedDatabase(Manifest):
    """A MariaDB that the operator runs."""

    image: Image = Field(
        default="",
        description="Image of the server; default the operator's, then held at status.database.image until set here.",
    )
    storage: Storage = Field(description="The volume.")
    settings: ServerSettings | None = Field(
        default=None,
        description="Server variables for my.cnf. Those that load code, move files or loosen TLS are refused.",
    )
    resources: ResourceRequirements | None = Field(default=None, description="CPU and memory of the server.")
    scheduling: Scheduling | None = Field(default=None, description="Where the server may run.")
    disruption: Literal["Allow", "Block"] = Field(
        default="Allow", description="Whether drains may evict the one replica; Block makes a PodDisruptionBudget."
    )


class DatabaseTls(Manifest):
    """How the server of an external database is verified."""

    mode: Literal["VerifyIdentity", "VerifyCA", "Disabled"] = Field(
        default="VerifyIdentity", description="VerifyIdentity checks authority and name, VerifyCA the authority only."
    )
    ca_secret_ref: CaSecretRef | None = Field(
        default=None, description="Authorities that the server's certificate is checked against; default the system's."
    )


class ExternalDatabase(Manifest):
    """A MariaDB that somebody else runs."""

    host: Host = Field(description="Name or address of the server.", min_length=1)
    port: Port = Field(default=naming.DATABASE_PORT, description="Port of the server.")
    database: Annotated[str, Field(max_length=63, pattern=r"^[a-z][a-z0-9_]{0,62}$")] = Field(
        default=naming.BUSINESS_SCHEMA, description="Schema that holds the cloud's tables."
    )
    credentials_secret_ref: LocalRef = Field(description="Secret with keys username and password of the agent's user.")
    admin_credentials_secret_ref: LocalRef | None = Field(
        default=None,
        description="Secret with keys username and password that may create schema, users and triggers; absent: the "
        "SQL to run is shown in status.database.requiredGrants and awaited.",
    )
    tls: DatabaseTls = Field(default_factory=DatabaseTls, description="How the server is verified.")


class Database(Manifest):
    """The region's database: exactly one of managed and external."""

    managed: ManagedDatabase | None = Field(default=None, description="A MariaDB that the operator runs.")
    external: ExternalDatabase | None = Field(default=None, description="A MariaDB that somebody else runs.")

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "has(self.managed) != has(self.external)",
            "exactly one of managed and external is required",
            lambda database: (database.managed is None) != (database.external is None),
        ),
        Cel(
            "has(self.managed) == has(oldSelf.managed)",
            "managed and external may not be exchanged: make a new Region and peer it",
        ),
    )
