"""Slots and windows: when scans are due, and when they may run; in UTC, judged in the policy's time zone.

A *slot* is one turn of the interval (counted from 1970, so that it survives every restart) or of the cron expression.
Its *start* lies later by a jitter that peering and slot determine, so that a fleet does not start all at once. A slot
is open until the next one starts: what was missed for long is made up once, not many times.

Across changes of daylight saving a window keeps its hours on the wall: one that starts in the hour that is left out
starts with the clock change, one in the hour that comes twice starts the first time. Cron does as Debian's.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from region_operator.api.scan_policy import Window
from region_operator.api.scan_terms import ScanTerms

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_DAYS_BACK: Final = 2  # UTC's today may be tomorrow in the zone, and a window may have begun the day before
_DAYS_AHEAD: Final = 16  # a window of one weekday may fall wholly into a change of daylight saving


@dataclass(frozen=True)
class Slot:
    """One turn of the schedule of one peering.

    Attributes:
        due: by the interval or cron; names the slot.
        start: ``due`` and jitter.
    """

    due: datetime
    start: datetime

    @property
    def name(self) -> str:
        return self.due.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- slots ------------------------------------------------------------------------------------------------------------


def latest_slot(terms: ScanTerms, peering: str, now: datetime) -> Slot:
    """The slot whose turn it is: the last one that has started."""
    due = due_before(terms, now)
    slot = _slot(terms, peering, due)
    return slot if slot.start <= now else _slot(terms, peering, due_before(terms, due - _SECOND))


def next_slot(terms: ScanTerms, peering: str, now: datetime) -> Slot:
    """The first slot that has not started yet."""
    latest = latest_slot(terms, peering, now)
    return _slot(terms, peering, due_after(terms, latest.due))


def _slot(terms: ScanTerms, peering: str, due: datetime) -> Slot:
    """A start is spread over a share of the time to the next slot, so starts keep the order of their slots."""
    spread_s = (due_after(terms, due) - due).total_seconds() * terms.jitter_percent / 100
    digest = hashlib.sha256(f"{peering} {due.timestamp():.0f}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return Slot(due, due + timedelta(seconds=int(spread_s * share)))


def due_before(terms: ScanTerms, now: datetime) -> datetime:
    """The last time at or before ``now``."""
    if terms.cron:
        return _cron_before(terms.cron, terms.time_zone, _whole_minute(now))
    turns = (now - _EPOCH) // timedelta(seconds=terms.interval_s)
    return _EPOCH + turns * timedelta(seconds=terms.interval_s)


def due_after(terms: ScanTerms, due: datetime) -> datetime:
    if terms.cron:
        return _cron_after(terms.cron, terms.time_zone, due)
    return due + timedelta(seconds=terms.interval_s)


def _whole_minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


@lru_cache(maxsize=1024)
def _cron_before(cron: str, zone: str, minute: datetime) -> datetime:
    return next(CronSim(cron, (minute + _SECOND).astimezone(ZoneInfo(zone)), reverse=True)).astimezone(UTC)


@lru_cache(maxsize=1024)
def _cron_after(cron: str, zone: str, due: datetime) -> datetime:
    return next(CronSim(cron, due.astimezone(ZoneInfo(zone)))).astimezone(UTC)


# --- windows ----------------------------------------------------------------------------------------------------------


def open_until(terms: ScanTerms, now: datetime) -> datetime | None:
    """Until when scans may run without a pause; None while they may not."""
    if not terms.windows:
        return FOREVER
    return next((end for start, end in _times_around(terms, now) if start <= now < end), None)


def opens_at(terms: ScanTerms, now: datetime) -> datetime:
    """When scans may run next: ``now``, or the next start of a window."""
    if open_until(terms, now) is not None:
        return now
    return next((start for start, _ in _times_around(terms, now) if start > now), FOREVER)


def _times_around(terms: ScanTerms, now: datetime) -> list[tuple[datetime, datetime]]:
    return _open_times(terms.windows, terms.time_zone, now.astimezone(UTC).date())


@lru_cache(maxsize=256)
def _open_times(windows: tuple[Window, ...], zone: str, today: date) -> list[tuple[datetime, datetime]]:
    """The open times from some days before ``today`` on, in order; those that overlap or touch are one."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(_each_window(windows, ZoneInfo(zone), today)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def _each_window(windows: Sequence[Window], zone: ZoneInfo, today: date) -> Iterator[tuple[datetime, datetime]]:
    for ahead in range(-_DAYS_BACK, _DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        for window in windows:
            if window.days is None or _DAYS[day.weekday()] in window.days:
                ends_on = day if window.end > window.start else day + timedelta(days=1)
                yield _instant(day, window.start, zone), _instant(ends_on, window.end, zone)


def _instant(day: date, clock: str, zone: ZoneInfo) -> datetime:
    """The first moment at which the clock on the wall shows ``clock`` or later on that day."""
    wall = datetime.combine(day, time.fromisoformat(clock))
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    moment = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # left out: before the change, by its width
    while moment.astimezone(zone).replace(tzinfo=None) < wall:
        moment += _MINUTE
    return moment
