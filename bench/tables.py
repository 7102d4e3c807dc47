"""Draws docs/benchmarks.md, its plot and the README's table from bench/results: `python -m bench.tables`."""

import json
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import plot, timeline
from bench.results import DIRECTORY, SERIES

ROOT = Path(__file__).parents[1]
PAGE, PLOT, README = ROOT / "docs/benchmarks.md", ROOT / "docs/benchmarks.svg", ROOT / "README.md"
PARTITION, PARTITION_PLOT = SERIES / "partition.json", ROOT / "docs/partition.svg"
TRIED = Path(__file__).parent / "tried.toml"
REPLICATION = "replication.json"
BEGIN, END = "<!-- figures: written by `python -m bench.tables` -->\n", "<!-- end of figures -->\n"
HEAD = """\
# Benchmarks

<!-- Written by `python -m bench.tables` from bench/results; do not edit. -->

`make bench` measures all of this on the machine it runs on and draws this page again. A goal that was missed is shown
as missed, with what was tried; a figure without a goal is there for comparison. Less is better, but for rates.

How the replication engine is measured (`bench/replication`): two MariaDB servers on loopback with the settings of a
managed region (each commit flushed to disk, 1 GiB of buffer pool) and a binary log; two regions on them whose agents
are programs of their own and speak mutual TLS and HTTP to each other, and to their own database as a local client
does; and on the same servers, in another schema, what people would use instead. All of them share the machine, so a
ratio says more than a time, and a busy machine shows in its load. A partition is links that are suspended, of
MariaDB's replication `STOP SLAVE`; the clock runs from the moment at which they go on until both sides are equal,
which is looked at row by row afterwards. `python -m bench.replication --only catch_up --scale 0.1` measures some of
it, on less; scale 1 is 1,000 domains, 500,000 accounts, 500,000 users and 100,000 updates.
"""


def page() -> str:
    """The whole page."""
    paths = sorted(DIRECTORY.glob("*.json"), key=lambda path: (path.name != REPLICATION, path))
    return "\n".join([HEAD, *(part for path in paths for part in _section(path))])


def table(rows: Sequence[Mapping[str, Any]], *, without: Collection[str] = ()) -> str:
    """Figures as a table; columns that say nothing are left out, and those that are not wanted."""
    heads = ["figure", "measured", "of", "beside", "ratio", "goal", "holds", "when"]
    cells = [_cells(row) for row in rows]
    kept = [
        number for number in range(len(heads)) if heads[number] not in without and any(row[number] for row in cells)
    ]
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
    if path.name == REPLICATION:
        yield f"{_image(PLOT.name)}\n"
        if PARTITION.exists():
            yield f"{_picture(PARTITION_PLOT.name)}\n"
    yield table(rows)
    yield ""
    yield from _missed(rows, tomllib.loads(TRIED.read_text()))
    commands = list(dict.fromkeys(row["command"] for row in rows))
    yield "\n".join(f"- `{command}`: {_when(row for row in rows if row['command'] == command)}" for command in commands)
    yield ""


def _when(rows: Iterable[Mapping[str, Any]]) -> str:
    """The machines, how busy they were, and from when to when."""
    found: dict[tuple[str, str], tuple[set[int], set[str]]] = {}
    for row in rows:
        machine, _, load = row["machine"].partition(", load ")
        day, time, _ = row["date"].split()
        loads, times = found.setdefault((machine, day), (set(), set()))
        loads.add(int(load))
        times.add(time)
    return "; ".join(
        f"{machine}, load {_span(loads)}, {day} {_span(times)} UTC" for (machine, day), (loads, times) in found.items()
    )


def _span(values: "set[int] | set[str]") -> str:
    least, most = min(values), max(values)
    return str(least) if least == most else f"{least} to {most}"


def readme(text: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The README with the last table of what stands beside something or has a goal, between its two marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    shown = [row for row in rows if row["holds"] is not None]
    image = f"{_image(PLOT.relative_to(ROOT))}\n\n" if any(row["ratio"] for row in shown) else ""
    if PARTITION.exists():
        image += f"{_picture(PARTITION_PLOT.relative_to(ROOT))}\n\n"
    return f"{before}{BEGIN}\n{image}{table(shown, without=('when',))}\n\nMeasured on: {_when(shown)}.\n\n{END}{after}"


def _image(path: "str | Path") -> str:
    return f"![measured, as a multiple of what it stands beside]({path})"


def _picture(path: "str | Path") -> str:
    return f"![changes that each region lacks, and a full scan, through a partition and its healing]({path})"


def _missed(rows: Sequence[Mapping[str, Any]], tried: Mapping[str, str]) -> Iterator[str]:
    missed = [row["figure"] for row in rows if row["holds"] is False]
    notes = [(figure, text) for figure in missed for key, text in tried.items() if figure.startswith(key)]
    if notes:
        yield "Missed, and what was tried:\n"
        yield "\n".join(f"- {figure}: {text}" for figure, text in notes)
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
    measured = json.loads((DIRECTORY / REPLICATION).read_text())
    PLOT.write_text(plot.svg(measured))
    if PARTITION.exists():
        PARTITION_PLOT.write_text(timeline.svg(json.loads(PARTITION.read_text())))
    README.write_text(readme(README.read_text(), measured))
    print(text_table(measured))
