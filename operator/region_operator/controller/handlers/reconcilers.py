"""The passes over each kind, composed: what each of them reaches, and nothing of when they run."""

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime

from region_operator import naming
from region_operator.api.region import Region
from region_operator.controller.agent_client import AgentClient
from region_operator.controller.events import EventRecorder
from region_operator.controller.execute import Executor
from region_operator.controller.fleet import PEERING, POLICY, REGION, Fleet
from region_operator.controller.handlers.health import Metrics
from region_operator.controller.observe.agents import AgentObserver
from region_operator.controller.observe.peerings import PeeringObserver
from region_operator.controller.observe.scans import ScanObserver, Subjects
from region_operator.controller.reconcile.peering import PeeringReconciler
from region_operator.controller.reconcile.policy import PolicyReconciler
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.controller.reconcile.region import Hub, Ports, RegionReconciler
from region_operator.controller.reconcile.scans import FULL_SCANS, Command, FullScansReconciler
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.clusters import Clusters
from region_operator.kubernetes.watch import Watches
from region_operator.settings import OperatorSettings
from region_operator.supervision.results import Result
from region_operator.supervision.units import Key

Handler = Callable[[Key], Coroutine[None, None, Result]]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What passes reach while this process leads; ``enqueue`` asks for a pass over another object."""

    settings: OperatorSettings
    hub: Hub
    local: Cluster
    clusters: Clusters
    watches: Watches
    fleet: Fleet
    client: AgentClient
    agents: AgentObserver
    metrics: Metrics
    enqueue: Callable[[Key], None]


class Reconcilers:
    """The pass over each kind."""

    def __init__(self, reach: Reach) -> None:
        local, fleet, agents = reach.local, reach.fleet, reach.agents
        self._reach, self._poll_s = reach, reach.settings.poll_seconds
        self._events = EventRecorder(local, instance=reach.settings.pod_name)
        self._writer = StatusWriter(local, fleet, self._events)
        self._scans, self._subjects = ScanObserver(reach.client, agents.endpoint), Subjects()
        self._peerings = PeeringObserver(local, fleet, agents, scans=self._scans, poll_s=self._poll_s)

    def by_kind(self) -> dict[str, Handler]:
        full_scans = self._full_scans()
        return {
            REGION: self._region().reconcile,
            PEERING: self._peering().reconcile,
            POLICY: self._policy(full_scans).reconcile,
            FULL_SCANS: full_scans.reconcile,
        }

    def _region(self) -> RegionReconciler:
        reach = self._reach
        return RegionReconciler(
            reach.hub,
            Ports(
                clusters=reach.clusters,
                fleet=reach.fleet,
                agents=reach.agents,
                peerings=self._peerings,
                executor=Executor(agents=reach.client, observer=reach.agents, warn=self._warn, now=_now),
                writer=self._writer,
                watches=reach.watches,
                enqueue=reach.enqueue,
                now=_now,
                generate=_password,
            ),
        )

    async def _warn(self, region: Region, reason: str, message: str) -> None:
        body = {"apiVersion": naming.API_VERSION, "kind": REGION, "metadata": region.metadata.wire()}
        await self._events.record(body, "Warning", reason, message)

    def _peering(self) -> PeeringReconciler:
        return PeeringReconciler(
            self._reach.local,
            self._peerings,
            self._writer,
            subjects=self._subjects,
            events=self._events,
            now=_now,
            poll_s=self._poll_s,
            enqueue=self._reach.enqueue,
        )

    def _full_scans(self) -> FullScansReconciler:
        reach = self._reach
        return FullScansReconciler(
            Command(reach.hub.id, reach.hub.term, reach.settings.max_concurrent_scans, self._poll_s),
            fleet=reach.fleet,
            subjects=self._subjects,
            observer=self._scans,
            agents=reach.client,
            heard=reach.agents,
            enqueue=reach.enqueue,
            now=_now,
            on_pass=reach.metrics.on_scans,
        )

    def _policy(self, full_scans: FullScansReconciler) -> PolicyReconciler:
        reach = self._reach
        return PolicyReconciler(
            reach.local,
            reach.fleet,
            reach.agents,
            writer=self._writer,
            now=_now,
            poll_s=self._poll_s,
            scans_of=full_scans.figures_of,
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _password() -> str:
    return secrets.token_urlsafe(32)
