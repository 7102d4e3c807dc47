"""How much of the time a scan leaves to others, where others are at work. Pure.

The marks of a policy say when a region is too busy for a scan. Long before that a scan is felt: its statements take
a processor of the database server. So where a region is written to, the scan rests after each chunk for a multiple of
the time that it took; regions that are at rest are scanned at full speed.
"""

from collections.abc import Mapping
from typing import Final

from region_operator.replication.load import WRITES, Gauges

QUIET_WRITES: Final = 50
"""Statements of others a second that write: a cloud at rest makes fewer."""

RESTS: Final = 19
"""Times as long as the chunk took: a scan takes a twentieth of the time of a busy region."""

REST_MOST_S: Final = 10.0
"""A chunk is slow also where the peer is far away or the machine is small: a scan ends all the same."""


def is_busy(loads: Mapping[int, Gauges]) -> bool:
    """Whether others are at work in one of the regions."""
    return any(gauges.get(WRITES, 0) > QUIET_WRITES for gauges in loads.values())


def rest_s(took_s: float, *, repaired: bool) -> float:
    """After a chunk of busy regions; one that repairs is in a hurry: rows that are wrong cost others more."""
    return min(REST_MOST_S, took_s if repaired else RESTS * took_s)
