"""Counts of scans, as policies and metrics show them."""

from region_operator.controller.schedule.figures import Figures, figures, figures_by_policy
from unit.controller.schedule.subjects import DAY, HOUR, NOW, case, report, subject, terms

MIDNIGHT = NOW + 12 * HOUR


def test_what_runs_waits_and_is_overdue_is_counted():
    running = case(subject(1), report("s1", "Running"))
    waiting = case(subject(2, proven_at=NOW - DAY))
    overdue = case(subject(3, proven_at=NOW - 8 * DAY, startable=False))
    assert figures([running, waiting, overdue], NOW) == Figures(running=1, waiting=1, overdue=2, next_at=MIDNIGHT)


def test_each_policy_has_its_own_counts_and_switched_off_ones_have_none():
    off = case(subject(1, policy="off", terms=terms(mode="Disabled"), proven_at=NOW - 80 * DAY))
    clean = case(subject(2), report("s1"))
    assert figures_by_policy([off, clean], NOW) == {"off": Figures(), "default": Figures(next_at=MIDNIGHT)}
