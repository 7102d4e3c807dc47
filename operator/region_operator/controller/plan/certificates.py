"""Which certificate is to be issued when, and how the fleet's CA is exchanged without a moment of mistrust (rule 17).

A leaf lives 365 days and is renewed at two thirds of it, so a hub may be gone for about 120 days. notBefore lies 48 h
back, so a region whose clock is behind accepts it. A rotation is told by the CA's Secret alone and needs no memory:

    keys of the Secret              phase          bundle that everybody gets    goes on when
    ca                              None           ca
    ca, next-ca                     Distributing   ca, next-ca                   every agent acknowledged next-ca
    ca (was next), previous-ca      Reissuing      ca, previous-ca               every leaf is signed by ca
    ca                              Dropping       ca                            every agent acknowledged ca alone

A region that does not answer holds the phase and is named.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from region_operator import naming
from region_operator.controller.facts import CertificateFacts, Fact, Invalid, SecretFacts, TrustHolder, Unknown
from region_operator.controller.plan.endpoints import service_host
from region_operator.controller.plan.labels import Site
from region_operator.controller.plan.steps import CertificateRequest, IssueNextAuthority, JsonPatch, Step
from region_operator.controller.plan.x509 import describe, is_ip

LEAF_LIFETIME: Final = timedelta(days=365)
CA_LIFETIME: Final = timedelta(days=3650)
BACKDATED: Final = timedelta(hours=48)
ANNOTATION_ROTATE: Final = f"{naming.GROUP}/rotate-ca"
ANNOTATION_ROTATED: Final = f"{naming.GROUP}/rotate-ca-handled"
_CA_KEYS: Final = ("ca.crt", "next-ca.crt", "previous-ca.crt")

Phase = Literal["None", "Distributing", "Reissuing", "Dropping"]


@dataclass(frozen=True)
class Authorities:
    """The CAs of a fleet, as its Secret holds them."""

    current: CertificateFacts
    coming: CertificateFacts | None = None
    previous: CertificateFacts | None = None
    asked: str = ""  # token of a rotation that was asked for and not begun

    @property
    def bundle(self) -> tuple[str, ...]:
        """PEM of all CAs that everybody is to trust now."""
        return tuple(item.pem for item in (self.current, self.coming or self.previous) if item)


@dataclass(frozen=True)
class Rotation:
    """How far a rotation is, who holds it, and what is to be done to the CA's Secret now."""

    phase: Phase
    act: Literal["None", "IssueNext", "Promote", "Drop"] = "None"
    held_by: tuple[str, ...] = ()


def authorities(secret: SecretFacts) -> Authorities | Invalid:
    """Read the CA's Secret."""
    found = {key: describe(secret.values[key]) for key in _CA_KEYS if secret.values.get(key)}
    for key, certificate in found.items():
        if isinstance(certificate, Invalid):
            message = f"Secret {secret.meta.ref.name}: {key}: {certificate.message}; restore it from a backup"
            return Invalid("CertificateUnreadable", message)
    known = {key: item for key, item in found.items() if isinstance(item, CertificateFacts)}
    if "ca.crt" not in known:
        return Invalid(
            "CertificateUnreadable", f"Secret {secret.meta.ref.name} has no ca.crt; restore it from a backup"
        )
    asked = secret.meta.annotations.get(ANNOTATION_ROTATE, "")
    return Authorities(
        current=known["ca.crt"],
        coming=known.get("next-ca.crt"),
        previous=known.get("previous-ca.crt"),
        asked=asked if asked != secret.meta.annotations.get(ANNOTATION_ROTATED, "") else "",
    )


def rotation(known: Authorities, holders: Fact[tuple[TrustHolder, ...]], *, now: str) -> Rotation:
    """What is to be done about the CA now; it has no side effects."""
    if isinstance(holders, Unknown):
        phase: Phase = "Distributing" if known.coming else "Reissuing" if known.previous else "None"
        return Rotation(phase, held_by=() if phase == "None" else ("?",))
    if known.coming:
        wanted = known.coming.fingerprint
        held = _held(holders, lambda item: not isinstance(item.trusted, Unknown) and wanted in item.trusted)
        return Rotation("Distributing", "None" if held else "Promote", held)
    if known.previous:
        held = _held(holders, lambda item: item.authority == known.current.key_id)
        return Rotation("Reissuing", "None" if held else "Drop", held)
    if known.asked or due(known.current, now=now):
        return Rotation("None", "IssueNext")
    alone = frozenset({known.current.fingerprint})
    held = _held(holders, lambda item: isinstance(item.trusted, Unknown) or not item.trusted or item.trusted == alone)
    return Rotation("Dropping", held_by=held) if held else Rotation("None")


def authority_steps(secret: SecretFacts, known: Authorities, wanted: Rotation) -> list[Step]:
    """What brings the CA's Secret one phase on; its keys are moved by the API server, never read."""
    meta = secret.meta
    match wanted.act:
        case "IssueNext":
            handled = {ANNOTATION_ROTATED: known.asked} if known.asked else {}
            return [IssueNextAuthority(meta.ref, meta.uid, meta.resource_version, handled)]
        case "Promote":
            moves = (("ca.crt", "previous-ca.crt"), ("next-ca.crt", "ca.crt"), ("next-ca.key", "ca.key"))
            operations = tuple(
                {"op": "move", "from": f"/data/{source}", "path": f"/data/{target}"} for source, target in moves
            )
            return [JsonPatch(meta.ref, meta.uid, meta.resource_version, operations, where="hub")]
        case "Drop":
            operations = ({"op": "remove", "path": "/data/previous-ca.crt"},)
            return [JsonPatch(meta.ref, meta.uid, meta.resource_version, operations, where="hub")]
        case "None":
            return []


def _held(holders: Sequence[TrustHolder], followed: Callable[[TrustHolder], bool]) -> tuple[str, ...]:
    """Who has not followed; a Region that was never provisioned has nothing to follow with."""
    there = [item for item in holders if item.authority != "" or item.trusted != frozenset()]
    return tuple(item.region for item in there if not followed(item))


def due(certificate: CertificateFacts, *, now: str) -> bool:
    """Whether two thirds of its life are over."""
    begin = _time(certificate.not_before) + BACKDATED
    return _time(now) >= begin + (_time(certificate.not_after) - begin) * 2 / 3


def expiring(certificate: CertificateFacts, *, now: str) -> bool:
    """Whether it is in the last quarter of its life: renewal has failed for weeks."""
    begin = _time(certificate.not_before) + BACKDATED
    return _time(now) >= begin + (_time(certificate.not_after) - begin) * 3 / 4


def why_issue(
    seen: CertificateFacts | Invalid | None, wanted: CertificateRequest, *, signer: CertificateFacts, now: str
) -> str:
    """Why a leaf is to be issued now, "" when it is not."""
    if seen is None:
        return "it is not there"
    if isinstance(seen, Invalid):
        return seen.message
    if seen.authority != signer.key_id:
        return "the fleet's authority has changed"
    names = (seen.dns_names, seen.ip_addresses, seen.uris)
    if names != (frozenset(wanted.dns_names), frozenset(wanted.ip_addresses), frozenset(wanted.uris)):
        return "its names have changed"
    if due(seen, now=now):
        return f"two thirds of its life are over, it ends {seen.not_after}"
    return ""


# --- what the certificates say ----------------------------------------------------------------------------------------


def agent_request(site: Site, *, fleet_uid: str, expose_host: str | None) -> CertificateRequest:
    """The leaf of a region's agent: peers check the fleet's own name for it, whatever address it is reached by."""
    service = naming.agent(site.region)
    host = expose_host or ""
    return CertificateRequest(
        common_name=f"agent-{site.region_id}",
        dns_names=(
            naming.agent_server_name(site.region_id, fleet_uid),
            f"{service}.{site.namespace}",
            service_host(service, site.namespace),
            *([host] if host and not is_ip(host) else []),
        ),
        ip_addresses=(host,) if is_ip(host) else (),
        uris=(naming.spiffe_region(site.region_id, fleet_uid),),
        server=True,
        client=True,
    )


def database_request(site: Site) -> CertificateRequest:
    service, headless = naming.database(site.region), naming.database_headless(site.region)
    return CertificateRequest(
        common_name=service,
        dns_names=(
            service,
            f"{service}.{site.namespace}",
            service_host(service, site.namespace),
            f"{service}-0.{service_host(headless, site.namespace)}",
        ),
    )


def operator_request(fleet_uid: str) -> CertificateRequest:
    return CertificateRequest(
        common_name="region-operator", uris=(naming.spiffe_operator(fleet_uid),), server=False, client=True
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
