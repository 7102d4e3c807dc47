"""Draws figures that have something beside them as bars on a logarithmic scale, as plain SVG."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, LEFT, RIGHT, ROW, TOP = 960, 430, 120, 26, 44
LEAST, MOST = 0.1, 100.0
_STYLE = "text{font:13px sans-serif;fill:#333}.small{font-size:11px;fill:#666}"
_COLOURS = {True: "#2e7d32", False: "#c62828", None: "#546e7a"}


def svg(rows: Sequence[Mapping[str, Any]]) -> str:
    """One bar per figure: its ratio to what it was measured beside, and a mark where the goal is."""
    compared = [row for row in rows if row["ratio"]]
    height = TOP + ROW * len(compared) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Measured, as a multiple of what it stands beside</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="16">measured, as a multiple of what it stands beside (logarithmic)</text>',
    ]
    for tick in (0.1, 1, 10, 100):
        x = _x(tick)
        colour = "#333" if tick == 1 else "#ddd"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{height - 12}" stroke="{colour}"/>')
        parts.append(f'<text class="small" x="{x}" y="{TOP - 12}" text-anchor="middle">{tick:g}</text>')
    for number, row in enumerate(compared):
        parts += _bar(row, TOP + ROW * number)
    return "\n".join([*parts, "</svg>\n"])


def _bar(row: Mapping[str, Any], y: int) -> list[str]:
    ratio, middle = row["ratio"], y + ROW // 2 + 4
    start, end = sorted((_x(1), _x(ratio)))
    drawn = [
        f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(_short(row["figure"]))}</text>',
        f'<rect x="{start}" y="{y + 5}" width="{max(1, end - start)}" height="{ROW - 10}" '
        f'fill="{_COLOURS[row["holds"]]}"/>',
        f'<text class="small" x="{WIDTH - RIGHT + 14}" y="{middle}">{ratio:.3g}{_goal_text(row)}</text>',
    ]
    goal = row.get("ratio_at_most") or row.get("ratio_at_least")
    if goal:
        drawn.append(
            f'<line x1="{_x(goal)}" x2="{_x(goal)}" y1="{y + 2}" y2="{y + ROW - 2}" stroke="#000" stroke-width="2"/>'
        )
    return drawn


def _goal_text(row: Mapping[str, Any]) -> str:
    if row.get("ratio_at_most"):
        return f" (goal ≤ {row['ratio_at_most']:g})"
    return f" (goal ≥ {row['ratio_at_least']:g})" if row.get("ratio_at_least") else ""


def _short(title: str, most: int = 62) -> str:
    return title if len(title) <= most else title[: most - 1] + "…"


def _x(ratio: float) -> int:
    place = math.log(min(MOST, max(LEAST, ratio)) / LEAST) / math.log(MOST / LEAST)
    return round(LEFT + place * (WIDTH - LEFT - RIGHT))
