"""What /metrics of a management server shows."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from region_operator.management.store.connection import Database


class Measurements:
    """Numbers of one server; each has a registry of its own, so several can live in one process."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "region_operator_management_requests",
            "API requests by command and HTTP status",
            ["command", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "region_operator_management_request_seconds",
            "Time from the request to its answer",
            ["command"],
            registry=self.registry,
        )
        self._jobs = Counter(
            "region_operator_management_jobs", "Asynchronous jobs done", ["outcome"], registry=self.registry
        )
        running = Gauge(
            "region_operator_management_database_transactions",
            "Transactions that run or wait for a worker",
            registry=self.registry,
        )
        running.set_function(lambda: database.running)

    def record(self, *, command: str, status: int, seconds: float) -> None:
        self._requests.labels(command, str(status)).inc()
        self._seconds.labels(command).observe(seconds)

    def record_job(self, *, failed: bool) -> None:
        self._jobs.labels("failed" if failed else "succeeded").inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
