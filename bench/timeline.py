"""Draws what was seen through a partition and its healing over time, as plain SVG."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Final

WIDTH, LEFT, RIGHT, TOP = 960, 80, 30, 40
LAG_HEIGHT, SCAN_HEIGHT, GAP, FOOT = 220, 90, 46, 40
HEIGHT: Final = TOP + LAG_HEIGHT + GAP + SCAN_HEIGHT + FOOT
_STYLE: Final = "text{font:13px sans-serif;fill:#333}.small{font-size:11px;fill:#666}polyline{fill:none;stroke-width:2}"
_ONE, _TWO, _SCAN = "#1565c0", "#ef6c00", "#2e7d32"

Scale = Callable[[float], float]


def svg(line: Mapping[str, Any]) -> str:
    """Changes that each region lacks above, percent of the scan below; the partition is grey."""
    samples: Sequence[Sequence[Any]] = line["samples"]
    most_s = max(1.0, samples[-1][0])
    most_lag = max(1, *(max(one[1], one[2]) for one in samples))
    floor, scan_top = TOP + LAG_HEIGHT, TOP + LAG_HEIGHT + GAP

    def x(seconds: float) -> float:
        return LEFT + seconds / most_s * (WIDTH - LEFT - RIGHT)

    def lag(changes: float) -> float:
        return floor - changes / most_lag * LAG_HEIGHT

    def percent(value: float) -> float:
        return scan_top + SCAN_HEIGHT - value / 100 * SCAN_HEIGHT

    apart, met = x(line["apart_s"]), x(line["met_s"])
    shade = f'width="{met - apart:.1f}" height="{HEIGHT - TOP - FOOT}" fill="#eceff1"'
    scanned = [one for one in samples if one[3] is not None]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>Lag and scan through a partition</title><style>{_STYLE}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<rect x="{apart:.1f}" y="{TOP}" {shade}/>',
            _text((apart + met) / 2, TOP - 6, "partition", anchor="middle"),
            _text(LEFT, 16, f"changes that a region lacks ({line['size']})"),
            _text(LEFT, scan_top - 8, f"full scan of contents, percent: {line['result']}"),
            *_axis(lag, [0, most_lag // 2, most_lag]),
            *_axis(percent, [0, 50, 100]),
            *(_text(x(s), HEIGHT - 20, f"{s} s", anchor="middle") for s in range(0, int(most_s) + 1, _step(most_s))),
            _line(_ONE, [(x(one[0]), lag(one[1])) for one in samples]),
            _line(_TWO, [(x(one[0]), lag(one[2])) for one in samples]),
            _line(_SCAN, [(x(one[0]), percent(one[3])) for one in scanned]),
            _text(WIDTH - RIGHT, TOP + 14, "region 2 lacks", anchor="end", colour=_ONE),
            _text(WIDTH - RIGHT, TOP + 30, "region 1 lacks", anchor="end", colour=_TWO),
            "</svg>\n",
        ]
    )


def _axis(scale: Scale, values: Sequence[int]) -> list[str]:
    drawn = []
    for value in values:
        y = scale(value)
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        drawn.append(_text(LEFT - 8, y + 4, f"{value:,}", anchor="end"))
    return drawn


def _line(colour: str, points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline stroke="{colour}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#666") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:{colour}"'
    return f'<text class="small" {place}>{escape(text)}</text>'


def _step(most_s: float) -> int:
    return next(step for step in (1, 2, 5, 10, 30, 60, 300, 3600) if most_s / step <= 12 or step == 3600)
