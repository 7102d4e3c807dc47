"""A region's store in memory: the port of `region_store.RegionStore`, the real model, no SQL.

It exists for two uses: tests of links and agents that need a region at once, and the simulation, which runs thousands
of fleets. It may be trusted because the suite in ``tests/contract/replication/store_suite`` runs on it and on MariaDB.

    database   what a server holds, as values: a transaction works on a copy, so an old value is a backup
    indexed    rows found by a name, or by what they wait for, without a look at all of them
    business   rows of the cloud and the people (or management servers) that write them, captured as triggers do
    applying   one transaction: fold, merge, show, park
    adopting   rows of one name that became one
    showing    makes merged rows visible: parents first, names waited for; ``circles`` are broken
    records    conflicts and parked rows, for people; ``namesakes`` are shown to them
    retrying   parked rows tried again, clashes settled
    region     the port
"""

from memory_region.business import Cloud
from memory_region.database import Database, Server
from memory_region.region import MemoryRegion

__all__ = ["Cloud", "Database", "MemoryRegion", "Server"]
