"""Conditions of a Region about what runs: database, management servers, agent."""

from typing import Literal

from region_operator import naming
from region_operator.api.agent import API_VERSIONS
from region_operator.api.conditions import Finding
from region_operator.controller.facts import Children, PodFacts, Unknown, VolumeClaimFacts, WorkloadFacts
from region_operator.controller.plan.quantity import quantity
from region_operator.controller.status.region_scene import Scene, finding

Workload = Literal["DatabaseReady", "ManagementServerReady", "AgentReady"]


def database_ready(scene: Scene) -> Finding:
    """Whether the database answers its agent, and is as large and as prepared as asked for."""
    external = scene.region.spec.database.external is not None
    seen = _external_database(scene) if external else _managed_database(scene)
    told = scene.told("DatabaseReady")
    if told is not None and told.reason == "Preparing" and _works_with_database(scene):
        told = None  # it was prepared before: Reconciling says that it is done again
    return _ended(scene, _stricter(told, seen))


def _works_with_database(scene: Scene) -> bool:
    return scene.agent is not None and scene.agent.database_reachable and scene.agent.schema_version > 0


def _managed_database(scene: Scene) -> Finding:
    name = naming.database(scene.region.metadata.name)
    if scene.children is None:
        return _lost(scene, "DatabaseReady")
    stopped = _not_running("DatabaseReady", scene.children.stateful_sets.get(name))
    if stopped:
        return stopped
    claim = scene.children.volume_claims.get(naming.database_volume(scene.region.metadata.name))
    growing = _growing(claim) if claim else None
    return growing or _refused_connection(scene) or finding("DatabaseReady", "True", "Ready", "the database serves")


def _growing(claim: VolumeClaimFacts) -> Finding | None:
    if not claim.capacity or not claim.requested or quantity(claim.capacity) >= quantity(claim.requested):
        return None
    told = f"volume {claim.meta.ref.name} grows from {claim.capacity} to {claim.requested}"
    if claim.expandable is False:
        told += f"; StorageClass {claim.storage_class} does not let volumes grow"
    return finding("DatabaseReady", "False", "StorageResizing", f"{told} {claim.condition} {claim.message}".strip())


def _external_database(scene: Scene) -> Finding:
    refused = _refused_connection(scene)
    if refused:
        return refused
    if scene.agent is not None and scene.agent.schema_version > 0:
        return finding("DatabaseReady", "True", "ExternalReady", "the agent works with the database")
    status = scene.facts.agent.status
    if isinstance(status, Unknown) and scene.facts.agent.last is not None:
        return finding("DatabaseReady", "Unknown", "AgentUnreachable", status.message)
    if scene.children is None:
        return _lost(scene, "DatabaseReady")
    if any(job.state == "Complete" for job in scene.children.jobs.values()):
        return finding("DatabaseReady", "True", "ExternalReady", "the database is prepared")
    return finding("DatabaseReady", "Unknown", "NotObserved", "the agent has not worked with the database yet")


def _refused_connection(scene: Scene) -> Finding | None:
    """What the agent says is wrong between it and the database."""
    agent = scene.agent
    if agent is None or agent.database_reachable:
        return None
    message = agent.database_message or "the agent does not reach the database"
    reason = "CredentialsRejected" if "access denied" in message.lower() else "ConnectionFailed"
    return finding("DatabaseReady", "False", reason, message)


def management_server_ready(scene: Scene, database: Finding) -> Finding:
    """Whether the management servers run and let the region's agent in."""
    type_: Workload = "ManagementServerReady"
    external = scene.region.spec.external_management_server is not None
    told = scene.told(type_)
    if not external:
        seen = _managed_deployment(scene, type_, naming.management(scene.region.metadata.name), database)
        refused = _refused_calls(scene) if seen is None else None
        return _ended(scene, _stricter(told, seen or refused or finding(type_, "True", "Ready", "the servers serve")))
    return _ended(scene, _stricter(told, _refused_calls(scene) or _external_server(scene, database)))


def _external_server(scene: Scene, database: Finding) -> Finding:
    type_, agent = "ManagementServerReady", scene.agent
    if agent is not None and agent.management.reachable:
        return finding(type_, "True", "ExternalReady", "the server lets the agent in")
    status = scene.facts.agent.status
    if agent is None and isinstance(status, Unknown):
        return finding(type_, "Unknown", "AgentUnreachable", status.message)
    if agent is None and database.status != "True":
        return finding(type_, "False", "WaitingForDatabase", database.message)
    return finding(type_, "Unknown", "NotObserved", "the agent has not called the server yet")


def _refused_calls(scene: Scene) -> Finding | None:
    """What the agent says is wrong between it and the servers."""
    agent = scene.agent
    if agent is None or agent.management.reachable is not False:
        return None
    reason = "CredentialsRejected" if agent.management.reason in ("AuthFailed", "SecretMissing") else "ConnectionFailed"
    message = agent.management.message or "the agent does not reach the management server"
    return finding("ManagementServerReady", "False", reason, message)


def agent_ready(scene: Scene, database: Finding) -> Finding:
    """Whether the agent runs, answers, and works by the document of this generation."""
    external = scene.region.spec.external_agent is not None
    name = naming.agent(scene.region.metadata.name)
    seen = (None if external else _managed_deployment(scene, "AgentReady", name, database)) or _agent_answers(scene)
    good = finding("AgentReady", "True", "ExternalReady" if external else "Ready", "the agent works as configured")
    return _ended(scene, _stricter(scene.told("AgentReady"), seen or good))


def _agent_answers(scene: Scene) -> Finding | None:
    """What is wrong with the agent's own answers."""
    status, agent = scene.facts.agent.status, scene.agent
    if agent is None:
        if isinstance(status, Unknown):
            return finding("AgentReady", "Unknown", status.reason, status.message)
        if scene.children is None:
            return _lost(scene, "AgentReady")
        return finding("AgentReady", "False", "Provisioning", "the agent has not answered yet")
    if agent.region_id != scene.region.spec.id:
        message = f"the agent at {scene.facts.agent.endpoint} serves region {agent.region_id}"
        return finding("AgentReady", "False", "WrongRegion", message)
    if not set(agent.api_versions) & set(API_VERSIONS):
        message = f"the agent speaks {', '.join(agent.api_versions) or 'no version'}, this operator {API_VERSIONS[0]}"
        return finding("AgentReady", "False", "VersionSkew", message)
    return None if scene.acknowledged else _not_acknowledged(scene)


def _not_acknowledged(scene: Scene) -> Finding | None:
    refusal = scene.facts.agent.refusal
    if refusal is not None:
        return finding("AgentReady", "False", "ConfigurationRefused", f"{refusal.reason}: {refusal.message}")
    if scene.region.spec.paused or scene.facts.deleting:
        return None  # nothing is sent, on purpose
    message = f"the agent does not have generation {scene.region.metadata.generation} of this Region yet"
    return finding("AgentReady", "False", "ConfigurationPending", message)


# --- what they share --------------------------------------------------------------------------------------------------


def _stricter(told: Finding | None, seen: Finding) -> Finding:
    """What the plan waits for, unless the facts know better why it is not there."""
    if told is None or (told.reason in ("Provisioning", "NotReady") and seen.status == "False"):
        return seen
    return told


def _ended(scene: Scene, seen: Finding) -> Finding:
    if scene.facts.deleting and seen.status == "False":
        return finding(seen.type, "False", "Deleting", "it is removed with the Region")
    return seen


def _managed_deployment(scene: Scene, type_: Workload, name: str, database: Finding) -> Finding | None:
    """Why a Deployment does not run as asked for; None when it does, or when only its agent can tell."""
    children = scene.facts.children
    if not isinstance(children, Children):
        return None if type_ == "AgentReady" else _lost(scene, type_)
    workload = children.deployments.get(name)
    if workload is None and database.status != "True":
        return finding(type_, "False", "WaitingForDatabase", database.message)
    return _not_running(type_, workload)


def _not_running(type_: Workload, workload: WorkloadFacts | None) -> Finding | None:
    if workload is None:
        return finding(type_, "False", "Provisioning", "it is being made")
    if workload.rolled_out:
        return None
    trouble = _trouble(workload.pods)
    ready = f"{workload.ready_replicas} of {workload.replicas} Pods are ready"
    if trouble:
        return finding(type_, "False", "NotReady", f"{ready}; {trouble}")
    rolling = workload.observed_generation < workload.meta.generation or workload.updated_replicas < workload.replicas
    return finding(type_, "False", "Provisioning" if rolling else "NotReady", ready)


def _trouble(pods: tuple[PodFacts, ...]) -> str:
    told = (f"Pod {pod.name}: {pod.reason} {pod.message}".strip() for pod in pods if not pod.ready and pod.reason)
    return next(told, "")


def _lost(scene: Scene, type_: Workload) -> Finding:
    children = scene.facts.children
    message = children.message if isinstance(children, Unknown) else "the region's cluster cannot be reached"
    return finding(type_, "Unknown", "PlacementUnreachable", message)
