"""The stages of a Region's plan that make what runs: Services, policies, database, prepare Job, servers, agent."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from region_operator import naming
from region_operator.controller.plan import agent, database, management, secrets
from region_operator.controller.plan.context import (
    Context,
    database_image,
    management_api_url,
    management_endpoint,
    workload,
)
from region_operator.controller.plan.endpoints import management_url, service_host
from region_operator.controller.plan.external import grants_awaited
from region_operator.controller.plan.labels import owned
from region_operator.controller.plan.mycnf import my_cnf
from region_operator.controller.plan.network import network_policies
from region_operator.controller.plan.prepare import PrepareInputs, prepare_job, prepare_steps
from region_operator.controller.plan.steps import Delete, Manifest, OrphanDelete, Step, Wait, reference

_REPLACEABLE = ("Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget")


# --- network ------------------------------------------------------------------------------------------------------


def network_stage(context: Context) -> list[Step]:
    """Services first, since a load balancer takes its time; and whatever the spec no longer asks for goes."""
    manifests = network_manifests(context)
    return [*_obsolete(context, manifests), *(context.apply(manifest) for manifest in manifests)]


def network_manifests(context: Context) -> list[Manifest]:
    spec, site, tls = context.region.spec, context.site, context.management_tls
    manifests: list[Manifest] = []
    if spec.external_management_server is None:
        manifests.append(management.service(site, expose=spec.managed_management_server.expose, tls=tls))
    if spec.external_agent is None:
        manifests.append(agent.service(site, expose=spec.managed_agent.expose))
    if spec.network_policies == "Managed":
        manifests += network_policies(
            site,
            database=spec.database.managed is not None,
            management=spec.external_management_server is None,
            agent=spec.external_agent is None,
            management_tls=tls,
        )
    return manifests


def _obsolete(context: Context, manifests: Iterable[Manifest]) -> list[Step]:
    """Children that the spec asked for once; what holds data is never among them."""
    spec, region = context.region.spec, context.site.region
    wanted = {(item.kind, item.name) for item in map(reference, manifests)}
    managed = spec.database.managed
    if managed:
        wanted |= {("Service", naming.database(region)), ("Service", naming.database_headless(region))}
        wanted |= {("PodDisruptionBudget", naming.database(region))} if managed.disruption == "Block" else set()
    wanted |= {("Deployment", naming.agent(region))} if spec.external_agent is None else set()
    wanted |= {("Deployment", naming.management(region))} if spec.external_management_server is None else set()
    return [
        Delete(item.ref, item.uid)
        for item in sorted(context.children.metas(), key=lambda meta: meta.ref)
        if item.ref.kind in _REPLACEABLE
        and (item.ref.kind, item.ref.name) not in wanted
        and owned(context.site, item.labels)
        and not item.deleting
    ]


# --- database -----------------------------------------------------------------------------------------------------


def database_stage(context: Context) -> list[Step]:
    """A managed database, grown if it is to be larger; of an external one there is nothing to make."""
    inputs = database_inputs(context)
    if inputs is None:
        return []
    region = context.site.region
    present = context.children.stateful_sets.get(naming.database(region))
    claim = context.children.volume_claims.get(naming.database_volume(region))
    steps: list[Step] = []
    for manifest in database.database_manifests(context.site, inputs):
        apply = context.apply(manifest)
        if manifest["kind"] != "StatefulSet":
            steps.append(apply)
            continue
        growth = database.growth_steps(apply.manifest, claim=claim, present=present)
        steps += growth
        if any(isinstance(step, Wait) for step in growth):
            return steps
        if not any(isinstance(step, OrphanDelete) for step in growth):
            steps.append(apply)
    if not _database_ready(context):
        steps.append(Wait("DatabaseReady", "Provisioning", "the database server is starting", gate=False))
    return steps


def database_inputs(context: Context) -> database.DatabaseInputs | None:
    """What the StatefulSet is made from; None with an external database."""
    managed = context.region.spec.database.managed
    if managed is None:
        return None
    resources = managed.resources
    memory = ((resources.requests or {}).get("memory") or (resources.limits or {}).get("memory")) if resources else None
    text = my_cnf(managed.settings or {}, memory=memory)
    region = context.site.region
    image = database_image(context.region, context.facts, context.settings)
    return database.DatabaseInputs(
        workload=workload(image, resources, managed.scheduling),
        storage_size=managed.storage.size,
        storage_class=managed.storage.storage_class_name,
        configuration=text,
        restart_on={
            "configuration": hashlib.sha256(text.encode()).hexdigest()[:16],
            "init": context.digest_of(naming.database(region), "init.sql"),
            "certificate": context.digest_of(naming.database_tls(region), "tls.crt"),
        },
        block_disruption=managed.disruption == "Block",
    )


def _database_ready(context: Context) -> bool:
    if context.region.spec.database.external:
        return True
    present = context.children.stateful_sets.get(naming.database(context.site.region))
    return present is not None and present.rolled_out


# --- prepare ------------------------------------------------------------------------------------------------------


def prepare_stage(context: Context) -> list[Step]:
    """Schema and users before anything changes that needs them; without an admin somebody runs the SQL by hand.

    The Job waits for a managed database by itself, and programs that are new wait for both: what takes long in the
    life of a young Region is that Pods start, so they start together.
    """
    external = context.region.spec.database.external
    if external and external.admin_credentials_secret_ref is None:
        if not grants_awaited(context.region, context.facts.agent.last):
            return []
        message = "run the SQL of status.database.requiredGrants on the database, as its administrator"
        return [Wait("DatabaseReady", "GrantsRequired", message, gate=False)]
    job, retire = prepare_job_of(context), prepare_job_of(context, retire=True)
    keep = frozenset({retire["metadata"]["name"]})
    steps = prepare_steps(job, context.children.jobs, keep=keep, external=external is not None)
    return [*steps, *_new_workloads(context)] if any(isinstance(step, Wait) for step in steps) else steps


def _new_workloads(context: Context) -> list[Step]:
    """Deployments that are not there yet; one that is keeps its present users until the new ones are made."""
    there = context.children.deployments
    return [context.apply(item) for item in workload_manifests(context) if item["metadata"]["name"] not in there]


def prepare_job_of(context: Context, *, retire: bool = False) -> Manifest:
    """The Job for what is wanted now; ``retire``: the last run of a change of passwords, which locks the old users."""
    spec, site = context.region.spec, context.site
    managed = spec.external_management_server is None
    image = spec.managed_agent.image or context.settings.image
    inputs = PrepareInputs(
        workload=workload(image, None, None),
        database=context.access,
        management_endpoint=management_endpoint(context.region, context.facts) or _inside_endpoint(context),
        managed_management_server=managed,
        managed_database=spec.database.managed is not None,
        inputs=_prepare_digests(context),
        retire_other_users=retire,
    )
    return prepare_job(site, inputs)


def _inside_endpoint(context: Context) -> str:
    """What the region says of itself until its load balancer has an address; the next run corrects it."""
    expose = context.region.spec.managed_management_server.expose.model_copy(update={"type": "ClusterIP", "host": None})
    inside = service_host(naming.management(context.site.region), context.site.namespace)
    return management_url(expose, None, inside=inside, tls=context.management_tls)


def _prepare_digests(context: Context) -> dict[str, str]:
    region = context.site.region
    digests = {"agent": _credentials(context, "agent")}
    if context.region.spec.external_management_server is None:
        digests["manager"] = _credentials(context, "manager")
        digests["cloud-admin"] = context.digest_of(naming.admin(region), "password")
        api = naming.management_api(region)
        digests["management-api"] = context.digest_of(api, "apiKey") + context.digest_of(api, "secretKey")
    return digests


def _credentials(context: Context, user: secrets.Paired) -> str:
    """Changes whenever a program has to sign in anew."""
    name = naming.database(context.site.region)
    seen = context.children.secrets.get(name)
    number = secrets.revision(seen, user) if seen else 0
    return f"{number}-{context.digest_of(name, f'{user}-username')}-{context.digest_of(name, f'{user}-password')}"


# --- workloads ----------------------------------------------------------------------------------------------------


def workloads_stage(context: Context) -> list[Step]:
    """Management servers and agent; once both use the present users, the others are locked."""
    manifests = workload_manifests(context)
    steps: list[Step] = [context.apply(manifest) for manifest in manifests]
    seen = context.children.secrets.get(naming.database(context.site.region))
    changed = seen is not None and max(secrets.revision(seen, "agent"), secrets.revision(seen, "manager")) > 1
    if changed and _has_admin(context) and _all_rolled_out(context, manifests):
        present = prepare_job_of(context)["metadata"]["name"]
        retire = prepare_job_of(context, retire=True)
        # Told, but no gate: a user that is not locked yet is no reason to hold back the configuration.
        for step in prepare_steps(retire, context.children.jobs, keep=frozenset({present})):
            steps.append(replace(step, gate=False) if isinstance(step, Wait) else step)
    return steps


def _has_admin(context: Context) -> bool:
    external = context.region.spec.database.external
    return external is None or external.admin_credentials_secret_ref is not None


def _all_rolled_out(context: Context, manifests: Iterable[Manifest]) -> bool:
    """Every Deployment runs the template that ``manifests`` ask for, and nothing older."""
    for manifest in manifests:
        present = context.children.deployments.get(manifest["metadata"]["name"])
        wanted = manifest["spec"]["template"]["metadata"]["annotations"]
        if present is None or not present.rolled_out:
            return False
        if any(present.template_annotations.get(key) != value for key, value in wanted.items()):
            return False
    return True


def workload_manifests(context: Context) -> list[Manifest]:
    spec, site = context.region.spec, context.site
    manifests: list[Manifest] = []
    if spec.external_management_server is None:
        manifests.append(management.deployment(site, management_inputs(context)))
    if spec.external_agent is None:
        manifests.append(agent.deployment(site, agent_inputs(context)))
    return manifests


def management_inputs(context: Context) -> management.ManagementInputs:
    managed = context.region.spec.managed_management_server
    return management.ManagementInputs(
        workload=workload(managed.image or context.settings.image, managed.resources, managed.scheduling),
        replicas=managed.replicas,
        database=context.access,
        tls=context.management_tls,
        restart_on={"credentials": _credentials(context, "manager")},
    )


def agent_inputs(context: Context) -> agent.AgentInputs:
    managed = context.region.spec.managed_agent
    api, tls = naming.management_api(context.site.region), naming.management_tls(context.site.region)
    return agent.AgentInputs(
        workload=workload(managed.image or context.settings.image, managed.resources, managed.scheduling),
        database=context.access,
        management_url=management_api_url(context.region),
        management_ca=next((name for name in (api, tls) if context.digest_of(name, "ca.crt")), ""),
        restart_on={
            "credentials": _credentials(context, "agent"),
            "management-api": context.digest_of(api, "apiKey") + context.digest_of(api, "secretKey"),
        },
    )
