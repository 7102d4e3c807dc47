"""What full scans keep, and who may look at the region: the part of the port that is `store.scans`."""

from collections.abc import Callable
from typing import Any

from memory_region.database import Database, ScanLease, Server
from region_operator.errors import Refused
from region_operator.replication.load import Counters
from region_operator.replication.scans.ports import REGION_BUSY
from region_operator.replication.scans.record import StoredScan, superfluous
from region_operator.replication.store.scans import LEASE_S


class Scanning:
    """Base of `MemoryRegion`."""

    server: Server
    _write: Callable[[Callable[[Database], Any]], Any]

    def scans(self) -> list[StoredScan]:
        return [scan for _, scan in sorted(self.server.read().scans.items())]

    def keep_scan(self, scan: StoredScan) -> None:
        def keep(draft: Database) -> None:
            draft.scans[scan.id] = scan
            for gone in superfluous(draft.scans.values()) if scan.is_ended else ():
                del draft.scans[gone]

        self._write(keep)

    def hold_lease(self, holder: str) -> int:
        def hold(draft: Database) -> int:
            lease, now_s = draft.scan_lease, self.server.clock()
            if lease.holder != holder and 0 < lease.expires_s - now_s <= LEASE_S:
                raise Refused(reason=REGION_BUSY, message=f"scan {lease.holder} holds this region")
            draft.scan_lease = ScanLease(holder, lease.number + (lease.holder != holder), now_s + LEASE_S)
            return draft.scan_lease.number

        held: int = self._write(hold)
        return held

    def release_lease(self, holder: str) -> None:
        def release(draft: Database) -> None:
            lease = draft.scan_lease
            if lease.holder == holder:
                draft.scan_lease = ScanLease(holder, lease.number, self.server.clock())

        self._write(release)

    def load(self) -> Counters:
        self.server.read()
        return self.server.load
