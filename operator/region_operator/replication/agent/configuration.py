"""What the agent holds of its configuration, and whether it may take another document (OPERATOR.md 8 and 16). Pure.

The operator sends one document; the agent keeps more than that: links that are no longer mentioned, the highest
generation it ever saw of each source, and the peerings that were left. So absence never removes anything, a hub that
was restored from a backup is noticed, and an old document cannot bring a finished peering back.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography import x509
from pydantic import Field, ValidationError

from region_operator.api.agent import (
    Acknowledgement,
    Claim,
    ConfigurationDocument,
    Link,
    Refusal,
    Source,
    Wire,
    document_etag,
)

FEATURES = frozenset({"drain-timeout", "feed", "plan", "registration", "scans", "take-over"})
"""What a document may list in ``requires``, and a status tells."""

EMPTY_ETAG = ""


class Rejected(Exception):
    """The document is not taken; nothing was changed."""

    def __init__(self, status: int, refusal: Refusal) -> None:
        self.status, self.refusal = status, refusal
        super().__init__(f"{status} {refusal.reason}: {refusal.message}")


class _Stored(Wire):
    """Form of ``Held`` in the database."""

    document: dict[str, Any] | None = None
    links: list[Link] = Field(default_factory=list)
    sources: list[Source] = Field(default_factory=list)
    left: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Held:
    """Everything the agent remembers of what operators told it.

    Attributes:
        wire: the document as it travelled, unknown fields included; None before the first one.
        links: by peering uid; also those that the present document does not mention.
        sources: by uid, each with the generation taken last; a lower one is refused.
        left: uids of peerings whose leave is complete.
    """

    wire: Mapping[str, Any] | None = None
    document: ConfigurationDocument | None = None
    etag: str = EMPTY_ETAG
    links: Mapping[str, Link] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    left: frozenset[str] = frozenset()

    @property
    def claim(self) -> Claim | None:
        return self.document.claim if self.document else None

    def acknowledgement(self) -> Acknowledgement:
        return Acknowledgement(etag=self.etag, sources=self.source_list())

    def source_list(self) -> list[Source]:
        return sorted(
            self.sources.values(), key=lambda source: (source.kind, source.namespace, source.name, source.uid)
        )

    def after_leaving(self, peering_uid: str) -> "Held":
        """Return what is held once the link is gone for good."""
        links = {uid: link for uid, link in self.links.items() if uid != peering_uid}
        return replace(self, links=links, left=self.left | {peering_uid})

    def to_json(self) -> str:
        stored = _Stored(
            document=dict(self.wire) if self.wire is not None else None,
            links=[self.links[uid] for uid in sorted(self.links)],
            sources=self.source_list(),
            left=sorted(self.left),
        )
        return stored.model_dump_json(by_alias=True)

    @classmethod
    def from_json(cls, text: str | None) -> "Held":
        if not text:
            return cls()
        stored = _Stored.model_validate_json(text)
        return cls(
            wire=stored.document,
            document=ConfigurationDocument.model_validate(stored.document) if stored.document is not None else None,
            etag=document_etag(stored.document) if stored.document is not None else EMPTY_ETAG,
            links={link.peering_uid: link for link in stored.links},
            sources={source.uid: source for source in stored.sources},
            left=frozenset(stored.left),
        )


def accept(held: Held, body: bytes, *, if_match: str | None, region_id: int) -> Held:
    """Return what is held once the document in ``body`` is taken.

    Raises:
        Rejected: 422 (shape, unknown feature, unusable value), 412 (etag), 409 (claim, epoch, peering that was left,
            hub that was restored).
    """
    wire, document = _parse(body)
    _check_values(document, region_id=region_id)
    _check_claim(held.claim, document.claim)
    _check_left(held, document)
    _check_rewound(held, document)
    if if_match != held.etag:
        raise Rejected(
            412,
            Refusal(
                reason="EtagMismatch",
                message=f"If-Match names {if_match!r}, stored is {held.etag!r}; read again and build again",
                etag=held.etag,
            ),
        )
    etag = document_etag(wire)
    if etag == held.etag:
        return held
    links = {uid: link for uid, link in held.links.items() if uid not in held.left}
    links |= {link.peering_uid: link for link in document.links if link.peering_uid not in held.left}
    return Held(
        wire=wire,
        document=document,
        etag=etag,
        links=links,
        sources=_latest(held.sources, document.sources, links=links),
        left=held.left,
    )


def _parse(body: bytes) -> tuple[dict[str, Any], ConfigurationDocument]:
    try:
        wire = json.loads(body)
    except ValueError as error:
        raise _unusable("", "InvalidJSON", str(error)) from error
    if not isinstance(wire, dict):
        raise _unusable("", "InvalidDocument", "must be an object")
    # Features first: a document from the future may fail in shape as well, and this is the reason that helps.
    requires = wire.get("requires")
    for index, feature in enumerate(requires if isinstance(requires, list) else []):
        if feature not in FEATURES:
            known = ", ".join(sorted(FEATURES))
            raise _unusable(
                f"/requires/{index}",
                "UnknownFeature",
                f"this agent does not know {str(feature)[:64]!r}; it knows {known}",
            )
    try:
        return wire, ConfigurationDocument.model_validate(wire)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _unusable("".join(f"/{part}" for part in first["loc"]), "InvalidDocument", first["msg"]) from error


def _check_values(document: ConfigurationDocument, *, region_id: int) -> None:
    if document.region.id != region_id:
        message = f"this agent serves region {region_id}, not {document.region.id}"
        raise _unusable("/region/id", "RegionIdMismatch", message)
    for index, link in enumerate(document.links):
        at = f"/links/{index}"
        if link.peer.id == region_id:
            raise _unusable(f"{at}/peer/id", "PeerIsSelf", "a region cannot be its own peer")
        if not link.peer.url.startswith("https://"):
            raise _unusable(f"{at}/peer/url", "InvalidDocument", "must be https://host:port")
    _check_unique("/links", "peering uid", (link.peering_uid for link in document.links))
    _check_unique("/links", "peer", (link.peer.id for link in document.links if link.state != "Leaving"))
    for index, pem in enumerate(document.trust):
        try:
            x509.load_pem_x509_certificates(pem.encode())
        except ValueError as error:
            raise _unusable(f"/trust/{index}", "InvalidDocument", "holds no PEM certificate") from error


def _check_unique(pointer: str, what: str, values: Iterable[object]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise _unusable(pointer, "InvalidDocument", f"{what} {value} occurs {times} times")


def _check_claim(held: Claim | None, new: Claim) -> None:
    if held is None or (held.hub, held.region) == (new.hub, new.region):
        if held is not None and new.epoch < held.epoch:
            message = f"epoch {new.epoch} is older than {held.epoch}; another operator leads now"
            raise Rejected(409, Refusal(reason="StaleEpoch", message=message, pointer="/claim/epoch"))
        return
    if new.take_over_from == held.hub and new.epoch > held.epoch:
        return
    message = (
        f"the region belongs to {held.region} of hub {held.hub} (epoch {held.epoch});"
        " taking over needs claim.takeOverFrom with that hub and a higher epoch"
    )
    raise Rejected(409, Refusal(reason="ClaimedByAnotherHub", message=message, pointer="/claim/hub"))


def _check_left(held: Held, document: ConfigurationDocument) -> None:
    for index, link in enumerate(document.links):
        if link.peering_uid in held.left and link.state != "Leaving":
            message = f"peering {link.peering_uid} was left; a peering made anew has a new uid and may join"
            raise Rejected(409, Refusal(reason="PeeringWasLeft", message=message, pointer=f"/links/{index}"))


def _check_rewound(held: Held, document: ConfigurationDocument) -> None:
    """A hub that was restored from a backup must not undo what came after the backup, unless a person says so."""
    for index, source in enumerate(document.sources):
        known = held.sources.get(source.uid)
        if known is not None and source.generation < known.generation > source.accept_rewind:
            message = (
                f"{source.kind} {source.namespace}/{source.name} is sent at generation {source.generation}, this agent "
                f"has had generation {known.generation}; to go back to it needs acceptRewind of {known.generation}"
            )
            raise Rejected(409, Refusal(reason="HubRewound", message=message, pointer=f"/sources/{index}/generation"))


def _latest(known: Mapping[str, Source], new: Iterable[Source], *, links: Mapping[str, Link]) -> dict[str, Source]:
    """The sources of the new document, and what is remembered of links that it does not mention."""
    mentioned = {source.uid: source.model_copy(update={"accept_rewind": 0}) for source in new}
    return {uid: source for uid, source in known.items() if uid in links} | mentioned


def _unusable(pointer: str, reason: str, message: str) -> Rejected:
    return Rejected(422, Refusal(reason=reason, message=message, pointer=pointer))
