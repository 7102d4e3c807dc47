"""Liveness and metrics of the operator, as they are probed and scraped."""

import pytest
from aiohttp.test_utils import make_mocked_request
from prometheus_client import generate_latest

from region_operator.controller.handlers.health import HealthServer, Metrics
from region_operator.controller.schedule.figures import Figures
from region_operator.supervision.mailboxes import Mailboxes
from region_operator.supervision.units import Key
from unit.supervision.fake_time import FakeTime


@pytest.mark.rule("OPERATOR 15")
async def test_an_operator_is_alive_while_no_ready_key_has_waited_for_two_minutes():
    time = FakeTime()
    mailboxes: Mailboxes[Key] = Mailboxes(clock=time)
    server = HealthServer(mailboxes, Metrics(mailboxes, leading=lambda: True), port=0)

    async def probed():
        answer = await server._healthz(make_mocked_request("GET", "/healthz"))
        return answer.status, answer.text

    mailboxes.add(Key("Region", "clouds", "eu-west"))
    time.pass_by(119)
    assert await probed() == (200, "ok")
    time.pass_by(2)
    assert await probed() == (503, "a ready key has waited for 121 s")
    mailboxes.take()
    assert await probed() == (200, "ok")


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
