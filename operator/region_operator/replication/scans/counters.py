"""What scans did since the program began, by peer, for metrics. Pure."""

from collections import Counter

from region_operator.replication.scans.record import StoredScan

FIGURES = ("rows_compared", "differing", "repaired")


class ScanCounters:
    """Figures of the reports, scans that ended by result, chunks and how long they took."""

    def __init__(self) -> None:
        self.figures: dict[str, Counter[int]] = {name: Counter() for name in FIGURES}
        self.ended: Counter[tuple[int, str]] = Counter()
        self.chunks: Counter[int] = Counter()
        self.chunk_s: dict[int, float] = {}

    def count(self, before: StoredScan | None, after: StoredScan) -> None:
        """A scan is kept; ``before`` as it was kept last."""
        peer = after.grant.peer
        for name, counter in self.figures.items():
            counter[peer] += getattr(after.report, name) - (getattr(before.report, name) if before else 0)
        if after.report.result and not (before and before.is_ended):
            self.ended[peer, after.report.result] += 1

    def timed(self, peer: int, took_s: float) -> None:
        self.chunks[peer] += 1
        self.chunk_s[peer] = self.chunk_s.get(peer, 0.0) + took_s
