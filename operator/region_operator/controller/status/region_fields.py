"""The fields of a Region's status beside its conditions; what is not known now keeps what was known before."""

from collections.abc import Iterable
from typing import Final, Literal

from region_operator import naming
from region_operator.api.region_status import (
    AgentConfigurationStatus,
    AgentStatus,
    CertificatesStatus,
    ClaimStatus,
    DatabaseStatus,
    ManagementServerStatus,
    PeersStatus,
    PlacementStatus,
    RetainedObject,
)
from region_operator.controller.facts import CertificateFacts, LinkPolicyFacts, PeeringFacts
from region_operator.controller.plan.claim import held_claim
from region_operator.controller.plan.context import agent_endpoint, management_endpoint
from region_operator.controller.plan.endpoints import url_host
from region_operator.controller.plan.external import required_grants
from region_operator.controller.plan.teardown import keeps_data, retained
from region_operator.controller.plan.trust import copied_secrets, leaf_of
from region_operator.controller.status.limits import short
from region_operator.controller.status.region_conditions import rotation_of
from region_operator.controller.status.region_scene import Scene

_INT32_MAX: Final = 2**31 - 1
_CONNECTED: Final = ("Streaming", "CatchingUp", "Copying")


def claim(scene: Scene) -> ClaimStatus | None:
    """What the region holds."""
    if scene.children is None:
        return scene.region.status.claim
    held = held_claim(scene.children.config_maps.get(naming.claim(scene.region.metadata.name)))
    return ClaimStatus(hub=short(held.hub), epoch=held.epoch) if held else None


def placement(scene: Scene) -> PlacementStatus | None:
    """Noted once, when the claim is ours, and never changed: by it a kubeconfig of another cluster is found out."""
    before, cluster, site = scene.region.status.placement, scene.facts.placement.cluster, scene.context.site
    if before is not None and before.cluster:
        return before
    if scene.children is None or not isinstance(cluster, str):
        return before
    held = held_claim(scene.children.config_maps.get(naming.claim(site.region)))
    ours = held is not None and (held.hub, held.region) == (site.hub, site.owner)
    return PlacementStatus(cluster=cluster, namespace=site.namespace) if ours else before


def database(scene: Scene) -> DatabaseStatus:
    before = scene.region.status.database or DatabaseStatus()
    name, external = naming.database(scene.region.metadata.name), scene.region.spec.database.external
    agent, children = scene.facts.agent.last, scene.children
    version = short(agent.database_version) if agent and agent.database_version else before.version
    made = children is not None and name in children.secrets
    secret_name = before.secret_name if children is None else name if made else ""
    if external is not None:
        sql = grants_sql(scene.region.spec.id, business_schema=external.database)
        return DatabaseStatus(
            version=version,
            endpoint=f"{url_host(external.host)}:{external.port}",
            secret_name=secret_name,
            required_grants=required_grants(scene.region, agent, sql=sql),
        )
    server = children.stateful_sets.get(name) if children else None
    volume = children.volume_claims.get(naming.database_volume(scene.region.metadata.name)) if children else None
    return DatabaseStatus(
        image=server.images.get("mariadb", "") if server else before.image,
        version=version,
        endpoint=f"{name}:{naming.DATABASE_PORT}",
        storage_size=volume.capacity if volume and volume.capacity else before.storage_size,
        secret_name=secret_name,
    )


def grants_sql(region_id: int, *, business_schema: str, sync_schema: str = naming.SYNC_SCHEMA) -> str:
    """SQL that makes a user who may prepare the database; the administrator chooses its password."""
    user = f"'region_{int(region_id)}_prepare'@'%'"
    sync, business = naming.quote_identifier(sync_schema), naming.quote_identifier(business_schema)
    return "\n".join(
        (
            "-- put this user's name and password into a Secret and name that in",
            "-- spec.database.external.adminCredentialsSecretRef; the user may be dropped once the Region is Ready",
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '<password>';",
            f"GRANT ALL PRIVILEGES ON {sync}.* TO {user} WITH GRANT OPTION;",
            f"GRANT ALL PRIVILEGES ON {business}.* TO {user} WITH GRANT OPTION;",
            f"GRANT CREATE USER, RELOAD, CONNECTION ADMIN, SET USER ON *.* TO {user};",
            f"GRANT SELECT ON mysql.user TO {user};",
        )
    )


def management_server(scene: Scene) -> ManagementServerStatus:
    before = scene.region.status.management_server or ManagementServerStatus()
    agent = scene.facts.agent.last
    endpoint = management_endpoint(scene.region, scene.facts) or before.endpoint
    version = short(agent.management.version) if agent and agent.management.version else before.version
    if scene.region.spec.external_management_server is not None:
        return ManagementServerStatus(endpoint=endpoint, version=version)
    if scene.children is None:
        return before.model_copy(update={"endpoint": endpoint, "version": version})
    servers = scene.children.deployments.get(naming.management(scene.region.metadata.name))
    return ManagementServerStatus(
        endpoint=endpoint,
        version=version,
        replicas=scene.region.spec.managed_management_server.replicas,
        ready_replicas=servers.ready_replicas if servers else 0,
    )


def agent(scene: Scene) -> AgentStatus | None:
    before, said = scene.region.status.agent, scene.facts.agent.last
    endpoint = agent_endpoint(scene.region, scene.facts)
    if said is None:
        if not endpoint:
            return before
        return (before or AgentStatus()).model_copy(update={"endpoint": endpoint})
    return AgentStatus(
        endpoint=endpoint or (before.endpoint if before else ""),
        version=short(said.version),
        api_versions=tuple(map(short, said.api_versions[:8])),
        schema_version=_int32(said.schema_version),
        incarnation=short(said.incarnation),
        incarnations=_int32(said.incarnations),
        configuration=AgentConfigurationStatus(etag=short(said.configuration_etag), state=_configuration(scene)),
    )


def _configuration(scene: Scene) -> Literal["Applied", "Pending", "Refused"]:
    failure = scene.outcome.failure
    refused = failure is not None and failure.stage == "configuration" and not failure.unknown
    if (refused and failure is not None and failure.reason != "Conflict") or (
        scene.facts.agent.refusal is not None and not scene.acknowledged
    ):
        return "Refused"
    return "Applied" if scene.acknowledged else "Pending"


def certificates(scene: Scene) -> CertificatesStatus | None:
    before, said = scene.region.status.certificates or CertificatesStatus(), scene.facts.agent.last
    name = naming.agent_tls(scene.region.metadata.name)
    leaf = leaf_of(scene.children.secrets.get(name)) if scene.children else None
    trusted = tuple(map(short, said.certificate.ca_fingerprints[:8])) if said else before.ca_fingerprints
    found = CertificatesStatus(
        not_after=leaf.not_after if isinstance(leaf, CertificateFacts) else before.not_after,
        ca_fingerprints=trusted,
        rotation=rotation_of(scene).phase,
    )
    return None if found == CertificatesStatus() else found


def peers(scene: Scene) -> PeersStatus | None:
    """Links by name and by contact; what a peering's own status says is not repeated here."""
    before, said, peerings = scene.region.status.peers, scene.facts.agent.last, scene.facts.peerings
    if not isinstance(peerings, tuple):
        return before
    declared = [peering for peering in peerings if not peering.deleting and peering.mode != "Plan"]
    if scene.agent_silent:
        connected = min(before.connected if before else 0, len(declared))
    else:
        connected = sum(_connected(scene, peering) for peering in declared)
    known = {peering.uid for peering in peerings}
    held = {link.peering_uid for link in said.links} if said else set(before.unmanaged if before else ())
    return PeersStatus(
        summary=f"{connected}/{len(declared)}",
        configured=len(declared),
        connected=connected,
        unmanaged=tuple(map(short, sorted(held - known)[:64])),
    )


def _connected(scene: Scene, peering: PeeringFacts) -> bool:
    """Whether this region hears the peer; a silence counts from the time on at which it is called a partition."""
    said, age_s = scene.facts.agent.last, scene.facts.agent.age_s
    links = [link for link in said.links if link.peering_uid == peering.uid] if said else []
    limits = peering.policy if isinstance(peering.policy, LinkPolicyFacts) else LinkPolicyFacts()
    for link in links:
        if link.contact_age_ms is None or link.state == "Suspended":
            continue
        if link.bad_age_ms is None:
            return link.state in _CONNECTED
        return link.bad_age_ms / 1000 + age_s < limits.partition_detect_after_s
    return False


def kept(scene: Scene) -> tuple[RetainedObject, ...]:
    """What teardown would leave."""
    if scene.children is None:
        return scene.region.status.retained
    if not keeps_data(scene.region, scene.facts):
        return ()
    context = scene.context
    found = retained(context.site, scene.children, copied_secrets=copied_secrets(context))
    return tuple(RetainedObject(kind=item.ref.kind, name=item.ref.name) for item in found[:20])


def short_token(annotations: Iterable[tuple[str, str]]) -> str:
    """The token of a reconcile that was asked for, as long as a status may show it."""
    return short(dict(annotations).get(naming.ANNOTATION_RECONCILE, ""))


def _int32(number: int) -> int:
    return max(0, min(number, _INT32_MAX))
