"""What has to be looked at to plan a Region: which objects by name, and which Secrets with which of their values.

A value is read only if a builder writes it somewhere or has to look into it; of all others a digest is enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from region_operator import naming
from region_operator.api.region import Region

_USER = ("username", "password")
_CERTIFICATE = ("ca.crt", "tls.crt")


@dataclass(frozen=True)
class Read:
    """A Secret and the keys of it whose values are needed."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reads:
    """All that is looked at by name, beside what bears the Region's labels."""

    objects: tuple[tuple[str, str], ...]  # kind and name, in the placement
    secrets: tuple[Read, ...]  # in the placement
    references: tuple[Read, ...]  # in the Region's own namespace


FLEET_CA = Read(naming.FLEET_CA_SECRET, ("ca.crt", "next-ca.crt", "previous-ca.crt", "fleet-uid", "digest-key"))
OPERATOR_CLIENT = Read(naming.OPERATOR_CLIENT_SECRET, _CERTIFICATE)


def reads(region: Region) -> Reads:
    """All looks for ``region``; the fleet's Secrets are not among them."""
    return Reads(objects=child_names(region), secrets=_secrets(region), references=_references(region))


def _secrets(region: Region) -> tuple[Read, ...]:
    """The Region's own Secrets; those that its spec has no use for are looked for only when all of it is removed."""
    name, spec = region.metadata.name, region.spec
    servers, external = spec.external_management_server, spec.database.external
    everything = region.metadata.deletion_timestamp is not None
    found = [
        Read(naming.database(name), ("agent-username", "manager-username", "admin-username", "admin-password")),
        Read(naming.database_key(name)),
        Read(naming.management_api(name)),
        Read(naming.agent_tls(name), _CERTIFICATE),
    ]
    if everything or external is None or external.tls.ca_secret_ref:
        found.append(Read(naming.database_tls(name), _CERTIFICATE))
    if everything or servers is None:
        found.append(Read(naming.admin(name)))
    if everything or (servers is None and spec.managed_management_server.tls_secret_ref):
        found.append(Read(naming.management_tls(name)))
    return tuple(found)


def child_names(region: Region) -> tuple[tuple[str, str], ...]:
    """Kind and name of every child that this Region has or may come to have; Secrets and Jobs not included."""
    name, spec = region.metadata.name, region.spec
    names = [("ConfigMap", naming.claim(name))]
    if spec.database.managed:
        database = naming.database(name)
        names += [
            ("ConfigMap", database),
            ("Service", database),
            ("Service", naming.database_headless(name)),
            ("StatefulSet", database),
            ("PersistentVolumeClaim", naming.database_volume(name)),
            ("PodDisruptionBudget", database),
            ("NetworkPolicy", database),
        ]
    if spec.external_management_server is None:
        management = naming.management(name)
        names += [("Service", management), ("Deployment", management), ("NetworkPolicy", management)]
    if spec.external_agent is None:
        agent = naming.agent(name)
        names += [("Service", agent), ("Deployment", agent), ("NetworkPolicy", agent)]
    return (*names, ("NetworkPolicy", naming.prepare(name)))


def secret_names(region: Region) -> tuple[str, ...]:
    """Names of the Secrets that this Region has or may come to have in its placement."""
    return tuple(read.name for read in reads(region).secrets)


def _references(region: Region) -> tuple[Read, ...]:
    spec, wanted = region.spec, []
    if external := spec.database.external:
        wanted.append(Read(external.credentials_secret_ref.name, _USER))
        if external.admin_credentials_secret_ref:
            wanted.append(Read(external.admin_credentials_secret_ref.name, _USER))
        if external.tls.ca_secret_ref:
            wanted.append(Read(external.tls.ca_secret_ref.name, (external.tls.ca_secret_ref.key,)))
    if server := spec.external_management_server:
        wanted.append(Read(server.credentials_secret_ref.name, ("apiKey", "secretKey")))
        if server.ca_secret_ref:
            wanted.append(Read(server.ca_secret_ref.name, (server.ca_secret_ref.key,)))
    elif tls := spec.managed_management_server.tls_secret_ref:
        wanted.append(Read(tls.name, ("ca.crt", "tls.crt", "tls.key")))
    if agent := spec.external_agent:
        wanted.append(Read(agent.tls_secret_ref.name, ("ca.crt", "tls.crt", "tls.key")))
    return _merged(wanted)


def _merged(wanted: Iterable[Read]) -> tuple[Read, ...]:
    """One read per Secret, though several references may name it."""
    values: dict[str, tuple[str, ...]] = {}
    for read in wanted:
        known = values.get(read.name, ())
        values[read.name] = (*known, *(key for key in read.values if key not in known))
    return tuple(Read(name, keys) for name, keys in values.items())
