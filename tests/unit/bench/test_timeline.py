"""The picture of a partition shows what was seen, and never more than fits."""

from xml.etree import ElementTree

from bench import timeline

LINE = {
    "machine": "2 cores",
    "size": "1,000 rows & 100 writes/s",
    "apart_s": 2.0,
    "met_s": 5.0,
    "result": "Clean",
    "samples": [[0.0, 0, 0, None], [2.5, 10, 0, None], [5.0, 300, 120, 0], [8.0, 0, 0, 60], [10.0, 0, 0, 100]],
}


def lines(drawn: str) -> list[list[tuple[float, float]]]:
    found = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}polyline")
    return [[tuple(map(float, pair.split(","))) for pair in (one.get("points") or "").split()] for one in found]


def test_both_lags_and_the_scan_are_drawn_over_time() -> None:
    one, two, scan = lines(timeline.svg(LINE))
    assert len(one) == len(two) == 5
    assert len(scan) == 3
    assert min(y for _, y in one) == timeline.TOP
    assert min(y for _, y in two) > timeline.TOP
    assert [x for x, _ in one] == sorted(x for x, _ in one)
    assert all(0 <= x <= timeline.WIDTH and 0 <= y <= timeline.HEIGHT for line in (one, two, scan) for x, y in line)


def test_nothing_seen_is_no_error() -> None:
    assert lines(timeline.svg({**LINE, "samples": [[0.0, 0, 0, None]]}))[2] == []
