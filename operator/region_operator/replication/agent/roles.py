"""Who a caller is: the role that the URI name in its client certificate gives it (OPERATOR.md 17). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from region_operator import naming
from region_operator.errors import InvalidInput


@dataclass(frozen=True)
class Operator:
    """May configure and read status; sees no rows."""


@dataclass(frozen=True)
class Region:
    """May read the feed and rows of links it shares with us; may configure nothing."""

    id: int


Role = Operator | Region


@dataclass(frozen=True)
class Fleet:
    """The trust domain an agent lives in, taken from its own certificate."""

    uid: str
    region_id: int


def own_fleet(uri_names: Iterable[str], *, region_id: int) -> Fleet:
    """Return the fleet that our own certificate names.

    Raises:
        InvalidInput: the certificate is not that of this region's agent.
    """
    names = list(uri_names)
    for name in names:
        parts = urlsplit(name)
        if parts.scheme == "spiffe" and name == naming.spiffe_region(region_id, parts.netloc):
            return Fleet(parts.netloc, region_id)
    raise InvalidInput(
        field="tls.crt",
        problem=f"names {names or 'no URI'}, not spiffe://<fleet>/region/{region_id}",
        remedy="mount the certificate that was issued for this region's agent",
        reason="CertificateInvalid",
    )


def role_of(peer_certificate: Mapping[str, Any] | None, *, fleet_uid: str) -> Role | None:
    """Return the role of the certificate that ``SSLSocket.getpeercert`` described; None = no role in this fleet."""
    for kind, name in (peer_certificate or {}).get("subjectAltName", ()):
        if kind != "URI":
            continue
        if name == naming.spiffe_operator(fleet_uid):
            return Operator()
        number = name.rpartition("/")[2]
        if number.isdecimal() and name == naming.spiffe_region(int(number), fleet_uid):
            return Region(int(number))
    return None
