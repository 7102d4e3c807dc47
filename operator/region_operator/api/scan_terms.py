"""What a SyncPolicy means for full scans: every field with its default, in one place; pure.

A policy without ``scan``, and a peering without a policy, scan by the defaults below; ``mode: Disabled`` switches off.
"""

from dataclasses import dataclass
from typing import Final, Literal

from region_operator.api.scan_policy import LoadMarks, LoadPolicy, ScanPolicy, Window

DEFAULT_LOAD: Final = LoadPolicy(
    skip=LoadMarks(
        threads_running=32,
        row_lock_waits_per_second=20,
        history_list_length=200_000,
        chunk_latency_percent=200,
        api_p95_millis=500,
    ),
    pause=LoadMarks(threads_running=48),
    abort=LoadMarks(threads_running=128),
)
"""Where a policy names no marks at all; in one that names some, a gauge left out does not count."""


@dataclass(frozen=True)
class ScanTerms:
    """When and how the two regions of a peering are compared.

    Attributes:
        cron: five fields, instead of ``interval_s``; "" for none.
        windows: times in which scans may run; none = always.
        objective_s: largest age of the last clean scan; 0 = none.
    """

    enabled: bool = True
    interval_s: int = 86_400
    cron: str = ""
    time_zone: str = "UTC"
    jitter_percent: int = 10
    windows: tuple[Window, ...] = ()
    objective_s: int = 604_800
    verify: Literal["Versions", "Content"] = "Content"
    drift: Literal["Capture", "Revert"] = "Capture"
    max_concurrent: int = 2
    target_millis: int = 500
    max_rows: int = 50_000
    load: LoadPolicy = DEFAULT_LOAD


def scan_terms(policy: ScanPolicy | None) -> ScanTerms:
    """The terms of a policy; what it does not name holds by default."""
    if policy is None:
        return ScanTerms()
    chunk = policy.chunk
    named = {
        "enabled": None if policy.mode is None else policy.mode == "Enabled",
        "interval_s": policy.interval_seconds,
        "cron": policy.cron,
        "time_zone": policy.time_zone,
        "jitter_percent": policy.jitter_percent,
        "windows": policy.windows,
        "objective_s": policy.objective_seconds,
        "verify": policy.verify,
        "drift": policy.drift,
        "max_concurrent": policy.max_concurrent,
        "target_millis": chunk.target_millis if chunk else None,
        "max_rows": chunk.max_rows if chunk else None,
        "load": policy.load,
    }
    return ScanTerms(**{name: value for name, value in named.items() if value is not None})  # type: ignore[arg-type]
