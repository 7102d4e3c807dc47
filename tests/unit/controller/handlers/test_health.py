"""Metrics of the operator, as they are scraped."""

from prometheus_client import generate_latest

from region_operator.controller.handlers.health import Metrics
from region_operator.controller.schedule.figures import Figures
from region_operator.supervision.mailboxes import Mailboxes


def scraped(metrics):
    return generate_latest(metrics.registry).decode().splitlines()


def test_full_scans_of_a_fleet_are_counted_by_what_they_do_and_grants_by_their_answer():
    metrics = Metrics(Mailboxes(), leading=lambda: True)
    metrics.on_scans("clouds", Figures(running=2, waiting=1, overdue=3), granted=2, refused=["RegionBusy"])
    metrics.on_scans("clouds", Figures(running=1, overdue=3), granted=0, refused=["RegionBusy"])
    lines = scraped(metrics)
    for state, count in {"running": 1, "waiting": 0, "overdue": 3}.items():
        assert f'region_operator_full_scans{{namespace="clouds",state="{state}"}} {float(count)}' in lines
    for result in ("taken", "RegionBusy"):
        assert f'region_operator_full_scan_grants_total{{namespace="clouds",result="{result}"}} 2.0' in lines
