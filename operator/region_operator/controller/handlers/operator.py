"""The leading operator, composed: watches wake keys, mailboxes and workers serialise them, reconcilers do the rest."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime

from region_operator import naming
from region_operator.api.region import Region
from region_operator.controller.agent_client import AgentClient
from region_operator.controller.events import EventRecorder
from region_operator.controller.execute import Executor
from region_operator.controller.fleet import PEERING, POLICY, REGION, Entry, Fleet, entry_of
from region_operator.controller.handlers.definitions import outdated_definitions
from region_operator.controller.handlers.health import Metrics
from region_operator.controller.handlers.left_behind import LeftBehind
from region_operator.controller.handlers.watching import Change as KindChange
from region_operator.controller.handlers.watching import Watching
from region_operator.controller.observe.agents import AgentObserver, News
from region_operator.controller.observe.peerings import PeeringObserver
from region_operator.controller.observe.scans import ScanObserver, Subjects
from region_operator.controller.plan.context import PlanSettings
from region_operator.controller.reconcile.peering import PeeringReconciler
from region_operator.controller.reconcile.policy import PolicyReconciler
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.controller.reconcile.region import Hub, Ports, RegionReconciler
from region_operator.controller.reconcile.scans import FULL_SCANS, Command, FullScansReconciler
from region_operator.controller.status.lag import shown
from region_operator.errors import Refused
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.clusters import Clusters
from region_operator.kubernetes.watch import Change, Watches
from region_operator.settings import OperatorSettings
from region_operator.supervision.mailboxes import Mailboxes
from region_operator.supervision.results import Result
from region_operator.supervision.supervisor import Supervisor
from region_operator.supervision.units import Key, Lane, Unit
from region_operator.supervision.workers import Workers

log = logging.getLogger(__name__)

WATCHED_CHILDREN = (
    kinds.STATEFUL_SET,
    kinds.DEPLOYMENT,
    kinds.JOB,
    kinds.SERVICE,
    kinds.CONFIG_MAP,
    kinds.NETWORK_POLICY,
    kinds.POD_DISRUPTION_BUDGET,
)
Handler = Callable[[Key], Coroutine[None, None, Result]]

DRAIN_S = 20.0
TIDY_EVERY_S = 300.0


def _now() -> datetime:
    return datetime.now(UTC)


def _password() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Leadership:
    """What gaining the Lease gives: a term, and the proof that is asked for before each write."""

    term: int
    may_write: Callable[[], bool]


class Operator:
    """Everything that runs while this process leads."""

    def __init__(
        self, settings: OperatorSettings, local: Cluster, *, fleet: Fleet, mailboxes: Mailboxes[Key], metrics: Metrics
    ) -> None:
        self._settings, self._local, self._mailboxes, self._metrics = settings, local, mailboxes, metrics
        self._fleet = fleet
        self._supervisor = Supervisor()
        self._namespaces = tuple(item.strip() for item in settings.watch_namespaces.split(",") if item.strip())

    async def run(self, leadership: Leadership, *, stop: asyncio.Event) -> None:
        """Reconcile until ``stop``; then finish what runs, and return."""
        hub_id = await self._local.identity()
        self._metrics.outdated_definitions.set(len(await outdated_definitions(self._local)))
        watches = Watches(
            self._supervisor,
            kinds=WATCHED_CHILDREN,
            selector=f"{naming.LABEL_HUB}={hub_id}",
            on_change=self._on_child,
        )
        clusters = Clusters(
            self._local,
            may_write=leadership.may_write,
            allow_special_addresses=self._settings.allow_loopback_clusters,
            on_close=watches.uncover,
        )
        client = AgentClient(before_write=_guard(leadership.may_write))
        agents = AgentObserver(client, on_news=self._on_news, shown=shown)
        handlers = self._reconcilers(
            self._hub(hub_id, leadership.term), clusters, client=client, agents=agents, watches=watches
        )

        async def handle(unit: Unit[Key]) -> Result:
            return await handlers[unit.key.kind](unit.key)

        workers = Workers(self._mailboxes, handle, on_pass=self._metrics.on_pass)
        await self._list_all()
        watching = self._watching(stop)
        watching.start()
        working = asyncio.create_task(workers.run())
        left_behind = LeftBehind(watches, self._fleet, namespaces=self._namespaces, gauge=self._metrics.left_behind)

        async def tidy() -> None:
            left_behind.look()
            await clusters.close_unused()

        tidying = asyncio.create_task(_every(TIDY_EVERY_S, tidy))
        try:
            await stop.wait()
        finally:
            watching.stop()
            await workers.drain(DRAIN_S)
            tidying.cancel()
            await asyncio.gather(working, tidying, return_exceptions=True)
            await agents.close()
            await self._supervisor.close()
            await client.close()

    def _watching(self, stop: asyncio.Event) -> Watching:
        """The thread of kopf; its events come over into our loop, and when it ends, so do we."""
        loop = asyncio.get_running_loop()

        def on_event(change: KindChange, entry: Entry, resource_version: str) -> None:
            loop.call_soon_threadsafe(self._on_kind, change, entry, resource_version)

        def on_exit() -> None:
            with contextlib.suppress(RuntimeError):  # our loop may be closed by then
                loop.call_soon_threadsafe(stop.set)

        return Watching(namespaces=self._namespaces, on_event=on_event, on_exit=on_exit)

    def _hub(self, hub_id: str, term: int) -> Hub:
        settings = self._settings
        return Hub(hub_id, term, PlanSettings(settings.image, settings.mariadb_image), settings.poll_seconds)

    def _reconcilers(
        self,
        hub: Hub,
        clusters: Clusters,
        *,
        client: AgentClient,
        agents: AgentObserver,
        watches: Watches,
    ) -> dict[str, Handler]:
        settings, local = self._settings, self._local
        events = EventRecorder(local, instance=settings.pod_name)
        writer = StatusWriter(local, self._fleet, events)
        scans, subjects = ScanObserver(client, agents.endpoint), Subjects()
        peerings = PeeringObserver(local, self._fleet, agents, scans=scans, poll_s=settings.poll_seconds)

        region = self._region_reconciler(
            hub,
            clusters,
            client=client,
            agents=agents,
            watches=watches,
            peerings=peerings,
            writer=writer,
            events=events,
        )
        peering = PeeringReconciler(
            local,
            peerings,
            writer,
            subjects=subjects,
            events=events,
            now=_now,
            poll_s=settings.poll_seconds,
            enqueue=self._mailboxes.add,
        )
        full_scans = FullScansReconciler(
            Command(hub.id, hub.term, settings.max_concurrent_scans, settings.poll_seconds),
            fleet=self._fleet,
            subjects=subjects,
            observer=scans,
            agents=client,
            heard=agents,
            enqueue=self._mailboxes.add,
            now=_now,
            on_pass=self._metrics.on_scans,
        )
        policy = PolicyReconciler(
            local,
            self._fleet,
            agents,
            writer=writer,
            now=_now,
            poll_s=settings.poll_seconds,
            scans_of=full_scans.figures_of,
        )
        return {
            REGION: region.reconcile,
            PEERING: peering.reconcile,
            POLICY: policy.reconcile,
            FULL_SCANS: full_scans.reconcile,
        }

    def _region_reconciler(  # noqa: PLR0913 - what a pass over a Region reaches
        self,
        hub: Hub,
        clusters: Clusters,
        *,
        client: AgentClient,
        agents: AgentObserver,
        watches: Watches,
        peerings: PeeringObserver,
        writer: StatusWriter,
        events: EventRecorder,
    ) -> RegionReconciler:
        async def warn(region: Region, reason: str, message: str) -> None:
            body = {"apiVersion": naming.API_VERSION, "kind": REGION, "metadata": region.metadata.wire()}
            await events.record(body, "Warning", reason, message)

        return RegionReconciler(
            hub,
            Ports(
                clusters=clusters,
                fleet=self._fleet,
                agents=agents,
                peerings=peerings,
                executor=Executor(agents=client, observer=agents, warn=warn, now=_now),
                writer=writer,
                watches=watches,
                enqueue=self._mailboxes.add,
                now=_now,
                generate=_password,
            ),
        )

    # --- what wakes keys -----------------------------------------------------------------------------------------

    async def _list_all(self) -> None:
        """List the three kinds once before anything is decided about duplicates (OPERATOR.md 3)."""
        for kind in kinds.OWN_KINDS:
            for namespace in self._namespaces or (None,):
                for body in await self._local.list(kind, namespace):
                    entry = entry_of(body)
                    self._fleet.seen(entry, body["metadata"].get("resourceVersion", ""))
                    seen = (body.get("status") or {}).get("observedGeneration") == entry.generation
                    if seen and not entry.deleting:
                        self._mailboxes.seed(entry.key)
                    else:
                        self._mailboxes.add(entry.key)
        self._fleet.listed = True

    def _on_kind(self, change: KindChange, entry: Entry, resource_version: str) -> None:
        affected = self._fleet.gone(entry.key) if change == "gone" else self._fleet.seen(entry, resource_version)
        for key in affected:
            self._mailboxes.add(key)

    def _on_child(self, change: Change) -> None:
        labels = change.labels
        namespace, name = labels.get(naming.LABEL_REGION_NAMESPACE), labels.get(naming.LABEL_REGION_NAME)
        if namespace and name:
            key = Key(REGION, namespace, name)
            if self._fleet.get(key) is not None:
                self._mailboxes.add(key)

    def _on_news(self, news: News) -> None:
        namespace, name = news.region.namespace, news.region.name
        if news.own:
            scans = Key(FULL_SCANS, namespace, "")  # an agent that is back may have one to go on with
            for key in (news.region, scans, *self._fleet.policies_of(namespace, name)):
                self._mailboxes.add(key)
        for entry in self._fleet.peerings_of(namespace, name) if news.links else ():
            if news.own:
                self._mailboxes.add(entry.key, lane=Lane.CHANGE)
            else:  # under load there are other figures all the time
                self._mailboxes.add_after(entry.key, self._settings.poll_seconds)


def bulkhead_of(fleet: Fleet) -> Callable[[Key], str]:
    """Names a key's failure domain: the cluster that its Region runs in, by the Secret that leads there."""

    def bulkhead(key: Key) -> str:
        entry = fleet.get(key)
        return f"{key.namespace}/{entry.kubeconfig}" if entry is not None and entry.kubeconfig else ""

    return bulkhead


def _guard(may_write: Callable[[], bool]) -> Callable[[], None]:
    def before_write() -> None:
        if not may_write():
            raise Refused(reason="NotLeader", message="the Lease was not renewed in time")

    return before_write


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await act()
