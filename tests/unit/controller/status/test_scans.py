"""Full scans in the status of a peering (OPERATOR 12, 18)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from region_operator.api.conditions import timestamp
from region_operator.api.scans import FEATURE, EntityDigest, ScanReport, ThrottledByGauge
from region_operator.controller.facts import LinkPolicyFacts, ScanFacts
from region_operator.controller.schedule.wants import JOIN, scan_id
from region_operator.controller.status.scans import scan_subject
from unit.controller.schedule.subjects import terms
from unit.controller.status.peerings import NOW, UID, Watch, agent, link, peering, side

pytestmark = pytest.mark.rule("OPERATOR 18")

DAY_S = 86_400
SCAN = scan_id(UID, "some slot")
USERS = EntityDigest(name="user", rows=(5, 7), hash="ab", equal=True)


def report(state="Ended", *, at=NOW, **said):
    usual = {"id": SCAN, "peering_uid": UID, "verify": "Content", "started_at": timestamp(at - timedelta(minutes=10))}
    if state == "Ended":
        usual |= {"result": "Clean", "ended_at": timestamp(at), "entities": [USERS]}
    return ScanReport(state=state, **{**usual, **said})


def facts(*reports, offered=(1, 2), policy=None, heard=True, silent_s=0.0, **more):
    """Both sides in sync; scans are on, both agents offer them, and the coordinator said ``reports``."""
    features = {number: [FEATURE] if number in offered else [] for number in (1, 2)}
    sides = (
        side(1, agent(1, link(2), features=features[1]), age_s=silent_s, silent=silent_s > 0),
        side(2, agent(2, link(1), features=features[2])),
    )
    policy = policy or LinkPolicyFacts(name="default", scan=terms())
    return peering(*sides, policy=policy, scans=ScanFacts(tuple(reports), heard), **more)


def watched(*looks, after_s=10.0):
    watch = Watch()
    for look in looks:
        watch.look(look, after_s=after_s)
    return watch


def proven():
    """A peering whose join was proven by a scan."""
    return watched(facts(), facts(report()))


# --- the join ---------------------------------------------------------------------------------------------------------


def test_a_join_is_complete_when_a_scan_has_found_the_regions_equal():
    watch = watched(facts())
    assert (watch.status.join.stage, watch.verdict("JoinCompleted")) == ("Verifying", ("False", "Verifying"))
    assert watch.verdict("Ready") == ("False", "Joining")
    assert watch.verdict("InSync") == ("True", "WithinObjective")
    watch.look(facts(report("Running")))
    watch.look(facts(report(result="Repaired")))
    assert watch.status.join.stage == "Verifying"
    watch.look(facts(report()))
    assert (watch.status.join.stage, watch.verdict("Ready")) == ("InSync", ("True", "Ready"))


def test_a_join_whose_scan_was_skipped_says_why_and_when_the_next_one_is_due():
    watch = watched(facts())
    assert watch.condition("JoinCompleted").message.endswith("a full scan has to find the two regions equal")
    busy = "threadsRunning of region 2 is 61, over 32"
    skipped = report(result="SkippedHighLoad", message=busy, at=NOW + timedelta(seconds=10))
    watch.look(facts(skipped))
    due = timestamp(NOW + timedelta(seconds=30))
    for condition in ("JoinCompleted", "Ready"):
        assert watch.condition(condition).message.endswith(f"SkippedHighLoad: {busy}; another one is due at {due}")
    watch.look(facts(skipped, report("Running", id="s2")))
    assert busy not in watch.condition("JoinCompleted").message


def test_the_scan_that_proves_a_join_is_asked_for_at_once_and_windows_do_not_hold_it():
    watch = watched(facts())
    subject = scan_subject(facts(), join=watch.status.join, scan=watch.status.scan, in_contact=True)
    assert (subject.verifying, subject.joined, subject.startable) == (True, False, True)
    assert watch.status.scan.next_time is None, "it is due now"
    assert scan_id(UID, JOIN) != SCAN


def test_the_proof_is_kept_in_the_order_of_the_spec_whoever_coordinates():
    assert proven().status.verification.entities[0].rows == (5, 7)
    straight = facts(report())
    turned = replace(straight, regions=("b", "a"), sides=straight.sides[::-1])
    shown = watched(turned).status.verification
    assert (shown.entities[0].rows, shown.scan_id, shown.verify) == ((7, 5), SCAN, "Content")


def test_the_proof_stands_when_the_agent_has_forgotten_it_and_gives_way_to_a_later_one():
    watch = proven()
    first = watch.status.verification
    watch.look(facts())
    assert watch.status.verification == first
    later = report(at=NOW + timedelta(hours=1), id=scan_id(UID, "later"))
    watch.look(facts(report(), later))
    assert watch.status.verification.scan_id == later.id


@pytest.mark.parametrize("offered", [(), (1,), (2,)])
def test_agents_without_scans_join_without_one_and_are_named(offered):
    watch = watched(facts(offered=offered))
    assert watch.status.join.stage == "InSync"
    assert watch.verdict("FullScanCurrent") == ("Unknown", "ScansNotOffered")
    subject = scan_subject(facts(offered=offered), join=watch.status.join, scan=None, in_contact=True)
    assert not subject.startable


def test_a_policy_without_scans_joins_without_one_and_shows_none():
    off = LinkPolicyFacts(scan=terms(mode="Disabled"))
    watch = watched(facts(policy=off))
    assert watch.status.join.stage == "InSync"
    assert (watch.status.scan, watch.verdict("FullScanCurrent")) == (None, ("Unknown", "ScansDisabled"))
    assert scan_subject(facts(policy=off), join=watch.status.join, scan=None, in_contact=True).unwanted


# --- progress ---------------------------------------------------------------------------------------------------------


def test_a_running_scan_is_shown_in_steps_of_ten_percent():
    watch = proven()
    shown = [
        watch.look(facts(report(), report("Running", id="s2", percent=percent, entity="user"))).scan
        for percent in (0, 9, 10, 19, 100)
    ]
    assert [scan.percent for scan in shown] == [0, 0, 10, 10, 100]
    assert (shown[0].state, shown[0].id, shown[0].entity) == ("Running", "s2", "user")


@pytest.mark.rule("OPERATOR 12")
def test_what_rests_or_only_moves_its_figures_makes_no_new_status():
    watch = proven()
    statuses = [watch.look(facts(report()), after_s=30.0) for _ in range(5)]
    assert len({status.model_dump_json() for status in statuses}) == 1
    throttled = [
        report("Throttled", id="s2", throttled_by=ThrottledByGauge(region=2, gauge="threadsRunning", value=v, limit=48))
        for v in (61, 75, 50)
    ]
    scans = [watch.look(facts(report(), one)).scan for one in throttled]
    assert scans[0] == scans[1] == scans[2]
    assert (scans[0].throttled_by.region, scans[0].throttled_by.value) == ("b", 61)


def test_a_new_operator_shows_what_stands_until_it_has_heard_the_agent():
    watch = proven()
    before = watch.look(facts(report(), report("Running", id="s2", percent=40))).scan
    assert watch.look(facts(heard=False)).scan == before


def test_an_interrupted_scan_shows_how_far_it_came_and_when_it_goes_on():
    watch = proven()
    policy = LinkPolicyFacts(scan=terms(windows=[{"start": "20:00", "end": "21:00"}]))
    scan = watch.look(
        facts(report(), report("Interrupted", at=NOW + timedelta(hours=1), id="s2", percent=47), policy=policy)
    ).scan
    assert (scan.state, scan.percent, scan.next_time) == ("Interrupted", 40, "2026-11-22T20:00:00Z")


def test_a_request_is_echoed_once_the_agent_has_it():
    watch = proven()
    assert watch.look(facts(report(), scan_request="now")).scan.last_handled_request == ""
    asked = report("Running", id=scan_id(UID, "now"))
    assert watch.look(facts(report(), asked, scan_request="now")).scan.last_handled_request == "now"
    assert watch.look(facts(report(), scan_request="now")).scan.last_handled_request == "now", "the agent forgot it"


# --- FullScanCurrent --------------------------------------------------------------------------------------------------


def current(watch, *reports, after_s=10.0, **more):
    watch.look(facts(*reports, **more), after_s=after_s)
    return watch.verdict("FullScanCurrent")


def test_a_clean_scan_is_current_until_the_objective_is_past_and_a_running_one_changes_nothing():
    watch = proven()
    assert current(watch, report()) == ("True", "Clean")
    assert current(watch, report(), report("Running", id="s2")) == ("True", "Clean")
    assert current(watch, report(), after_s=8 * DAY_S) == ("False", "Overdue")
    assert current(watch, report(), report("Running", id="s2")) == ("False", "Overdue")


def test_repaired_drift_is_told_until_the_next_clean_scan():
    watch = proven()
    repaired = report(at=NOW + timedelta(hours=1), id="s2", result="Repaired", differing=3, repaired=3)
    assert current(watch, report(), repaired) == ("True", "DriftRepaired")
    assert current(watch, report(), repaired, report(at=NOW + timedelta(hours=2), id="s3")) == ("True", "Clean")


def test_scans_that_are_skipped_for_load_matter_past_the_objective_only():
    watch = proven()
    skipped = report(at=NOW + timedelta(hours=1), id="s2", result="SkippedHighLoad", message="busy")
    assert current(watch, report(), skipped) == ("True", "Clean")
    assert current(watch, report(), skipped, after_s=8 * DAY_S) == ("False", "SkippedHighLoad")
    assert "busy" in watch.condition("FullScanCurrent").message


def test_only_an_agent_that_is_heard_proves_that_a_scan_is_overdue():
    watch = proven()
    assert current(watch, report(), silent_s=600.0) == ("True", "Clean")
    assert current(watch, report(), silent_s=600.0, after_s=8 * DAY_S) == ("Unknown", "EvidenceStale")
    assert current(watch, report()) == ("False", "Overdue")


def test_before_the_first_clean_scan_it_is_said_how_the_last_one_ended():
    failed = report(result="Failed", message="no luck")
    assert current(watched(facts()), failed) == ("Unknown", "NeverRun")
    assert "no luck" in watched(facts(failed)).condition("FullScanCurrent").message


def test_without_the_policy_nothing_is_said_and_nothing_is_started():
    watch = proven()
    lost = peering(policy=None, scans=ScanFacts((), True))
    scan = watch.status.scan
    watch.look(lost)
    assert (watch.status.scan, watch.verdict("FullScanCurrent")) == (scan, ("Unknown", "NotObserved"))
    assert scan_subject(lost, join=watch.status.join, scan=scan, in_contact=True) is None


@pytest.mark.parametrize(
    ("more", "startable", "unwanted"),
    [
        ({}, True, False),
        ({"paused": True}, False, False),
        ({"mode": "Suspended"}, False, True),
        ({"deleting": True}, False, True),
    ],
)
def test_what_rests_starts_nothing_and_what_is_over_is_stopped(more, startable, unwanted):
    subject = scan_subject(facts(**more), join=proven().status.join, scan=None, in_contact=True)
    assert (subject.startable, subject.unwanted) == (startable, unwanted)
    assert subject.proven_at == datetime.fromisoformat(proven().status.join.completed_at).astimezone(UTC)
