"""Draws docs/benchmarks.md from bench/results: `python -m bench.tables`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.results import DIRECTORY

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
HEAD = """\
# Benchmarks

<!-- Written by `python -m bench.tables` from bench/results; do not edit. -->

`make bench` measures all of this on the machine it runs on and draws this page again. A goal that was missed is shown
as missed; a figure without a goal is there for comparison.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(part for path in sorted(DIRECTORY.glob("*.json")) for part in _section(path))])


def _section(path: Path) -> Iterator[str]:
    rows = json.loads(path.read_text())
    yield f"## {path.stem.replace('_', ' ').capitalize()}\n"
    beside = any(row["theirs"] is not None for row in rows)
    columns = ["figure", "measured", *(["beside", "ratio"] if beside else []), "goal", "holds", "when"]
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    for row in rows:
        cells = [row["figure"], _value(row["ours"], row["unit"])]
        if beside:
            cells += [f"{row['beside']}: {_value(row['theirs'], row['unit'])}" if row["beside"] else "", _ratio(row)]
        goal = "" if row["goal"] is None else f"≤ {_value(row['goal'], row['unit'])}"
        holds = {None: "", True: "yes", False: "**missed**"}[row["holds"]]
        yield f"| {' | '.join([*cells, goal, holds, row['date'][:10]])} |"
    yield ""
    runs = {(row["command"], row["machine"]): row["date"] for row in rows}
    yield "\n".join(f"- `{command}`: {machine}, {date}" for (command, machine), date in runs.items())
    yield ""


def _value(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.4g} {unit}".strip() if value < 1000 else f"{value:,.0f} {unit}".strip()


def _ratio(row: dict[str, Any]) -> str:
    return "" if row["ratio"] is None else f"{row['ratio']:g}"


if __name__ == "__main__":
    PAGE.write_text(page())
