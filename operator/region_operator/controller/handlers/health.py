"""Liveness, readiness and metrics of the operator, plain HTTP on a port that the chart's NetworkPolicy guards.

Alive means: the loop answers, and no ready key waits for long; a program whose watching has ended, ends. A standby is
ready as well: leading is not a matter of readiness.
"""

from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from region_operator import __version__
from region_operator.controller.schedule.figures import Figures
from region_operator.supervision.mailboxes import Mailboxes
from region_operator.supervision.results import Failed
from region_operator.supervision.units import Key
from region_operator.supervision.workers import Pass

STUCK_AFTER_S = 120.0


class Metrics(Collector):
    """Prometheus metrics, named as controllers of the field name theirs."""

    def __init__(self, mailboxes: Mailboxes[Key], *, leading: Callable[[], bool]) -> None:
        self._mailboxes, self._leading = mailboxes, leading
        self.registry = CollectorRegistry()
        self._reconciles = Counter(
            "region_operator_reconcile_total", "Passes by kind and result.", ["kind", "result"], registry=self.registry
        )
        self._seconds = Histogram(
            "region_operator_reconcile_duration_seconds", "Duration of a pass.", ["kind"], registry=self.registry
        )
        info = Gauge("region_operator_build_info", "Version.", ["version"], registry=self.registry)
        info.labels(__version__).set(1)
        self.outdated_definitions = Gauge(
            "region_operator_outdated_definitions",
            "CustomResourceDefinitions in the cluster that are not of this version.",
            registry=self.registry,
        )
        self._scans = Gauge(
            "region_operator_full_scans",
            "Full scans that run or wait for a place, and peerings that are overdue.",
            ["namespace", "state"],
            registry=self.registry,
        )
        self._grants = Counter(
            "region_operator_full_scan_grants_total",
            "Full scans that agents were asked to run, by their answer.",
            ["namespace", "result"],
            registry=self.registry,
        )
        self.left_behind = Gauge(
            "region_operator_children_without_region",
            "Watched children of Regions that are not there, by cluster.",
            ["cluster"],
            registry=self.registry,
        )
        self.registry.register(self)
        ProcessCollector(registry=self.registry)  # memory, CPU and open files, under their usual names

    def on_pass(self, done: Pass[Key]) -> None:
        """Count a pass."""
        result = "failed" if isinstance(done.result, Failed) else "ok"
        self._reconciles.labels(done.unit.key.kind, result).inc()
        self._seconds.labels(done.unit.key.kind).observe(done.seconds)

    def on_scans(self, namespace: str, counted: Figures, *, granted: int, refused: Sequence[str]) -> None:
        """Take note of how the full scans of a fleet stand."""
        for state in ("running", "waiting", "overdue"):
            self._scans.labels(namespace, state).set(getattr(counted, state))
        if granted:
            self._grants.labels(namespace, "taken").inc(granted)
        for reason in refused:
            self._grants.labels(namespace, reason).inc()

    def collect(self) -> list[Metric]:
        """Read the mailboxes at the time of the scrape."""
        depth = GaugeMetricFamily("region_operator_workqueue_depth", "Ready keys.", labels=["bulkhead"])
        for bulkhead, count in self._mailboxes.depth().items():
            depth.add_metric([bulkhead], count)
        oldest = GaugeMetricFamily("region_operator_workqueue_oldest_seconds", "Age of the oldest ready key.")
        oldest.add_metric([], self._mailboxes.oldest_ready_s())
        leader = GaugeMetricFamily("region_operator_leader", "Whether this process leads.")
        leader.add_metric([], float(self._leading()))
        return [depth, oldest, leader]


class HealthServer:
    """Serves /healthz, /readyz and /metrics."""

    def __init__(
        self,
        mailboxes: Mailboxes[Key],
        metrics: Metrics,
        *,
        port: int,
        host: str = "0.0.0.0",  # noqa: S104
    ) -> None:
        self._mailboxes, self._metrics, self._port, self._host = mailboxes, metrics, port, host
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; the port is open as soon as this returns."""
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics_page)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        oldest_s = self._mailboxes.oldest_ready_s()
        if oldest_s > STUCK_AFTER_S:
            return web.Response(text=f"a ready key has waited for {oldest_s:.0f} s", status=503)
        return web.Response(text="ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _metrics_page(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), content_type="text/plain")
