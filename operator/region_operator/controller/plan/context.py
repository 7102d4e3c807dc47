"""What all stages of a Region's plan work with: the Region, the facts, and the few derived values they share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from region_operator import naming
from region_operator.api.agent import Source
from region_operator.api.common import ResourceRequirements, Scheduling
from region_operator.api.region import Region
from region_operator.controller.facts import Children, RegionFacts, SecretFacts
from region_operator.controller.plan.access import DatabaseAccess, managed_access
from region_operator.controller.plan.endpoints import agent_url, management_url, service_host, service_port
from region_operator.controller.plan.external import external_access
from region_operator.controller.plan.labels import Site, copyable
from region_operator.controller.plan.management import management_port
from region_operator.controller.plan.pods import Workload
from region_operator.controller.plan.rewind import accepted
from region_operator.controller.plan.steps import Apply, Manifest


@dataclass(frozen=True)
class PlanSettings:
    """What the operator's installation decides: images where a spec names none."""

    image: str  # of agents, management servers and the prepare Job
    mariadb_image: str


@dataclass(frozen=True)
class Context:
    """One Region, looked at once. ``generate`` makes one random password per call."""

    region: Region
    facts: RegionFacts
    settings: PlanSettings
    generate: Callable[[], str]

    @property
    def site(self) -> Site:
        return site_of(self.region, self.facts)

    @property
    def children(self) -> Children:
        """The children; only after the gate that proves that they could be looked at."""
        assert isinstance(self.facts.children, Children)
        return self.facts.children

    @property
    def digest_key(self) -> bytes:
        ca = self.facts.fleet.ca
        return ca.values.get("digest-key", b"") if isinstance(ca, SecretFacts) else b""

    def digest_of(self, secret: str, key: str) -> str:
        """Digest of one value of a child Secret, "" while it is not there."""
        found = self.children.secrets.get(secret)
        return found.digests.get(key, "") if found else ""

    @property
    def access(self) -> DatabaseAccess:
        external = self.region.spec.database.external
        return external_access(external) if external else managed_access(self.site)

    @property
    def management_tls(self) -> bool:
        spec = self.region.spec
        return spec.external_management_server is None and spec.managed_management_server.tls_secret_ref is not None

    @property
    def source(self) -> Source:
        """The Region itself, as its agent remembers it."""
        meta = self.region.metadata
        return Source(
            kind="Region",
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            generation=meta.generation,
            accept_rewind=accepted(meta.annotations),
        )

    def apply(self, manifest: Manifest) -> Apply:
        """The step for a child: with the Region's own labels, and with the uid of what is there already (rule 6)."""
        given = manifest["metadata"]
        meta = {**given, "labels": {**copyable(self.region.metadata.labels), **given["labels"]}}
        complete = {**manifest, "metadata": meta}
        seen = ""
        for present in self.children.metas():
            if present.ref.kind == complete["kind"] and present.ref.name == meta["name"]:
                meta["uid"], seen = present.uid, present.resource_version
        return Apply(complete, seen=seen)


def site_of(region: Region, facts: RegionFacts) -> Site:
    return Site(
        hub=facts.hub.id,
        region_namespace=region.metadata.namespace,
        region=region.metadata.name,
        region_id=region.spec.id,
        namespace=region.placement_namespace,
    )


def workload(image: str, resources: ResourceRequirements | None, scheduling: Scheduling | None) -> Workload:
    """The knobs of a spec, as the manifest says them."""
    wanted: dict[str, Any] = resources.wire() if resources else {}
    return Workload(image=image, resources=wanted, scheduling=scheduling.wire() if scheduling else {})


def agent_endpoint(region: Region, facts: RegionFacts) -> str:
    """Where other regions and the operator reach the region's agent; "" while that is not known."""
    spec = region.spec
    if spec.external_agent:
        return spec.external_agent.url.rstrip("/")
    name = naming.agent(region.metadata.name)
    service = facts.children.services.get(name) if isinstance(facts.children, Children) else None
    return agent_url(spec.managed_agent.expose, service, inside=service_host(name, region.placement_namespace))


def management_endpoint(region: Region, facts: RegionFacts) -> str:
    """What addRegion tells other regions and browsers; "" while that is not known."""
    spec = region.spec
    if spec.management_server and spec.management_server.endpoint:
        return spec.management_server.endpoint
    if server := spec.external_management_server:
        return server.url.removesuffix("/").removesuffix("/api").rstrip("/") + "/"
    name = naming.management(region.metadata.name)
    service = facts.children.services.get(name) if isinstance(facts.children, Children) else None
    inside, managed = service_host(name, region.placement_namespace), spec.managed_management_server
    return management_url(managed.expose, service, inside=inside, tls=managed.tls_secret_ref is not None)


def management_api_url(region: Region) -> str:
    """Where the region's own agent speaks to its management server."""
    if server := region.spec.external_management_server:
        return server.url
    managed = region.spec.managed_management_server
    tls = managed.tls_secret_ref is not None
    port = service_port(managed.expose, management_port(tls=tls))
    host = service_host(naming.management(region.metadata.name), region.placement_namespace)
    return f"{'https' if tls else 'http'}://{host}:{port}/client/api"


def database_image(region: Region, facts: RegionFacts, settings: PlanSettings) -> str:
    """The spec's image; without one what runs already is held, so an upgraded operator restarts no database."""
    managed = region.spec.database.managed
    if managed and managed.image:
        return managed.image
    present = (
        facts.children.stateful_sets.get(naming.database(region.metadata.name))
        if isinstance(facts.children, Children)
        else None
    )
    held = present.images.get("mariadb", "") if present else ""
    noted = region.status.database.image if region.status.database else ""
    return held or noted or settings.mariadb_image
