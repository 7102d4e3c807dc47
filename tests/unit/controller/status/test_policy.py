"""Full scans in the status of a SyncPolicy."""

import pytest

from region_operator.api.policy import SyncPolicy
from region_operator.controller.facts import Invalid, PolicyObjectFacts
from region_operator.controller.schedule.figures import Figures
from region_operator.controller.status.policy import policy_status
from unit.controller.status.peerings import NOW

pytestmark = pytest.mark.rule("OPERATOR 18")


def policy(status=None, **scan):
    meta = {"name": "default", "namespace": "clouds", "uid": "u", "generation": 1, "resourceVersion": "1"}
    spec = {"scan": scan} if scan else {}
    made = SyncPolicy.parse({"kind": "SyncPolicy", "metadata": meta, "spec": spec})
    return made if status is None else made.model_copy(update={"status": status})


def told(given, scans, refusal=None):
    status = policy_status(given, PolicyObjectFacts(), refusal=refusal, rules_hash="sha256:a", now=NOW, scans=scans)
    verdict = next(item for item in status.conditions if item.type == "ScansOnSchedule")
    return status, (verdict.status, verdict.reason)


@pytest.mark.parametrize(
    ("scans", "verdict"),
    [
        (None, ("Unknown", "NotScheduled")),
        (Figures(), ("True", "OnSchedule")),
        (Figures(running=1, overdue=2), ("False", "Overdue")),
    ],
)
def test_a_policy_sums_up_the_scans_under_it(scans, verdict):
    status, found = told(policy(mode="Enabled"), scans)
    assert found == verdict
    counted = status.scans
    assert (counted and (counted.running, counted.overdue)) == (scans and (scans.running, scans.overdue))


def test_a_policy_that_says_nothing_of_scans_has_them():
    assert told(policy(), Figures())[1] == ("True", "OnSchedule")


def test_a_policy_without_scans_counts_none():
    status, verdict = told(policy(mode="Disabled"), Figures())
    assert (status.scans, verdict) == (None, ("True", "ScansDisabled"))


@pytest.mark.parametrize("scans", [None, Figures(), Figures(overdue=1)])
def test_an_objective_that_cron_cannot_hold_is_told_with_what_it_would_have_to_be(scans):
    status, verdict = told(policy(cron="0 1 1 * *"), scans)
    assert verdict == ("False", "ObjectiveUnreachable")
    message = next(item for item in status.conditions if item.type == "ScansOnSchedule").message
    assert f"up to {31 * 86_400} s pass" in message
    assert told(policy(cron="0 1 1 * *", objectiveSeconds=31 * 86_400), scans)[1][1] != "ObjectiveUnreachable"


def test_a_cron_that_cannot_be_read_is_not_judged():
    refusal = Invalid("InvalidCron", "61 is no minute", "spec.scan.cron")
    assert told(policy(cron="61 1 * * *"), Figures(), refusal)[1] == ("True", "OnSchedule")


def test_when_the_next_scan_is_due_is_shown():
    assert told(policy(mode="Enabled"), Figures(next_at=NOW))[0].scans.next_time == "2026-11-22T03:00:00Z"


def test_an_operator_that_was_just_started_repeats_what_was_known():
    before, verdict = told(policy(mode="Enabled"), Figures(overdue=2))
    after, repeated = told(policy(before, mode="Enabled"), None)
    assert repeated == verdict == ("False", "Overdue")
    assert after == before
