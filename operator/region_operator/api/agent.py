"""The control API of the agent (OPERATOR.md 16): the document an operator sends and the status an agent answers.

Both sides import this module; unknown fields are ignored, so operator N works with agents N-1 to N+1.
Python names are snake_case, the wire is camelCase. Times are RFC 3339 strings of the agent's clock and are for people;
everything that is decided on is an age in milliseconds by the agent's monotonic clock.

    PUT /v1/configuration   If-Match: <etag or "">   -> 200 Acknowledgement
                                                        409 Refusal (ClaimedByAnotherHub, StaleEpoch,
                                                                     PeeringWasLeft, HubRewound)
                                                        412 Refusal (EtagMismatch; body carries the present etag)
                                                        422 Refusal (pointer, reason, message)
    GET /v1/configuration   -> 200 Acknowledgement with the stored document's etag and sources
    GET /v1/status?etag=X&wait=S -> 200 AgentStatus, at once if its etag differs from X, else after at most S (30) s

Etags travel as they are, without quotes; an agent accepts them quoted too. The etag of a status covers what a human
would call a change (states, reasons, acknowledgements), not its ages and counters.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

API_VERSIONS = ("v1",)

LinkState = Literal["Connecting", "Copying", "CatchingUp", "Streaming", "Broken", "Suspended", "Unknown"]
LinkReason = Literal[
    "Connected",
    "NotYetConnected",
    "ProbeTimeout",
    "ConnectionRefused",
    "TLSFailed",
    "AuthFailed",
    "PeerRefused",
    "ApplyFailed",
    "Suspended",
]
RuleName = Literal["MostRestrictive", "RegionPriority", "HighestVersion", "Max", "Min", "Manual"]


class Wire(BaseModel):
    """Base of everything that travels between programs."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class Claim(Wire):
    """Who may command a region: a hub, by the uid of its kube-system namespace, in a term."""

    hub: str
    region: str  # namespace/name of the Region in the hub
    epoch: int
    take_over_from: str = (
        ""  # the hub whose claim ends; obeyed only if it is the present holder and the epoch is higher
    )


class Source(Wire):
    """An object the document was built from; the agent remembers the highest generation of each uid."""

    kind: Literal["Region", "RegionPeering", "SyncPolicy"]
    namespace: str
    name: str
    uid: str
    generation: int
    accept_rewind: int = 0
    """A person says: take ``generation`` although you know up to this one; 0 = nobody did. The agent keeps it not."""


class FieldRule(Wire):
    name: str
    rule: RuleName


class EntityRules(Wire):
    name: str
    mode: Literal["Sync", "Off"] = "Sync"
    rule: RuleName | None = None
    delete_rule: Literal["DeleteWins", "UpdateWins"] | None = None
    unique_clash: Literal["Park", "Rename", "Adopt"] | None = None
    accept_from: list[int] | None = None
    fields: list[FieldRule] = Field(default_factory=list)


class Rules(Wire):
    """How conflicts of this region's rows are settled; ``hash`` identifies the set and is reported back."""

    hash: str
    rule: RuleName = "HighestVersion"
    delete_rule: Literal["DeleteWins", "UpdateWins"] = "DeleteWins"
    unique_clash: Literal["Park", "Rename", "Adopt"] = "Park"
    region_priority: list[int] = Field(default_factory=list)
    retention_days: int = 90
    entities: list[EntityRules] = Field(default_factory=list)


class LinkLimits(Wire):
    batch_rows: int = 2000
    batch_kilobytes: int = 1024
    max_kilobytes_per_second: int = 0  # 0 = unlimited
    parking_retry_max_seconds: int = 300
    parking_dead_letter_after_seconds: int = 86400
    parking_max_rows: int = 100_000


class Peer(Wire):
    """The other end of a link."""

    id: int  # region id
    name: str
    url: str  # https://host:port of its agent
    server_name: str  # TLS name to verify, see naming.agent_server_name
    certificate_fingerprint: str = ""  # "sha256:<hex>" of its leaf; empty = any leaf of the CA with its SAN
    management_endpoint: str  # what addRegion tells our management server


class Link(Wire):
    """One peering as this agent sees it: we pull from ``peer`` and serve it our feed.

    ``Leaving`` is the only thing that removes a link; a link that is merely not mentioned stays (OPERATOR.md 8).
    With ``Plan`` nothing is pulled, served or registered: a dry run of the join is worked out with the peer.
    """

    peering_uid: str
    peer: Peer
    state: Literal["Active", "Suspended", "Plan", "Leaving"] = "Active"
    plan_token: str = ""  # of Plan: work it out anew for another token; "" = only answer the peer, who does
    wired: bool = True  # of Leaving: False = it was never more than planned, so there is nothing to undo
    drain_timeout_seconds: int = 600  # of Leaving: how long to wait for the last changes of both sides; 0 = leave now
    link: LinkLimits = Field(default_factory=LinkLimits)


class RegionIdentity(Wire):
    id: int
    name: str
    management_endpoint: str


class ConfigurationDocument(Wire):
    claim: Claim
    sources: list[Source]
    requires: list[str] = Field(default_factory=list)  # features; one the agent does not know is refused
    region: RegionIdentity
    rules: Rules
    links: list[Link] = Field(default_factory=list)
    trust: list[str] = Field(default_factory=list)  # PEM of CAs that peers may present, the old one too while rotating
    sign_on_keys: list[str] = Field(default_factory=list)


def document_etag(document: Mapping[str, Any]) -> str:
    """Return the etag of a document in its wire form (``model_dump(mode="json", by_alias=True)``).

    It is taken over the JSON as it travelled, unknown fields included, so an operator that is newer than the agent
    gets the etag it computed itself and does not push again for ever.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Acknowledgement(Wire):
    etag: str  # "sha256:<hex>" of the stored document; "" when none is stored
    sources: list[Source]


class Refusal(Wire):
    reason: str  # CamelCase constant
    message: str
    pointer: str = ""  # JSON pointer into the document
    etag: str = ""


class CopyProgress(Wire):
    rows: int
    total_rows: int
    rows_per_second: float
    eta_seconds: int | None = None


class PlannedAmount(Wire):
    rows: int
    size: int  # bytes


class PlanReport(Wire):
    """What a join would do; ``sent`` are rows that the peer does not hold, or holds otherwise."""

    token: str
    computed_at: str
    sent: PlannedAmount
    received: PlannedAmount
    equal: int
    concurrent: int
    unique_clashes: int
    reused_keys: int
    estimated_seconds: int


class LinkStatus(Wire):
    """The direction peer -> this region. Ages grow between polls; the operator adds the age of the answer itself."""

    peering_uid: str
    peer_id: int
    state: LinkState
    reason: LinkReason
    message: str = ""
    since: str
    contact_age_ms: int | None = None  # since the last good answer of the peer; None = never
    bad_age_ms: int | None = None  # since the first failure of the present streak; None = the last contact was good
    good_age_ms: int | None = None  # since the first success of the present streak
    lag_ms: int | None = None  # age, by the source's clock, of its oldest change we have not applied; 0 = idle
    pending_changes: int | None = None  # head of the source minus our cursor
    rtt_ms: float | None = None
    cursor: str = ""
    copy_progress: CopyProgress | None = None
    registered: bool | None = None  # our management server lists the peer's region; None = not known
    registered_message: str = ""
    peer_database_key_fingerprint: str = ""
    peer_rules_hash: str = ""
    open_conflicts: int = 0
    unique_clashes: int = 0
    parked: int = 0
    dead_lettered: int = 0
    plan: PlanReport | None = None
    throttled: bool = False  # more is there, and maxKilobytesPerSecond is what it waits for
    unwiring: bool = False  # of Leaving: all is exchanged, and our management server has to forget the peer's region


class ManagementStatus(Wire):
    reachable: bool | None = None
    reason: str = ""
    message: str = ""
    version: str = ""
    regions: list[int] = Field(default_factory=list)  # ids it lists
    own_region_listed: bool | None = None


class CertificateStatus(Wire):
    serial: str = ""
    not_after: str = ""
    ca_fingerprints: list[str] = Field(default_factory=list)  # what this agent trusts now


class EntityStatus(Wire):
    """An entity with which something is the matter in this region; one of which nothing is said is exchanged whole."""

    entity: str
    reason: str  # CamelCase constant: TableMissing, ColumnMissing, ReferenceHeldBack, KeyMissing, ColumnAdded, ...
    message: str  # what, and what to do
    held_back: bool = True  # False: it is exchanged, but not all of it or not for long


class AgentStatus(Wire):
    etag: str
    version: str
    api_versions: list[str]
    features: list[str] = Field(default_factory=list)  # what a document may require; "scans": grants are taken
    schema_version: int
    region_id: int
    incarnation: str
    incarnations: int
    history_intact: Literal["Continuous", "Restored", "ForgedVersion"] = "Continuous"
    claim: Claim | None = None
    configuration_etag: str = ""
    sources: list[Source] = Field(default_factory=list)
    rules_hash: str = ""
    rules: Rules | None = None  # of the document it holds: an operator whose SyncPolicy is missing sends them again
    database_reachable: bool = True
    database_message: str = ""  # why it is not reachable, or not usable (not prepared yet)
    database_version: str = ""
    database_key_fingerprint: str = ""
    management: ManagementStatus = Field(default_factory=ManagementStatus)
    certificate: CertificateStatus = Field(default_factory=CertificateStatus)
    entities: list[EntityStatus] = Field(default_factory=list)
    links: list[LinkStatus] = Field(default_factory=list)
    left_peerings: list[str] = Field(default_factory=list)  # uids whose leave is complete here
