"""Draws docs/benchmarks.md from bench/results: `python -m bench.tables`."""

import json
from collections.abc import Iterator, Mapping, Sequence
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


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Figures as a table; columns that say nothing are left out."""
    heads = ["figure", "measured", "of", "beside", "ratio", "goal", "holds", "when"]
    cells = [_cells(row) for row in rows]
    kept = [number for number in range(len(heads)) if any(row[number] for row in cells)]
    lines = [[heads[number] for number in kept], ["---"] * len(kept)]
    lines += [[row[number] for number in kept] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same for a terminal."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(rows).splitlines()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines[1] = ["-" * width for width in widths]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _section(path: Path) -> Iterator[str]:
    rows = json.loads(path.read_text())
    yield f"## {path.stem.replace('_', ' ').capitalize()}\n"
    yield table(rows)
    yield ""
    runs = {(row["command"], row["machine"]): row["date"] for row in rows}
    yield "\n".join(f"- `{command}`: {machine}, {date}" for (command, machine), date in runs.items())
    yield ""


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["figure"],
        _value(row["ours"], row["unit"]),
        row.get("size", ""),
        f"{row['beside']}: {_value(row['theirs'], row['unit'])}" if row["beside"] else "",
        "" if row["ratio"] is None else f"{row['ratio']:.3g}",
        _goals(row),
        {None: "", True: "yes", False: "**missed**"}[row["holds"]],
        row["date"][:10],
    ]


def _goals(row: Mapping[str, Any]) -> str:
    goals = [] if row["goal"] is None else [f"≤ {_value(row['goal'], row['unit'])}"]
    for sign, name in (("≤", "ratio_at_most"), ("≥", "ratio_at_least")):
        if row.get(name) is not None:
            goals.append(f"ratio {sign} {row[name]:g}")
    return ", ".join(goals)


def _value(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.4g} {unit}".strip() if value < 1000 else f"{value:,.0f} {unit}".strip()


if __name__ == "__main__":
    PAGE.write_text(page())
