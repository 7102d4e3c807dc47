"""What a benchmark found, as bench/results/NAME.json; figures measured again replace the ones before, others stay."""

import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

DIRECTORY = Path(__file__).parent / "results"
SERIES = DIRECTORY / "series"
"""What was seen over time."""


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        beside: what ``theirs`` was measured of, under the same conditions; "" when nothing comparable exists.
        goal: the most that ``ours`` may be; None = measured for information.
        ratio_at_most: what ``ours / theirs`` may be at most.
        ratio_at_least: what it must be at least, where more is better.
        size: how much it was measured of, e.g. how many rows.
    """

    figure: str
    ours: float
    unit: str
    goal: float | None = None
    beside: str = ""
    theirs: float | None = None
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None
    size: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.theirs else None

    @property
    def holds(self) -> bool | None:
        """Whether every goal is met; None without any."""
        goals = []
        if self.goal is not None:
            goals.append(self.ours <= self.goal)
        if self.ratio_at_most is not None:
            goals.append(self.ratio is not None and self.ratio <= self.ratio_at_most)
        if self.ratio_at_least is not None:
            goals.append(self.ratio is not None and self.ratio >= self.ratio_at_least)
        return all(goals) if goals else None

    def row(self) -> dict[str, object]:
        """The figure as it is stored: with its verdict, and what is needed to measure it again."""
        return {
            **asdict(self),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "holds": self.holds,
            "command": " ".join(["python", "-m", *sys.orig_argv[2:]]),
            "machine": machine(),
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }


def record(name: str, figures: Iterable[Figure]) -> Path:
    """Store figures of the benchmark ``name``."""
    path = DIRECTORY / f"{name}.json"
    rows = {row["figure"]: row for row in (json.loads(path.read_text()) if path.exists() else [])}
    for figure in figures:
        rows[figure.figure] = figure.row()
    DIRECTORY.mkdir(exist_ok=True)
    path.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
    return path


def machine() -> str:
    """What it ran on, and how busy that was: a loaded machine makes every figure of time worse."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {gigabytes:.0f} GiB, {platform.system()} {platform.machine()}, load {load:.0f}"
