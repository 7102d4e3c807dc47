"""What a Region takes from Secrets of its user, and what differs when database, servers or agent are not ours.

Pods mount Secrets of their own namespace only, so what the spec names in the Region's namespace is copied into the
placement, under the names and keys that a managed part would have; no builder can tell the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from region_operator.api.agent import AgentStatus
from region_operator.api.database import ExternalDatabase
from region_operator.api.region import Region
from region_operator.controller.facts import Invalid, RegionFacts, SecretFacts, Unknown
from region_operator.controller.plan import x509
from region_operator.controller.plan.access import DatabaseAccess
from region_operator.controller.plan.secrets import DatabaseUsers, Paired
from region_operator.controller.plan.steps import Wait

MANAGEMENT_TLS: Final = "spec.managementServer.managed.tlsSecretRef"


@dataclass(frozen=True)
class Copies:
    """Values for the placement, by role; None = this Region has no such copy."""

    users: DatabaseUsers
    database_ca: Mapping[str, bytes] | None = None
    management_api: Mapping[str, bytes] | None = None
    management_tls: Mapping[str, bytes] | None = None


def copies(region: Region, facts: RegionFacts) -> Copies | Wait:
    """Everything that is to be copied, or what is missing for it."""
    spec = region.spec
    external, server = spec.database.external, spec.external_management_server
    users = _users(region, facts)
    if isinstance(users, Wait):
        return users
    found: dict[str, Mapping[str, bytes] | None] = {}
    if external and external.tls.ca_secret_ref:
        reference = external.tls.ca_secret_ref
        ca = values_of(facts, reference.name, (reference.key,), field="spec.database.external.tls.caSecretRef")
        if isinstance(ca, Wait):
            return ca
        found["database_ca"] = {"ca.crt": ca[reference.key]}
    if server:
        api = _management_api(region, facts)
        if isinstance(api, Wait):
            return api
        found["management_api"] = api
    elif tls := spec.managed_management_server.tls_secret_ref:
        certificate = _management_tls(facts, tls.name)
        if isinstance(certificate, Wait):
            return certificate
        found["management_tls"] = certificate
    return Copies(users=users, **found)


def _users(region: Region, facts: RegionFacts) -> DatabaseUsers | Wait:
    """Which database users are made by us, and which are given; a given one must be complete."""
    spec, external = region.spec, region.spec.database.external
    ours: tuple[Paired, ...] = () if spec.external_management_server else ("manager",)
    if external is None:
        return DatabaseUsers(paired=("agent", *ours), admin=True, copied={})
    named = {"agent": external.credentials_secret_ref, "admin": external.admin_credentials_secret_ref}
    fields = {"agent": "credentialsSecretRef", "admin": "adminCredentialsSecretRef"}
    copied: dict[str, tuple[str, str]] = {}
    for user, reference in named.items():
        if reference is None:
            continue
        field = f"spec.database.external.{fields[user]}"
        given = values_of(facts, reference.name, ("username", "password"), field=field)
        if isinstance(given, Wait):
            return given
        try:
            copied[user] = (given["username"].decode(), given["password"].decode())
        except UnicodeDecodeError:
            message = f"{field}: Secret {reference.name} holds a name or password that is no UTF-8 text; correct it"
            return Wait("ReferencesResolved", "InvalidInput", message)
    return DatabaseUsers(paired=ours, admin=False, copied=copied)


def _management_api(region: Region, facts: RegionFacts) -> Mapping[str, bytes] | Wait:
    server = region.spec.external_management_server
    assert server is not None
    name, field = server.credentials_secret_ref.name, "spec.managementServer.external"
    keys = values_of(facts, name, ("apiKey", "secretKey"), field=f"{field}.credentialsSecretRef")
    if isinstance(keys, Wait) or server.ca_secret_ref is None:
        return keys
    reference = server.ca_secret_ref
    ca = values_of(facts, reference.name, (reference.key,), field=f"{field}.caSecretRef")
    return ca if isinstance(ca, Wait) else {**keys, "ca.crt": ca[reference.key]}


def _management_tls(facts: RegionFacts, name: str) -> Mapping[str, bytes] | Wait:
    """A pair that servers can serve with; what they cannot is not copied, so they keep what they have."""
    found = values_of(facts, name, ("tls.crt", "tls.key"), field=MANAGEMENT_TLS, optional=("ca.crt",))
    if isinstance(found, Wait):
        return found
    why = x509.why_no_pair(found["tls.crt"], found["tls.key"])
    if not why:
        return found
    message = f"{MANAGEMENT_TLS}: Secret {name}: {why}; correct it. Servers that run keep the pair they have"
    return Wait("ReferencesResolved", "CertificateUnusable", message)


def values_of(
    facts: RegionFacts, name: str, keys: tuple[str, ...], *, field: str, optional: tuple[str, ...] = ()
) -> dict[str, bytes] | Wait:
    """The values of a Secret that the spec names, or the condition that says what it lacks."""
    secret = facts.references.get(name)
    if isinstance(secret, Unknown):
        return Wait("ReferencesResolved", "NotObserved", f"{field}: Secret {name}: {secret.message}", unknown=True)
    if isinstance(secret, Invalid):
        return Wait("ReferencesResolved", "InvalidInput", f"{field}: Secret {name}: {secret.message}")
    if not isinstance(secret, SecretFacts):
        message = f"{field}: Secret {name} does not exist in the namespace of the Region; create it"
        return Wait("ReferencesResolved", "SecretNotFound", message)
    missing = [key for key in keys if not secret.values.get(key)]
    if missing:
        message = f"{field}: Secret {name} has no {', '.join(missing)}; add it"
        return Wait("ReferencesResolved", "SecretKeyMissing", message)
    return {key: secret.values[key] for key in (*keys, *optional) if secret.values.get(key)}


def external_access(external: ExternalDatabase) -> DatabaseAccess:
    return DatabaseAccess(
        host=external.host,
        port=external.port,
        name=external.database,
        tls_mode=external.tls.mode,
        has_ca=external.tls.ca_secret_ref is not None,
    )


def grants_awaited(region: Region, status: AgentStatus | None) -> bool:
    """Whether somebody has to run SQL by hand: we have no admin, and the agent does not work with its database yet."""
    external = region.spec.database.external
    if external is None or external.admin_credentials_secret_ref is not None:
        return False
    return status is None or not status.database_reachable or status.schema_version < 1


def required_grants(region: Region, status: AgentStatus | None, *, sql: str) -> str:
    """What ``status.database.requiredGrants`` shows: ``sql`` while it is awaited, else nothing."""
    return sql if grants_awaited(region, status) else ""
