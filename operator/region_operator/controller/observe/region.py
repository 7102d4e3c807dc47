"""One look at everything that a Region's plan and status need: hub, fleet, placement, children, references, agent.

Looks that do not depend on each other run at once. What cannot be looked at becomes ``Unknown`` with its reason and
spoils nothing else; what a user must mend becomes ``Invalid``.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from region_operator import naming
from region_operator.api.region import Region
from region_operator.controller import facts
from region_operator.controller.facts import Children, Fact, Invalid, Unknown, Usable
from region_operator.controller.observe import objects
from region_operator.controller.plan.reads import FLEET_CA, OPERATOR_CLIENT, Read, reads
from region_operator.errors import InvalidInput, Refused, Unavailable
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.clusters import Clusters
from region_operator.kubernetes.kinds import Kind, Manifest

_T = TypeVar("_T")

_LISTED: tuple[Kind, ...] = (
    kinds.STATEFUL_SET,
    kinds.DEPLOYMENT,
    kinds.JOB,
    kinds.SERVICE,
    kinds.PERSISTENT_VOLUME_CLAIM,
    kinds.CONFIG_MAP,
    kinds.NETWORK_POLICY,
    kinds.POD_DISRUPTION_BUDGET,
)
_WITH_PODS = (kinds.STATEFUL_SET.kind, kinds.DEPLOYMENT.kind, kinds.JOB.kind)
Names = Callable[[Kind], frozenset[str] | None]
_OTHERS = (kinds.NETWORK_POLICY.kind, kinds.POD_DISRUPTION_BUDGET.kind)


@dataclass(frozen=True)
class Place:
    """A Region's placement: its client, as far as there is one, and its namespace."""

    cluster: Cluster | None
    namespace: str
    facts: facts.PlacementFacts


async def placement(clusters: Clusters, region: Region, *, hub_id: str) -> Place:
    """Find the cluster and namespace that the Region's children live in, and look at both."""
    meta, wanted = region.metadata, region.spec.placement
    namespace = (wanted.namespace if wanted else None) or meta.namespace
    reference = wanted.kubeconfig_secret_ref if wanted else None
    if reference is None:
        found = facts.PlacementFacts(
            cluster=hub_id,
            namespace=await _or_unknown(_namespace(clusters.local, namespace, consent=namespace != meta.namespace)),
        )
        return Place(clusters.local, namespace, found)
    cluster = await _remote(clusters, region, reference.name, reference.key)
    if not isinstance(cluster, Cluster):
        return Place(
            None, namespace, facts.PlacementFacts(cluster=cluster, same_cluster=False, namespace=_lost(cluster))
        )
    found = facts.PlacementFacts(
        cluster=await _or_unknown(cluster.identity()),
        same_cluster=False,
        namespace=await _or_unknown(_namespace(cluster, namespace, consent=False)),
    )
    return Place(cluster, namespace, found)


async def _remote(clusters: Clusters, region: Region, name: str, key: str) -> Cluster | Invalid | Unknown:
    field = "spec.placement.kubeconfigSecretRef"
    secret = await _or_unknown(clusters.local.get(kinds.SECRET, region.metadata.namespace, name))
    if isinstance(secret, Unknown):
        return secret
    if secret is None:
        return Invalid("SecretNotFound", f"{field}: Secret {name} does not exist; create it", field)
    content = _data(secret).get(key)
    if content is None:
        return Invalid("SecretKeyMissing", f"{field}: Secret {name} has no key {key}; add it", field)
    try:
        return await clusters.remote(content)
    except (InvalidInput, Refused) as error:
        return Invalid("KubeconfigRefused", f"{field}: {error}", field)


async def _namespace(cluster: Cluster, name: str, *, consent: bool) -> facts.NamespaceFacts | None:
    body = await cluster.get(kinds.NAMESPACE, None, name)
    if body is None:
        return None
    given: tuple[str, ...] | None = None
    if consent:
        config_map = await cluster.get(kinds.CONFIG_MAP, name, naming.PLACEMENT_CONSENT_CONFIGMAP)
        if config_map is not None:
            named = (config_map.get("data") or {}).get("from", "")
            given = tuple(item.strip() for item in named.split(",") if item.strip())
    return facts.NamespaceFacts(name, terminating="deletionTimestamp" in body["metadata"], consent=given)


async def fleet(
    hub: Cluster,
    region: Region,
    *,
    key_taken: Fact[bool],
    holders: Fact[tuple[facts.TrustHolder, ...]],
) -> facts.FleetFacts:
    """The Secrets that all Regions of the namespace share; the CA's keys are never among the values."""
    namespace, reference = region.metadata.namespace, region.spec.database_key_secret_ref
    authority, database_key, client = await asyncio.gather(
        secret(hub, namespace, FLEET_CA),
        secret(hub, namespace, Read(reference.name, (reference.key,))),
        secret(hub, namespace, OPERATOR_CLIENT),
    )
    return facts.FleetFacts(
        ca=authority, database_key=database_key, operator_client=client, key_taken=key_taken, holders=holders
    )


def digest_key(found: facts.FleetFacts) -> bytes:
    """The fleet's key for digests of secret values; empty before the fleet has its CA."""
    return found.ca.values.get("digest-key", b"") if isinstance(found.ca, facts.SecretFacts) else b""


async def secret(
    cluster: Cluster, namespace: str, wanted: Read, *, key: bytes = b""
) -> facts.SecretFacts | Unknown | None:
    """A Secret with digests of all its values, and the values of the keys that are asked for."""
    body = await _or_unknown(cluster.get(kinds.SECRET, namespace, wanted.name))
    if body is None or isinstance(body, Unknown):
        return body
    data = _data(body)
    return facts.SecretFacts(
        meta=objects.meta(body),
        digests={name: facts.digest(key, value) for name, value in data.items()},
        values={name: data[name] for name in wanted.values if name in data},
    )


async def secret_values(cluster: Cluster, namespace: str, name: str) -> Mapping[str, bytes]:
    """All values of a Secret, for a caller that uses and forgets them; empty when it is not there."""
    body = await cluster.get(kinds.SECRET, namespace, name)
    return _data(body) if body is not None else {}


def _data(body: Manifest) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, value in (body.get("data") or {}).items():
        try:
            found[name] = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError):  # the API server lets only base64 in
            continue
    return found


async def children(
    place: Place, region: Region, *, key: bytes, now: datetime, names: Names = lambda _: None
) -> Fact[Children]:
    """Everything in the placement that bears the Region's labels or has the name of a child; one complete look.

    ``names`` tells what a watch knows to be there, which is then read by name; None = nobody watches, so list.
    """
    if place.cluster is None:
        return Unknown("PlacementUnreachable", "the cluster of the region cannot be reached")
    cluster, namespace, wanted = place.cluster, place.namespace, reads(region)
    labels = {naming.LABEL_REGION_NAMESPACE: region.metadata.namespace, naming.LABEL_REGION_NAME: region.metadata.name}
    told = {kind: names(kind) for kind in _LISTED}
    by_name = {*wanted.objects, *((kind.kind, name) for kind, known in told.items() for name in known or ())}
    try:
        lists, named, secrets = await asyncio.gather(
            asyncio.gather(*(cluster.list(k, namespace, labels=labels) for k, known in told.items() if known is None)),
            asyncio.gather(*(cluster.get(kinds.BY_NAME[kind], namespace, name) for kind, name in sorted(by_name))),
            asyncio.gather(*(secret(cluster, namespace, read, key=key) for read in wanted.secrets)),
        )
        bodies = {(b["kind"], b["metadata"]["name"]): b for group in lists for b in group}
        bodies |= {(b["kind"], b["metadata"]["name"]): b for b in named if b is not None}
        if any(kind in _WITH_PODS for kind, _ in bodies):
            pods = await cluster.list(kinds.POD, namespace, labels=labels)
            bodies |= {(pod["kind"], pod["metadata"]["name"]): pod for pod in pods}
    except Unavailable as error:
        return Unknown(error.reason, str(error))
    unknown = next((item for item in secrets if isinstance(item, Unknown)), None)
    if unknown is not None:
        return unknown
    expandable = await _expandable(cluster, bodies.values())
    known_secrets = {item.meta.ref.name: item for item in secrets if isinstance(item, facts.SecretFacts)}
    return _sorted_out(bodies, secrets=known_secrets, expandable=expandable, now=now)


async def _expandable(cluster: Cluster, bodies: Iterable[Manifest]) -> Mapping[str, bool]:
    """Which of the StorageClasses in use let volumes grow; those that may not be read are left out."""
    names = {
        (body.get("spec") or {}).get("storageClassName") or ""
        for body in bodies
        if body["kind"] == kinds.PERSISTENT_VOLUME_CLAIM.kind
    } - {""}
    found: dict[str, bool] = {}
    for name in sorted(names):
        storage_class = await _or_unknown(cluster.get(kinds.STORAGE_CLASS, None, name))
        if isinstance(storage_class, dict):
            found[name] = bool(storage_class.get("allowVolumeExpansion"))
    return found


def _sorted_out(
    bodies: Mapping[tuple[str, str], Manifest],
    *,
    secrets: Mapping[str, facts.SecretFacts],
    expandable: Mapping[str, bool],
    now: datetime,
) -> Children:
    pods = [body for (kind, _), body in bodies.items() if kind == "Pod"]

    def of(kind: Kind) -> list[tuple[str, Manifest]]:
        return sorted((name, body) for (found, name), body in bodies.items() if found == kind.kind)

    def workloads(kind: Kind) -> dict[str, facts.WorkloadFacts]:
        return {name: objects.workload(body, objects.pods_of(body, pods)) for name, body in of(kind)}

    return Children(
        stateful_sets=workloads(kinds.STATEFUL_SET),
        deployments=workloads(kinds.DEPLOYMENT),
        jobs={name: objects.job(body, objects.pods_of(body, pods), now=now) for name, body in of(kinds.JOB)},
        services={name: objects.service(body) for name, body in of(kinds.SERVICE)},
        volume_claims={
            name: objects.volume_claim(body, expandable=expandable.get(body["spec"].get("storageClassName") or ""))
            for name, body in of(kinds.PERSISTENT_VOLUME_CLAIM)
        },
        secrets=secrets,
        config_maps={name: objects.config_map(body) for name, body in of(kinds.CONFIG_MAP)},
        others=tuple(objects.meta(body) for (kind, _), body in sorted(bodies.items()) if kind in _OTHERS),
    )


async def references(hub: Cluster, region: Region, *, key: bytes) -> Mapping[str, Usable[facts.SecretFacts | None]]:
    """The Secrets that the spec names, by name."""
    wanted = reads(region).references
    found = await asyncio.gather(*(secret(hub, region.metadata.namespace, read, key=key) for read in wanted))
    return {read.name: item for read, item in zip(wanted, found, strict=True)}


async def _or_unknown(look: Awaitable[_T]) -> _T | Unknown:
    """The value of a look, or Unknown with its reason."""
    try:
        return await look
    except (Unavailable, Refused) as error:
        return Unknown(error.reason, str(error))


def _lost(cluster: Invalid | Unknown) -> Unknown:
    return Unknown(cluster.reason, cluster.message)
