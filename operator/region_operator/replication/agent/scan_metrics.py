"""Metrics of the full scans that this region coordinates, by peer."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from region_operator.replication.agent.health import PREFIX
from region_operator.replication.agent.scans import GOING_ON, Scans

_COUNTERS = {
    "rows_compared": "Rows that scans compared.",
    "differing": "Rows that differed although nothing of them was in flight.",
    "repaired": "Rows that differed and do no more.",
}


class ScanMetrics(Collector):
    """Alert on ``seconds_since_clean_scan``: it grows when scans are skipped, fail, or are not granted any more."""

    def __init__(self, scans: Scans, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._scans, self._now = scans, now

    def collect(self) -> Iterable[Metric]:
        yield from self._states()
        for name, text in _COUNTERS.items():
            family = CounterMetricFamily(f"{PREFIX}_scan_{name}", text, labels=["peer"])
            for peer, value in self._scans.counters.figures[name].items():
                family.add_metric([str(peer)], value)
            yield family
        ended = CounterMetricFamily(f"{PREFIX}_scans_ended", "Scans that ended, by result.", labels=["peer", "result"])
        for (peer, result), times in self._scans.counters.ended.items():
            ended.add_metric([str(peer), result], times)
        yield ended
        chunks = SummaryMetricFamily(f"{PREFIX}_scan_chunk_seconds", "Time of a chunk.", labels=["peer"])
        for peer, count in self._scans.counters.chunks.items():
            chunks.add_metric([str(peer)], count, self._scans.counters.chunk_s[peer])
        yield chunks

    def _states(self) -> Iterable[Metric]:
        running = GaugeMetricFamily(f"{PREFIX}_scan_running", "Whether a scan is under way.", labels=["peer"])
        throttled = GaugeMetricFamily(f"{PREFIX}_scan_throttled", "Whether it rests for load.", labels=["peer"])
        clean = GaugeMetricFamily(
            f"{PREFIX}_seconds_since_clean_scan", "Time since a scan last found both regions equal.", labels=["peer"]
        )
        by_peer: dict[int, list[str]] = {}
        ended_at: dict[int, datetime] = {}
        for scan in self._scans.known:
            peer, report = scan.grant.peer, scan.report
            by_peer.setdefault(peer, []).append(report.state)
            if report.result == "Clean" and report.ended_at:
                at = datetime.fromisoformat(report.ended_at)
                ended_at[peer] = max(at, ended_at.get(peer, at))
        for peer, states in by_peer.items():
            running.add_metric([str(peer)], any(state in GOING_ON for state in states))
            throttled.add_metric([str(peer)], "Throttled" in states)
        for peer, at in ended_at.items():
            clean.add_metric([str(peer)], max(0.0, (self._now() - at).total_seconds()))
        yield from (running, throttled, clean)
