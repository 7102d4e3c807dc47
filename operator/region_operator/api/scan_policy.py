"""The part of a SyncPolicy about full scans.

Nothing here has a default in the CustomResourceDefinition: the defaults are those of the running version, and stand in
`scan_terms`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from region_operator.api.common import INT32_MAX, Int32, Percent
from region_operator.api.schema import Cel, Manifest, listed

_int32 = {"format": "int32"}
Gauge = Annotated[int, Field(ge=1, le=INT32_MAX, json_schema_extra=_int32)]
Clock = Annotated[str, Field(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

GAUGES = ("threadsRunning", "rowLockWaitsPerSecond", "historyListLength", "chunkLatencyPercent", "apiP95Millis")


class Window(Manifest):
    """Time of the week in which scans may run."""

    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] | None = Field(
        default=None, description="Days that the window starts on; default every day.", json_schema_extra=listed("set")
    )
    start: Clock = Field(description="When it starts, as HH:MM.")
    end: Clock = Field(description="When it ends, as HH:MM; before start means the next day.")


class LoadMarks(Manifest):
    """Marks of load; a gauge left out does not count."""

    threads_running: Gauge | None = Field(default=None, description="Threads that execute in the database.")
    row_lock_waits_per_second: Gauge | None = Field(default=None, description="Waits for row locks per second.")
    history_list_length: Gauge | None = Field(default=None, description="Undo records that wait for purge.")
    chunk_latency_percent: Gauge | None = Field(
        default=None, description="Time of a chunk, in percent of its target, at the 95th percentile."
    )
    api_p95_millis: Gauge | None = Field(
        default=None, alias="apiP95Millis", description="Latency of the management API at the 95th percentile."
    )


def _ordered(gauge: str, lower: str, upper: str) -> Cel:
    def holds(load: "LoadPolicy") -> bool:
        low, high = (_mark(getattr(load, level), gauge) for level in (lower, upper))
        return low is None or high is None or low <= high

    return Cel(
        f"!has(self.{lower}) || !has(self.{lower}.{gauge}) || !has(self.{upper}) || !has(self.{upper}.{gauge}) || "
        f"self.{lower}.{gauge} <= self.{upper}.{gauge}",
        f"{gauge}: the mark of {lower} may not be above the mark of {upper}",
        holds,
    )


def _mark(marks: LoadMarks | None, gauge: str) -> int | None:
    return None if marks is None else marks.wire().get(gauge)


class LoadPolicy(Manifest):
    """Load, of either region, at which scans give way; per gauge skip <= pause <= abort."""

    skip: LoadMarks | None = Field(default=None, description="Over it a scan is not begun.")
    pause: LoadMarks | None = Field(default=None, description="Over it a running scan backs off.")
    abort: LoadMarks | None = Field(default=None, description="Over it a running scan ends.")

    cel: ClassVar[tuple[Cel, ...]] = tuple(
        _ordered(gauge, lower, upper)
        for gauge in GAUGES
        for lower, upper in (("skip", "pause"), ("pause", "abort"), ("skip", "abort"))
    )


class ChunkPolicy(Manifest):
    """How much is compared at once."""

    target_millis: Annotated[int, Field(ge=10, le=60_000, json_schema_extra=_int32)] | None = Field(
        default=None, description="Time that one chunk aims at; default 500."
    )
    max_rows: Annotated[int, Field(ge=1, le=1_000_000, json_schema_extra=_int32)] | None = Field(
        default=None, description="Rows of one chunk at most; default 50000."
    )


class ScanPolicy(Manifest):
    """When and under what load full scans run."""

    mode: Literal["Enabled", "Disabled"] | None = Field(default=None, description="Whether scans run; default Enabled.")
    interval_seconds: Annotated[int, Field(ge=60, le=INT32_MAX, json_schema_extra=_int32)] | None = Field(
        default=None, description="Time between two scans; default a day."
    )
    cron: Annotated[str, Field(min_length=9, max_length=128)] | None = Field(
        default=None, description="Times of scans, in the five fields of cron, instead of an interval."
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+\-/]+$")] | None = Field(
        default=None, description="IANA name of the zone of cron and windows; default UTC."
    )
    jitter_percent: Percent | None = Field(
        default=None, description="How far starts are spread, in percent of the time between two scans; default 10."
    )
    windows: Annotated[tuple[Window, ...], Field(max_length=14)] | None = Field(
        default=None,
        description="Times in which scans may run; their end pauses a scan, which keeps its position.",
        json_schema_extra=listed("atomic"),
    )
    objective_seconds: Int32 | None = Field(
        default=None, description="Largest age of the last clean scan; 0 is none; default a week."
    )
    verify: Literal["Versions", "Content"] | None = Field(
        default=None,
        description="Versions compares regions; Content, the default, also checks rows against their last capture.",
    )
    drift: Literal["Capture", "Revert"] | None = Field(
        default=None, description="What becomes of rows that were changed behind the triggers; default Capture."
    )
    max_concurrent: Annotated[int, Field(ge=1, le=1000, json_schema_extra=_int32)] | None = Field(
        default=None, description="Scans of this policy that run at once; default 2."
    )
    chunk: ChunkPolicy | None = Field(default=None, description="How much is compared at once.")
    load: LoadPolicy | None = Field(
        default=None, description="Load at which scans give way; where it is said, only what it says counts."
    )

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!(has(self.intervalSeconds) && has(self.cron))",
            "at most one of intervalSeconds and cron is allowed",
            lambda scan: scan.interval_seconds is None or scan.cron is None,
        ),
    )
