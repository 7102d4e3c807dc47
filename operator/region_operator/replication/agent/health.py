"""Liveness, readiness and metrics, on plain HTTP inside the Pod's network.

Ready = the control API answers. A database that is down makes no agent unready: its Service would lose the only place
that can tell the operator about it.
"""

from collections.abc import Callable, Iterable

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from region_operator.api.agent import AgentStatus, LinkStatus

PREFIX = "region_operator_agent"


class AgentMetrics(Collector):
    """Draws metrics from the status, so that what is alerted on is what operators are told."""

    def __init__(
        self,
        status: Callable[[], AgentStatus],
        *,
        counters: Callable[[], dict[str, dict[str, float]]],
        not_after: Callable[[], float | None],
    ) -> None:
        """``counters``: name -> peer label ("" = none) -> value."""
        self._status, self._counters, self._not_after = status, counters, not_after

    def collect(self) -> Iterable[Metric]:
        status = self._status()
        yield GaugeMetricFamily(f"{PREFIX}_database_up", "Whether the database answers.", status.database_reachable)
        yield GaugeMetricFamily(
            f"{PREFIX}_management_up", "Whether the management server answers.", bool(status.management.reachable)
        )
        findings = GaugeMetricFamily(
            f"{PREFIX}_schema_finding",
            "1 for what is the matter with an entity's table; the status says what to do.",
            labels=["entity", "reason"],
        )
        for one in status.entities:
            findings.add_metric([one.entity, one.reason], 1)
        yield findings
        not_after = self._not_after()
        if not_after is not None:
            name = f"{PREFIX}_certificate_not_after_timestamp_seconds"
            yield GaugeMetricFamily(name, "End of the own certificate.", not_after)
        yield from self._of_links(status.links)
        for name, values in self._counters().items():
            labels = ["peer"] if any(values) else []
            family = CounterMetricFamily(f"{PREFIX}_{name}", name.replace("_", " "), labels=labels)
            for peer, value in values.items():
                family.add_metric([peer] if labels else [], value)
            yield family

    def _of_links(self, links: list[LinkStatus]) -> Iterable[Metric]:
        figures: list[tuple[str, str, Callable[[LinkStatus], float | None]]] = [
            ("link_up", "Whether changes of the peer flow.", lambda link: link.state in _FLOWING),
            ("link_lag_seconds", "Age of the peer's oldest change that is not applied here.", _seconds("lag_ms")),
            ("link_pending_changes", "Changes of the peer that are not applied here.", lambda x: x.pending_changes),
            ("link_contact_age_seconds", "Time since the peer's last good answer.", _seconds("contact_age_ms")),
            ("link_round_trip_seconds", "Time until the peer answers.", _seconds("rtt_ms")),
            ("link_registered", "Whether the management server lists the peer.", lambda link: link.registered),
            ("link_open_conflicts", "Conflicts that wait for a choice.", lambda link: link.open_conflicts),
            ("link_parked_rows", "Rows that wait to become visible.", lambda link: link.parked),
            ("link_dead_lettered_rows", "Rows that were given up.", lambda link: link.dead_lettered),
        ]
        for name, text, figure in figures:
            family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["peer"])
            for link in links:
                value = figure(link)
                if value is not None:
                    family.add_metric([str(link.peer_id)], float(value))
            yield family


_FLOWING = ("Copying", "CatchingUp", "Streaming")


def _seconds(field: str) -> Callable[[LinkStatus], float | None]:
    def read(link: LinkStatus) -> float | None:
        value = getattr(link, field)
        return None if value is None else float(value) / 1000

    return read


def app(*, is_ready: Callable[[], bool], metrics: Iterable[Collector]) -> web.Application:
    """Return the application of the health port."""
    registry = CollectorRegistry()
    for collector in metrics:
        registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")  # that it answers proves that the event loop turns

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if is_ready() else web.Response(status=503, text="no usable certificate yet\n")

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", exposition)])
    return application
