"""The kind Region, spec: one region, where it runs, and what its database, management servers and agent are."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from region_operator import naming
from region_operator.api.common import (
    CaSecretRef,
    DataKey,
    Expose,
    HttpsUrl,
    HttpUrl,
    Image,
    KubeconfigSecretRef,
    LocalRef,
    NamespaceName,
    ObjectName,
    RegionId,
    ResourceRequirements,
    Scheduling,
    SecretKeyRef,
)
from region_operator.api.database import Database
from region_operator.api.region_status import RegionStatus
from region_operator.api.schema import Cel, Manifest, Resource


class DatabaseKeySecretRef(SecretKeyRef):
    """CloudStack's database key, one for the whole fleet."""

    name: ObjectName = Field(
        default=naming.DATABASE_KEY_SECRET, description="Name of the Secret, in the namespace of this object."
    )
    key: DataKey = Field(default="key", description="Key in the Secret.")


class Placement(Manifest):
    """Another namespace, or another cluster, that the region runs in."""

    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace that the region runs in; default the Region's own. One of this cluster must consent by "
        "ConfigMap region-operator-placement. Immutable.",
    )
    kubeconfig_secret_ref: KubeconfigSecretRef | None = Field(
        default=None,
        description="kubeconfig of the cluster that the region runs in; default this one. Its content is reloaded "
        "live; it may not be added or removed.",
    )

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "has(self.__namespace__) == has(oldSelf.__namespace__) && "
            "(!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",
            "namespace is immutable: data does not move; make a new Region and peer it",
        ),
        Cel(
            "has(self.kubeconfigSecretRef) == has(oldSelf.kubeconfigSecretRef)",
            "kubeconfigSecretRef may not be added or removed: data does not move; make a new Region and peer it",
        ),
    )


class ManagedManagementServer(Manifest):
    """Management servers that the operator runs."""

    replicas: Annotated[int, Field(ge=1, le=64, json_schema_extra={"format": "int32"})] = Field(
        default=2, description="How many run side by side."
    )
    image: Image = Field(default="", description="Image of the server; default the operator's.")
    resources: ResourceRequirements | None = Field(default=None, description="CPU and memory of one server.")
    scheduling: Scheduling | None = Field(default=None, description="Where the servers may run.")
    tls_secret_ref: LocalRef | None = Field(
        default=None, description="Secret of type kubernetes.io/tls; with it the API is served by HTTPS."
    )
    expose: Expose = Field(default_factory=Expose, description="How the API is reached.")


class ExternalManagementServer(Manifest):
    """A CloudStack management server that somebody else runs."""

    url: HttpUrl = Field(description="Address of the API, as https://host/client/api; no user information in it.")
    credentials_secret_ref: LocalRef = Field(description="Secret with keys apiKey and secretKey of a root admin.")
    ca_secret_ref: CaSecretRef | None = Field(
        default=None, description="Authorities that the server's certificate is checked against; default the system's."
    )


class ManagementServer(Manifest):
    """The region's management servers: at most one of managed and external; neither means managed with defaults."""

    managed: ManagedManagementServer | None = Field(default=None, description="Servers that the operator runs.")
    external: ExternalManagementServer | None = Field(default=None, description="Servers that somebody else runs.")
    endpoint: HttpUrl | None = Field(
        default=None, description="Address that addRegion tells other regions and browsers; default from expose."
    )

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!(has(self.managed) && has(self.external))",
            "at most one of managed and external is allowed",
            lambda server: server.managed is None or server.external is None,
        ),
    )


class ManagedAgent(Manifest):
    """An agent that the operator runs."""

    expose: Expose = Field(default_factory=Expose, description="How agents of other regions and the operator reach it.")
    image: Image = Field(default="", description="Image of the agent; default the operator's.")
    resources: ResourceRequirements | None = Field(default=None, description="CPU and memory of the agent.")
    scheduling: Scheduling | None = Field(default=None, description="Where the agent may run.")


class ExternalAgent(Manifest):
    """An agent that somebody else runs."""

    url: HttpsUrl = Field(description="Address of its API, as https://host:port.")
    tls_secret_ref: LocalRef = Field(description="Secret with keys ca.crt, tls.crt, tls.key to reach it by mutual TLS.")


class Agent(Manifest):
    """The region's agent: at most one of managed and external; neither means managed with defaults."""

    managed: ManagedAgent | None = Field(default=None, description="An agent that the operator runs.")
    external: ExternalAgent | None = Field(default=None, description="An agent that somebody else runs.")

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!(has(self.managed) && has(self.external))",
            "at most one of managed and external is allowed",
            lambda agent: agent.managed is None or agent.external is None,
        ),
    )


class RegionSpec(Manifest):
    """What the region shall be."""

    id: Annotated[RegionId, Cel("self == oldSelf", "id is immutable: the history of all rows carries it")] = Field(
        description="Number of the region, unique in the fleet; every row's history carries it. Immutable."
    )
    paused: bool = Field(
        default=False, description="The operator changes nothing here, teardown included; data keeps flowing."
    )
    deletion_policy: Literal["Retain", "Delete"] = Field(
        default="Retain", description="What happens to the volume and the generated Secrets when the Region is deleted."
    )
    deletion_protection: bool = Field(default=False, description="DELETE of this Region is refused.")
    policy_ref: LocalRef | None = Field(
        default=None, description="SyncPolicy whose entities and conflicts rule this region's rows; default built-in."
    )
    database_key_secret_ref: DatabaseKeySecretRef = Field(
        default_factory=DatabaseKeySecretRef, description="CloudStack's database key, one for the whole fleet."
    )
    placement: Placement | None = Field(
        default=None, description="Where the region runs; default here, in the Region's own namespace."
    )
    database: Database = Field(description="The region's database.")
    management_server: ManagementServer | None = Field(
        default=None, description="The region's management servers; default managed."
    )
    agent: Agent | None = Field(default=None, description="The region's agent; default managed.")
    network_policies: Literal["Managed", "None"] = Field(
        default="Managed", description="Whether the operator makes NetworkPolicies for the region."
    )

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "has(self.placement) == has(oldSelf.placement)",
            "placement may not be added or removed: data does not move; make a new Region and peer it",
        ),
        Cel(
            "!has(self.agent) || !has(self.agent.external) || has(self.database.external)",
            "agent.external requires database.external",
            lambda spec: spec.external_agent is None or spec.database.external is not None,
        ),
        Cel(
            "!has(self.placement) || !has(self.placement.kubeconfigSecretRef) || (has(self.agent) && "
            "(has(self.agent.external) || (has(self.agent.managed) && has(self.agent.managed.expose) && "
            "self.agent.managed.expose.type != 'ClusterIP')))",
            "agent.managed.expose.type may not be ClusterIP in another cluster: nothing would reach the agent",
            lambda spec: spec.agent_is_reachable(),
        ),
    )

    def agent_is_reachable(self) -> bool:
        """Whether something outside the region's cluster, if it is another one, has an address of the agent."""
        elsewhere = self.placement is not None and self.placement.kubeconfig_secret_ref is not None
        return not elsewhere or self.external_agent is not None or self.managed_agent.expose.type != "ClusterIP"

    @property
    def external_agent(self) -> ExternalAgent | None:
        return self.agent.external if self.agent else None

    @property
    def managed_agent(self) -> ManagedAgent:
        """The managed agent's settings, defaults where nothing is said; meaningless when there is an external one."""
        return (self.agent and self.agent.managed) or ManagedAgent()

    @property
    def external_management_server(self) -> ExternalManagementServer | None:
        return self.management_server.external if self.management_server else None

    @property
    def managed_management_server(self) -> ManagedManagementServer:
        """The managed servers' settings, defaults where nothing is said; meaningless when there are external ones."""
        return (self.management_server and self.management_server.managed) or ManagedManagementServer()


class Region(Resource):
    """One region: its number, its database, its management servers and its agent."""

    spec: RegionSpec = Field(description="What the region shall be.")
    status: RegionStatus = Field(default_factory=RegionStatus, description="What was observed; rebuilt at any time.")

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name must be at most 40 characters of a-z, 0-9 and -, first a letter: other names derive from it",
            lambda region: naming.is_region_name(region.metadata.name),
        ),
    )

    @property
    def placement_namespace(self) -> str:
        """Namespace that the region runs in, in whatever cluster."""
        placement = self.spec.placement
        return (placement and placement.namespace) or self.metadata.namespace
