"""What full scans keep in a region's database, and what it tells of its load.

``scan`` is kept where a scan is coordinated, ``scan_lease`` in both regions: a region is compared with one other at a
time, whoever asks. A lease ends by the clock of its own database if its holder does not renew it.
"""

import json
from functools import partial
from typing import Final

from region_operator.api.scans import ScanGrant, ScanReport
from region_operator.errors import Refused
from region_operator.replication.load import Counters
from region_operator.replication.scans.ports import REGION_BUSY
from region_operator.replication.scans.record import StoredScan, superfluous
from region_operator.replication.store.connections import Readers, Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.writer import Writer

LEASE_S: Final = 60
RENEWED_AT_S: Final = 45
"""What may be left of a lease without it being written again."""


class Scanning:
    """Base of `RegionStore`: what a scan needs beside comparing."""

    _writer: Writer
    _readers: Readers

    @property
    def _layout(self) -> Layout:
        return self._writer.layout

    def scans(self) -> list[StoredScan]:
        """All that are remembered."""
        with self._readers.snapshot() as session:
            return _scans(session, self._layout)

    def keep_scan(self, scan: StoredScan) -> None:
        """Remember a scan as it stands now; the oldest ended ones are forgotten when one ends."""
        self._writer.write(partial(_keep, layout=self._layout, scan=scan))

    def hold_lease(self, holder: str) -> int:
        """Take or renew the right to scan this region; returns its number, another one for each new holder.

        Raises:
            Refused: ``RegionBusy``, another holder renewed it within the last minute.
        """
        return self._held_well(holder) or self._writer.write(partial(_hold, layout=self._layout, holder=holder))

    def _held_well(self, holder: str) -> int | None:
        """The number of a lease that need not be renewed yet: this is asked before each chunk."""
        found = self._readers.select(
            f"SELECT fencing_number FROM {self._layout.own('scan_lease')} WHERE id = 1 AND holder = %s "
            "AND TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), expires_at) BETWEEN %s AND %s",
            (holder, RENEWED_AT_S, LEASE_S),
        )
        return int(found[0][0]) if found else None

    def release_lease(self, holder: str) -> None:
        """Give the right back; nothing happens if another holder has it."""
        self._writer.write(
            lambda session: session.execute(
                f"UPDATE {self._layout.own('scan_lease')} SET expires_at = UTC_TIMESTAMP(6) WHERE holder = %s",
                (holder,),
            )
        )

    def load(self) -> Counters:
        """What the database server tells of its load to any user; one that it does not count is 0.

        Our own writes are taken off: a region in which only a scan repairs something is at rest.
        """
        status = {str(name).lower(): int(value) for name, value in self._readers.select(_STATUS)}
        return Counters(
            threads_running=status.get("threads_running", 0),
            row_lock_waits=status.get("innodb_row_lock_waits", 0),
            history_list_length=status.get("innodb_history_list_length", 0),
            writes=sum(status.get(name, 0) for name in _WRITES) - self._writer.writes,
        )


_WRITES: Final = ("com_insert", "com_update", "com_delete", "com_replace")
_STATUS: Final = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN "
    "('Threads_running', 'Innodb_row_lock_waits', 'Innodb_history_list_length', "
    "'Com_insert', 'Com_update', 'Com_delete', 'Com_replace')"
)


def _scans(session: Session, layout: Layout) -> list[StoredScan]:
    found = session.select(f"SELECT terms, report, position FROM {layout.own('scan')} ORDER BY id")
    return [
        StoredScan(
            ScanGrant.model_validate_json(terms),
            ScanReport.model_validate_json(report),
            None if position is None else json.loads(position),
        )
        for terms, report, position in found
    ]


def _keep(session: Session, layout: Layout, scan: StoredScan) -> None:
    report = scan.report
    session.execute(
        f"REPLACE INTO {layout.own('scan')} (id, peering_uid, state, result, terms, report, position) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            *(scan.id, report.peering_uid, report.state, report.result),
            *(scan.grant.model_dump_json(by_alias=True), report.model_dump_json(by_alias=True)),
            None if scan.position is None else json.dumps(scan.position),
        ),
    )
    if scan.is_ended:
        for gone in superfluous(_scans(session, layout)):
            session.execute(f"DELETE FROM {layout.own('scan')} WHERE id = %s", (gone,))


def _hold(session: Session, layout: Layout, holder: str) -> int:
    table = layout.own("scan_lease")
    session.execute(f"INSERT IGNORE INTO {table} (id, expires_at) VALUES (1, UTC_TIMESTAMP(6))")
    row = session.one(
        f"SELECT holder, fencing_number, CEILING(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), expires_at) / 1000000) "
        f"FROM {table} WHERE id = 1 FOR UPDATE"
    )
    assert row is not None
    present, number, left_s = str(row[0]), int(row[1]), int(row[2])
    # A lease that is longer than any can be was given before the clock was set back.
    if present != holder and 0 < left_s <= LEASE_S:
        raise Refused(reason=REGION_BUSY, message=f"scan {present} holds this region, for {left_s} s unless it goes on")
    number += present != holder
    session.execute(
        f"UPDATE {table} SET holder = %s, fencing_number = %s, "
        f"expires_at = UTC_TIMESTAMP(6) + INTERVAL {LEASE_S} SECOND WHERE id = 1",
        (holder, number),
    )
    return number
