"""What Regions of one fleet share or contest: hub, CA, database key, trust, ids."""

from dataclasses import dataclass

from region_operator.controller.facts.knowledge import Fact, Usable
from region_operator.controller.facts.objects import SecretFacts


@dataclass(frozen=True)
class HubFacts:
    """The cluster that the operator and the three kinds live in."""

    id: str  # uid of its kube-system namespace
    term: int  # of our leadership; grows with every leader
    namespace_terminating: bool = False  # the Region's own namespace
    just_started: bool = False  # other objects of the fleet may not have been looked at yet


@dataclass(frozen=True)
class FleetFacts:
    """What all Regions of one namespace share: its CA, its database key, its operator certificate."""

    ca: Usable[SecretFacts | None]  # values of: ca.crt, next-ca.crt, previous-ca.crt, fleet-uid, digest-key; no *.key
    database_key: Usable[SecretFacts | None]  # the Secret of spec.databaseKeySecretRef, with the value of its key
    operator_client: Usable[SecretFacts | None]  # values of: tls.crt, ca.crt
    key_taken: Fact[bool] = False  # another Region was provisioned with the database key: it is never made anew
    holders: Fact[tuple["TrustHolder", ...]] = ()  # every Region of the fleet, this one too, in order of name

    @property
    def uid(self) -> str:
        """The fleet's uid, "" while its CA is not there or not known."""
        if isinstance(self.ca, SecretFacts):
            return self.ca.values.get("fleet-uid", b"").decode("ascii", "replace")
        return ""


@dataclass(frozen=True)
class TrustHolder:
    """What one Region's agent trusts and shows; a rotation of the CA goes on when all of them have followed (rule 17).

    ``trusted`` as the agent acknowledged it, fingerprints ("sha256:...") of CAs. ``authority`` is the key id of the CA
    that signed the leaf in its Secret. Unknown holds the phase.
    """

    region: str
    trusted: Fact[frozenset[str]]
    authority: Fact[str]


@dataclass(frozen=True)
class IdHolder:
    """Another Region of the fleet with the same ``spec.id`` (rule 19)."""

    namespace: str
    name: str
    uid: str
    holds_claim: Fact[bool]
    deleting: bool = False
