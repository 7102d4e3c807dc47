"""Does what a plan says, step by step, and stops at the first step that fails.

The only place that writes: to Kubernetes through its door, to agents through their control API. No database and no
management server is spoken to (OPERATOR.md 11). Nothing is decided here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from region_operator import naming
from region_operator.api.region import Region
from region_operator.controller import issue
from region_operator.controller.agent_client import AgentClient, AgentRefused
from region_operator.controller.facts import Invalid, ObjectRef
from region_operator.controller.finalizer import set_finalizer
from region_operator.controller.observe.agents import AgentObserver
from region_operator.controller.outcome import Failure, Outcome
from region_operator.controller.plan import steps
from region_operator.controller.plan.steps import RegionPlan, Step
from region_operator.errors import Conflict, InvalidInput, Refused, Unavailable
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.kinds import Kind
from region_operator.supervision.units import Key

Warn = Callable[[Region, str, str], Awaitable[None]]

_OWNER_LABELS = (naming.LABEL_REGION_NAMESPACE, naming.LABEL_REGION_NAME)


@dataclass(frozen=True)
class Site:
    """Where the steps of one Region go."""

    region: Region
    hub: Cluster
    placement: Cluster | None

    def cluster(self, where: steps.Where) -> Cluster:
        if where == "hub":
            return self.hub
        if self.placement is None:
            raise Unavailable(reason="PlacementUnreachable", message="the cluster of the region cannot be reached")
        return self.placement


class Executor:
    """Executes plans of Regions.

    Args:
        warn: publishes an Event of type Warning.
        now: for the validity of certificates.
    """

    def __init__(
        self, *, agents: AgentClient, observer: AgentObserver, warn: Warn, now: Callable[[], datetime]
    ) -> None:
        self._agents, self._observer, self._warn, self._now = agents, observer, warn, now

    async def run(self, site: Site, plan: RegionPlan) -> Outcome:
        """Do the plan; the outcome tells how many steps changed something and which one failed."""
        changed = 0
        for stage, step in plan.steps:
            if isinstance(step, steps.Wait):
                continue
            try:
                changed += await self._do(site, step)
            except (InvalidInput, Refused) as error:
                failure = Failure(stage, step, error.reason, str(error), stalled=error.reason == "NameCollision")
                return Outcome(changed, failure)
            except Unavailable as error:
                return Outcome(changed, Failure(stage, step, error.reason, str(error), unknown=True))
            except Conflict as error:
                return Outcome(changed, Failure(stage, step, "Conflict", str(error)))
        return Outcome(changed)

    async def _do(self, site: Site, step: Step) -> int:
        """Do one step; returns 1 when it changed something."""
        match step:
            case steps.Apply():
                return await _apply(site.cluster(step.where), step)
            case steps.CreateOnly():
                return await _create_only(site, step)
            case steps.Patch():
                kind = _kind(step.ref)
                await site.cluster(step.where).merge_patch(
                    kind,
                    step.ref.namespace,
                    step.ref.name,
                    step.body,
                    uid=step.uid,
                    resource_version=step.resource_version,
                )
            case steps.Delete():
                return await _delete(site.cluster(step.where), step.ref, uid=step.uid, propagation="Foreground")
            case steps.OrphanDelete():
                return await _delete(site.cluster("placement"), step.ref, uid=step.uid, propagation="Orphan")
            case steps.PatchVolumeClaim():
                body = {"spec": {"resources": {"requests": {"storage": step.size}}}}
                await site.cluster("placement").merge_patch(
                    kinds.PERSISTENT_VOLUME_CLAIM, step.ref.namespace, step.ref.name, body, uid=step.uid
                )
            case steps.JsonPatch():
                await site.cluster(step.where).json_patch(
                    _kind(step.ref),
                    step.ref.namespace,
                    step.ref.name,
                    step.operations,
                    resource_version=step.resource_version,
                )
            case _:
                return await self._do_special(site, step)
        return 1

    async def _do_special(self, site: Site, step: Step) -> int:
        """The steps that are more than one call."""
        match step:
            case steps.CreateFleetSecret():
                return await issue.create_fleet(site.hub, step, now=self._now())
            case steps.IssueNextAuthority():
                await issue.issue_next_authority(site.hub, step, now=self._now())
            case steps.IssueCertificate():
                await issue.issue(site.hub, site.cluster(step.where), step, now=self._now())
            case steps.PushConfiguration():
                await self._push(site.region, step)
            case steps.AddFinalizer() | steps.RemoveFinalizer():
                wanted = isinstance(step, steps.AddFinalizer)
                await set_finalizer(site.hub, kinds.REGION, site.region.metadata, wanted=wanted)
            case steps.Warn():
                await self._warn(site.region, step.reason, step.message)
                return 0
        return 1

    async def _push(self, region: Region, step: steps.PushConfiguration) -> None:
        key = Key("Region", region.metadata.namespace, region.metadata.name)
        endpoint = self._observer.endpoint(key)
        if endpoint is None:
            raise Unavailable(reason="NotYetConnected", message="the agent's address is not known yet")
        try:
            answer = await self._agents.put_configuration(endpoint, step.document, etag=step.if_match)
        except AgentRefused as error:
            self._observer.refused(key, Invalid(error.reason, str(error), error.pointer))
            raise
        except Conflict:
            await self._observer.look(key)  # it holds another document than we believed: plan again on that
            raise
        self._observer.acknowledged(key, answer, step.document.rules)


async def _apply(cluster: Cluster, step: steps.Apply) -> int:
    kind, ref = kinds.kind_of(step.manifest), step.ref
    if cluster.is_applied(step.manifest, step.seen):
        return 0
    live = await cluster.get(kind, ref.namespace, ref.name)
    uid = step.manifest["metadata"].get("uid")
    after = await cluster.apply(step.manifest, uid=uid, live=live)
    return int(live is None or live["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"])


async def _create_only(site: Site, step: steps.CreateOnly) -> int:
    cluster = site.cluster(step.where)
    try:
        await cluster.create(step.manifest)
    except Conflict:
        ref = step.ref
        live = await cluster.get(kinds.kind_of(step.manifest), ref.namespace, ref.name)
        labels = (live or {}).get("metadata", {}).get("labels") or {}
        wanted = step.manifest["metadata"].get("labels") or {}
        if live is None or all(labels.get(name) == wanted.get(name) for name in _OWNER_LABELS):
            return 0
        message = f"{ref.kind} {ref.namespace}/{ref.name} exists and is not a part of this Region"
        raise Refused(reason="NameCollision", message=message) from None
    return 1


async def _delete(cluster: Cluster, ref: ObjectRef, *, uid: str, propagation: str) -> int:
    """Delete after a live look: an object that is gone, or is another one by now, is left alone."""
    live = await cluster.get(_kind(ref), ref.namespace, ref.name)
    if live is None or live["metadata"]["uid"] != uid or "deletionTimestamp" in live["metadata"]:
        return 0
    await cluster.delete(_kind(ref), ref.namespace, ref.name, uid=uid, propagation=propagation)
    return 1


def _kind(ref: ObjectRef) -> Kind:
    return kinds.BY_NAME[ref.kind]
