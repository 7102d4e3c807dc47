"""The kind Region, status: what the operator observed; losing it is harmless."""

from typing import Annotated, Literal

from pydantic import Field

from region_operator.api.common import Int32, Int64, LongText, ShortText, Text, Timestamp
from region_operator.api.conditions import Conditions
from region_operator.api.schema import Manifest, listed

Fingerprints = Annotated[tuple[ShortText, ...], Field(max_length=8)]


class ClaimStatus(Manifest):
    """Copy of the claim that the region itself holds."""

    hub: ShortText = Field(description="Hub that may command the region: uid of its namespace kube-system.")
    epoch: Int64 = Field(description="Term of the hub's leader that claimed it.")


class PlacementStatus(Manifest):
    """Where the region really runs."""

    cluster: ShortText = Field(default="", description="Cluster: uid of its namespace kube-system.")
    namespace: ShortText = Field(default="", description="Namespace in that cluster.")


class DatabaseStatus(Manifest):
    """The database as observed."""

    image: Annotated[str, Field(max_length=512)] = Field(
        default="", description="Image that a managed server is held at."
    )
    version: ShortText = Field(default="", description="Version that the server answers.")
    endpoint: Text = Field(default="", description="host:port of the server.")
    storage_size: ShortText = Field(default="", description="Capacity of the volume.")
    secret_name: ShortText = Field(default="", description="Secret with the generated passwords.")
    required_grants: LongText = Field(
        default="", description="SQL that an administrator must run, when there are no admin credentials."
    )


class ManagementServerStatus(Manifest):
    """The management servers as observed."""

    endpoint: Text = Field(default="", description="Address that other regions and browsers are told.")
    version: ShortText = Field(default="", description="Version that the servers answer.")
    replicas: Int32 | None = Field(default=None, description="Servers asked for.")
    ready_replicas: Int32 | None = Field(default=None, description="Servers that are ready.")
    sign_on_key_fingerprint: ShortText = Field(default="", description="Key that signs sign-on tokens, by its hash.")


class AgentConfigurationStatus(Manifest):
    """Which configuration the agent works with."""

    etag: ShortText = Field(default="", description="Document that the agent acknowledged, by its hash.")
    state: Literal["Applied", "Pending", "Refused"] = Field(
        default="Pending", description="Whether that is the document of this generation; Refused: see AgentReady."
    )


class AgentStatus(Manifest):
    """The agent as observed."""

    endpoint: Text = Field(default="", description="Address of its API.")
    version: ShortText = Field(default="", description="Version of the program.")
    api_versions: Annotated[tuple[ShortText, ...], Field(max_length=8)] = Field(
        default=(), description="Versions of its API.", json_schema_extra=listed("atomic")
    )
    schema_version: Int32 | None = Field(default=None, description="Version of schema region_sync.")
    incarnation: ShortText = Field(default="", description="Present incarnation of the region's history; a copy.")
    incarnations: Int32 | None = Field(default=None, description="How many incarnations there were.")
    configuration: AgentConfigurationStatus | None = Field(default=None, description="Its configuration.")


class CertificatesStatus(Manifest):
    """The region's certificates."""

    not_after: Timestamp | None = Field(default=None, description="When the agent's certificate ends.")
    ca_fingerprints: Fingerprints = Field(
        default=(), description="Authorities that the agent trusts.", json_schema_extra=listed("atomic")
    )
    rotation: Literal["None", "Distributing", "Reissuing", "Dropping"] = Field(
        default="None", description="Phase of a rotation of the fleet's authority."
    )


class PeersStatus(Manifest):
    """The region's links, counted."""

    summary: ShortText = Field(default="", description="connected/configured, for people.")
    configured: Int32 = Field(default=0, description="Links that RegionPeerings declare.")
    connected: Int32 = Field(default=0, description="Links of those that are connected.")
    unmanaged: Annotated[tuple[ShortText, ...], Field(max_length=64)] = Field(
        default=(),
        description="Links, by peering uid, that the agent holds and no RegionPeering declares.",
        json_schema_extra=listed("atomic"),
    )


class RetainedObject(Manifest):
    """Something that teardown leaves or left."""

    kind: ShortText = Field(description="Kind of the object.")
    name: ShortText = Field(description="Name of the object.")


class RegionStatus(Manifest):
    """What was observed; rebuilt at any time."""

    observed_generation: Int64 | None = Field(default=None, description="Generation of the spec that this is about.")
    last_handled_reconcile_at: ShortText = Field(
        default="", description="Echo of annotation region-operator.io/reconcile-requested-at."
    )
    conditions: Conditions = Field(default=(), description="What holds, and why.")
    claim: ClaimStatus | None = Field(default=None, description="Who may command the region.")
    placement: PlacementStatus | None = Field(default=None, description="Where the region really runs.")
    database: DatabaseStatus | None = Field(default=None, description="The database as observed.")
    management_server: ManagementServerStatus | None = Field(default=None, description="The servers as observed.")
    agent: AgentStatus | None = Field(default=None, description="The agent as observed.")
    certificates: CertificatesStatus | None = Field(default=None, description="The region's certificates.")
    peers: PeersStatus | None = Field(default=None, description="The region's links, counted.")
    retained: Annotated[tuple[RetainedObject, ...], Field(max_length=20)] = Field(
        default=(), description="What teardown leaves or left.", json_schema_extra=listed("atomic")
    )
