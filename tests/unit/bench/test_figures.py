"""Figures of benchmarks: a goal holds or is missed, and a missed one is shown as missed."""

from xml.etree import ElementTree

import pytest
from bench import plot, results, tables
from bench.results import Figure


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("for information", 5, "s"), None),
        (Figure("below its goal", 5, "s", goal=6), True),
        (Figure("above its goal", 7, "s", goal=6), False),
        (Figure("fast enough", 8, "s", beside="theirs", theirs=10, ratio_at_most=0.8), True),
        (Figure("too slow", 9, "s", beside="theirs", theirs=10, ratio_at_most=0.8), False),
        (Figure("enough of it", 90, "/s", beside="theirs", theirs=100, ratio_at_least=0.85), True),
        (Figure("too little of it", 80, "/s", beside="theirs", theirs=100, ratio_at_least=0.85), False),
        (Figure("one of two goals missed", 30, "ms", goal=25, beside="x", theirs=40, ratio_at_most=1), False),
        (Figure("nothing to compare with", 9, "s", ratio_at_most=0.8), False),
    ],
    ids=lambda value: value.figure if isinstance(value, Figure) else "",
)
def test_a_figure_holds_only_if_every_goal_is_met(figure, holds):
    assert figure.holds is holds


def test_a_missed_goal_is_shown_as_missed_with_what_it_was_measured_beside():
    figure = Figure("copy", 12.5, "s", beside="dump", theirs=10.0, ratio_at_most=0.8, size="1,000 rows")
    line = tables.table([figure.row()]).splitlines()[-1]
    assert line.startswith("| copy | 12.5 s | 1,000 rows | dump: 10 s | 1.25 | ratio ≤ 0.8 | **missed** |")


def test_what_was_tried_stands_below_a_missed_goal_and_nowhere_else(tmp_path, monkeypatch):
    (tmp_path / "tried.toml").write_text('"copy" = "batches of twice the size: no faster"\n"memory" = "never shown"\n')
    monkeypatch.setattr(tables, "TRIED", tmp_path / "tried.toml")
    monkeypatch.setattr(results, "DIRECTORY", tmp_path)
    monkeypatch.setattr(tables, "DIRECTORY", tmp_path)
    results.record("replication", [Figure("copy of rows", 9, "s", goal=8), Figure("memory", 5, "MiB", goal=6)])
    text = tables.page()
    assert "- copy of rows: batches of twice the size: no faster" in text
    assert "never shown" not in text


def test_runs_of_one_command_are_told_in_one_line():
    row = Figure("copy", 9, "s", goal=8).row()
    rows = [
        row | {"machine": "2 cores, load 5", "date": "2026-11-25 01:52 UTC"},
        row | {"machine": "2 cores, load 12", "date": "2026-11-25 01:41 UTC"},
    ]
    text = tables.readme(f"{tables.BEGIN}{tables.END}", rows)
    assert "Measured on: 2 cores, load 5 to 12, 2026-11-25 01:41 to 01:52 UTC." in text


def test_the_readme_keeps_its_text_around_the_figures():
    rows = [Figure("copy", 9, "s", goal=8).row(), Figure("for information", 1, "s").row()]
    text = tables.readme(f"before\n{tables.BEGIN}stale{tables.END}after\n", rows)
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| copy | 9 s |" in text
    assert "stale" not in text
    assert "for information" not in text
    assert tables.readme(text, rows) == text


def test_the_plot_has_a_bar_per_figure_that_stands_beside_something():
    rows = [
        Figure("slow & steady", 30, "s", beside="theirs", theirs=10, ratio_at_most=0.8).row(),
        Figure("alone", 30, "s").row(),
    ]
    drawn = plot.svg(rows)
    bars = [element for element in ElementTree.fromstring(drawn).iter() if "fill" in element.attrib]
    assert len(bars) == 2  # the background is one
    assert "slow &amp; steady" in drawn
    assert "3 (goal ≤ 0.8)" in drawn


def test_columns_that_say_nothing_are_left_out():
    heads = tables.table([Figure("memory", 1234.5, "MiB", goal=1500).row()]).splitlines()[0]
    assert heads == "| figure | measured | goal | holds | when |"


def test_a_figure_that_is_measured_again_replaces_the_one_before_and_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "DIRECTORY", tmp_path)
    results.record("copy", [Figure("first", 1, "s"), Figure("second", 2, "s")])
    path = results.record("copy", [Figure("second", 3, "s")])
    assert '"ours": 1,' in path.read_text()
    assert '"ours": 3,' in path.read_text()
    assert '"ours": 2,' not in path.read_text()
