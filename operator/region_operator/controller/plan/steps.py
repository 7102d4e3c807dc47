"""What a plan is made of: every act that the executor knows, as frozen values, in the order they are to be done.

The executor does them in order and stops at the first that fails; a plan holds only what may be done now, so there is
nothing to skip. ``Wait`` does nothing: it is the plan's reason why something is not there yet, for the conditions.
Every step is idempotent or guarded (uid, resourceVersion, create-only): a plan may be cut off anywhere and made anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from region_operator.api.agent import ConfigurationDocument
from region_operator.controller.facts import ObjectRef

Manifest: TypeAlias = dict[str, Any]
Where: TypeAlias = Literal["hub", "placement"]
Stage: TypeAlias = Literal[
    "finalizer", "placement", "claim", "secrets", "certificates", "network", "database", "prepare", "workloads",
    "configuration", "teardown",
]  # fmt: skip


def reference(manifest: Manifest) -> ObjectRef:
    """What names the object that ``manifest`` describes."""
    meta = manifest["metadata"]
    return ObjectRef(kind=manifest["kind"], namespace=meta["namespace"], name=meta["name"])


@dataclass(frozen=True)
class Apply:
    """Server-side apply. Without ``metadata.uid`` in the manifest a live GET comes first (NameCollision, rule 6).

    ``seen`` is the resourceVersion that planning saw: what we applied, and is still at it, needs no call at all.
    """

    manifest: Manifest = field(repr=False)
    where: Where = "placement"
    seen: str = field(default="", repr=False, compare=False)

    @property
    def ref(self) -> ObjectRef:
        return reference(self.manifest)


@dataclass(frozen=True)
class CreateOnly:
    """POST; an object of that name with our labels is success and stays as it is, one without is NameCollision."""

    manifest: Manifest = field(repr=False)
    where: Where = "placement"

    @property
    def ref(self) -> ObjectRef:
        return reference(self.manifest)


@dataclass(frozen=True)
class Patch:
    """JSON merge patch of an object known by uid; ``body`` may hold secret values."""

    ref: ObjectRef
    uid: str
    body: Mapping[str, Any] = field(repr=False)
    resource_version: str = ""  # "" = whatever it is now
    where: Where = "placement"


@dataclass(frozen=True)
class Delete:
    """DELETE with a uid precondition, foreground; not found is success."""

    ref: ObjectRef
    uid: str
    where: Where = "placement"


@dataclass(frozen=True)
class PatchVolumeClaim:
    """Ask for a larger volume (rule 22); the StatefulSet is re-made by the steps after it."""

    ref: ObjectRef
    uid: str
    size: str


@dataclass(frozen=True)
class OrphanDelete:
    """DELETE with propagationPolicy Orphan and a uid precondition: the Pod goes on running."""

    ref: ObjectRef
    uid: str


@dataclass(frozen=True)
class CertificateRequest:
    """What a leaf certificate must say; keys, serial numbers and time are the issuer's."""

    common_name: str
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    server: bool = True
    client: bool = False


@dataclass(frozen=True)
class IssueCertificate:
    """Make a key and a leaf, and write them into a Secret beside ``ca.crt`` = ``trust``.

    ``uid`` is that of the Secret to be changed, "" to create it. The signer is the fleet's CA; its key is read by the
    executor from ``ca_secret`` in the hub and kept nowhere.
    """

    secret: Manifest = field(repr=False)  # metadata and type; without data
    request: CertificateRequest
    ca_secret: ObjectRef
    trust: tuple[str, ...]  # PEM of every CA that the holder accepts
    uid: str = ""
    note: str = ""  # why now
    where: Where = "placement"

    @property
    def ref(self) -> ObjectRef:
        return reference(self.secret)


@dataclass(frozen=True)
class CreateFleetSecret:
    """Make the fleet's CA: certificate, key, fleet uid, digest key; create-only, in the hub."""

    secret: Manifest = field(repr=False)  # metadata and type; without data


@dataclass(frozen=True)
class IssueNextAuthority:
    """Begin a rotation: a fresh CA into ``next-ca.crt`` and ``next-ca.key`` of the fleet's Secret, with annotations."""

    ref: ObjectRef
    uid: str
    resource_version: str
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class JsonPatch:
    """JSON patch guarded by ``resource_version``; moves keys of a Secret whose values nobody has to read."""

    ref: ObjectRef
    uid: str
    resource_version: str
    operations: tuple[Mapping[str, str], ...]
    where: Where = "placement"


@dataclass(frozen=True)
class PushConfiguration:
    """PUT the document to the Region's agent."""

    document: ConfigurationDocument
    if_match: str  # etag the agent acknowledged last, "" for none


@dataclass(frozen=True)
class AddFinalizer:
    """Our finalizer, before anything is made elsewhere."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """The last step of a teardown."""


@dataclass(frozen=True)
class Warn:
    """An Event of type Warning on the Region."""

    reason: str
    message: str


@dataclass(frozen=True)
class Wait:
    """Why something is not done (for now): ``condition`` is the type that must say so."""

    condition: str
    reason: str
    message: str
    stalled: bool = False  # only an edit or another object can help
    unknown: bool = False  # it could not be looked at: the condition is Unknown, not False
    gate: bool = True  # the plan ends here; else it is told and the plan goes on


Step: TypeAlias = (
    Apply | CreateOnly | Patch | Delete | PatchVolumeClaim | OrphanDelete | IssueCertificate | CreateFleetSecret
    | IssueNextAuthority | JsonPatch | PushConfiguration | AddFinalizer | RemoveFinalizer | Warn | Wait
)  # fmt: skip


@dataclass(frozen=True)
class RegionPlan:
    """Steps by stage, in order."""

    steps: tuple[tuple[Stage, Step], ...] = ()

    @property
    def waits(self) -> tuple[Wait, ...]:
        return tuple(step for _, step in self.steps if isinstance(step, Wait))

    @property
    def acts(self) -> tuple[Step, ...]:
        """What there is to do."""
        return tuple(step for _, step in self.steps if not isinstance(step, Wait))
