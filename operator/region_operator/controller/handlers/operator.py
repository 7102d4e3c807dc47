"""The leading operator, composed: watches wake keys, mailboxes and workers serialise them, reconcilers do the rest."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from region_operator import naming
from region_operator.controller.agent_client import AgentClient
from region_operator.controller.fleet import REGION, Entry, Fleet, entry_of
from region_operator.controller.handlers.definitions import outdated_definitions
from region_operator.controller.handlers.health import Metrics
from region_operator.controller.handlers.left_behind import LeftBehind
from region_operator.controller.handlers.reconcilers import Reach, Reconcilers
from region_operator.controller.handlers.watching import Change as KindChange
from region_operator.controller.handlers.watching import Watching
from region_operator.controller.observe.agents import AgentObserver, News
from region_operator.controller.plan.context import PlanSettings
from region_operator.controller.reconcile.region import Hub
from region_operator.controller.reconcile.scans import FULL_SCANS
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

DRAIN_S = 20.0
TIDY_EVERY_S = 300.0


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
        reach = await self._reach(leadership)
        left_behind = LeftBehind(
            reach.watches, self._fleet, namespaces=self._namespaces, gauge=self._metrics.left_behind
        )

        async def tidy() -> None:
            left_behind.look()
            await reach.clusters.close_unused()

        await self._list_all()
        try:
            await self._work(self._workers(reach), tidy, stop=stop)
        finally:
            await reach.agents.close()
            await self._supervisor.close()
            await reach.client.close()

    async def _reach(self, leadership: Leadership) -> Reach:
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
        return Reach(
            settings=self._settings,
            hub=self._hub(hub_id, leadership.term),
            local=self._local,
            clusters=clusters,
            watches=watches,
            fleet=self._fleet,
            client=client,
            agents=AgentObserver(client, on_news=self._on_news, shown=shown),
            metrics=self._metrics,
            enqueue=self._mailboxes.add,
        )

    def _workers(self, reach: Reach) -> Workers[Key]:
        handlers = Reconcilers(reach).by_kind()

        async def handle(unit: Unit[Key]) -> Result:
            return await handlers[unit.key.kind](unit.key)

        return Workers(self._mailboxes, handle, on_pass=self._metrics.on_pass)

    async def _work(self, workers: Workers[Key], tidy: Callable[[], Awaitable[None]], *, stop: asyncio.Event) -> None:
        watching = self._watching(stop)
        watching.start()
        working = asyncio.create_task(workers.run())
        tidying = asyncio.create_task(_every(TIDY_EVERY_S, tidy))
        try:
            await stop.wait()
        finally:
            watching.stop()
            await workers.drain(DRAIN_S)
            tidying.cancel()
            await asyncio.gather(working, tidying, return_exceptions=True)

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
