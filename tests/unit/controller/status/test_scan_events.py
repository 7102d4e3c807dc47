"""A full scan is told in Events when it begins, gives way, rests and ends; its progress is not."""

import pytest

from region_operator.api.peering_status import LastScan, ScanStatus, ThrottledBy
from region_operator.controller.status.scan_events import scan_events

RUNNING = ScanStatus(state="Running", id="s1", percent=10)
BUSY = ThrottledBy(region="us-east", gauge="threadsRunning", value=61, limit=48)
THROTTLED = ScanStatus(state="Throttled", id="s1", percent=10, throttled_by=BUSY)
RESTING = ScanStatus(state="Interrupted", id="s1", percent=40)


def ended(result, **figures):
    return ScanStatus(last=LastScan(id="s1", ended_at="2026-11-22T03:00:00Z", result=result, **figures))


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        (None, None, []),
        (None, RUNNING, ["FullScanStarted"]),
        (RUNNING, RUNNING.model_copy(update={"percent": 90, "entity": "user"}), []),
        (RUNNING, THROTTLED, ["FullScanThrottled"]),
        (THROTTLED, RUNNING, []),
        (RUNNING, RESTING, ["FullScanInterrupted"]),
        (RESTING, RESTING.model_copy(update={"next_time": "2026-11-22T20:00:00Z"}), []),
        (RESTING, RUNNING, ["FullScanStarted"]),
        (RUNNING, ended("Clean"), ["FullScanClean"]),
        (ended("Clean"), ended("Clean"), []),
        (None, ended("SkippedHighLoad"), ["FullScanSkippedHighLoad"]),
    ],
)
def test_each_turn_of_a_scan_is_told_once(before, after, reasons):
    assert [told.reason for told in scan_events(before, after)] == reasons


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("Clean", "Normal"),
        ("Repaired", "Warning"),
        ("SkippedHighLoad", "Warning"),
        ("Aborted", "Warning"),
        ("Failed", "Warning"),
    ],
)
def test_an_end_is_told_with_its_figures_and_warns_unless_the_regions_were_equal(result, kind):
    after = ended(result, rows_compared=1_000_000, differing=3, repaired=2, message="why")
    (told,) = scan_events(RUNNING, after)
    assert (told.kind, told.note) == (kind, "full scan s1 ended, 1000000 rows compared, 3 differing, 2 repaired: why")


def test_what_holds_a_scan_back_is_told_with_its_mark():
    (told,) = scan_events(RUNNING, THROTTLED)
    assert told.note == "full scan s1 gives way: threadsRunning of us-east is 61, over 48"
