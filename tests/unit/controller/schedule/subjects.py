"""Peerings and reports of their scans, as the schedule sees them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from region_operator.api.conditions import timestamp
from region_operator.api.scan_policy import ScanPolicy
from region_operator.api.scan_terms import scan_terms
from region_operator.api.scans import ScanReport
from region_operator.controller.schedule.starts import Case
from region_operator.controller.schedule.wants import Subject

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def terms(**said):
    """Terms of a policy as a user writes it; no jitter unless said."""
    return scan_terms(ScanPolicy.model_validate({"mode": "Enabled", "jitterPercent": 0, **said}))


def uid(number):
    return str(UUID(int=number))


def subject(number=1, regions=("a", "b"), **more):
    """A peering that is joined, in contact, and scanned once a day at midnight."""
    usual = {"terms": terms(), "joined": True, "startable": True, "proven_at": NOW - 30 * DAY, "policy": "default"}
    return Subject(uid(number), f"p{number}", regions=regions, coordinator=regions[0], **{**usual, **more})


def report(scan, state="Ended", **said):
    """A scan that took ten minutes and ended an hour ago, clean unless said otherwise."""
    began = said.pop("began", NOW - HOUR)
    ended = said.pop("ended", began + timedelta(minutes=10))
    if state == "Ended":
        said = {"result": "Clean", "ended_at": timestamp(ended), **said}
    said.setdefault("verify", "Content")
    return ScanReport(id=scan, peering_uid=uid(1), state=state, started_at=timestamp(began), **said)


def case(given=None, *reports, known=True, **more):
    return Case(replace(given or subject(), **more), tuple(reports), known)
