"""Who writes here, in which incarnation: a database that may have gone back in time never reuses a version number.

Checked on every new session of the lane. The table ``server_run`` is in memory, so it is empty after a restart of the
database server, whatever any clock says; a server that is another one is known by its identity; a schema that was
restored alone by its witness.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pymysql

from region_operator.errors import Conflict, InvalidInput, Refused
from region_operator.replication.model.lag import History, Incarnation
from region_operator.replication.model.vectors import Actor, actor_of
from region_operator.replication.store import genesis
from region_operator.replication.store.connections import CAPTURE_SWITCH, Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.schema import SCHEMA_VERSION, WITNESS_TABLE

CONTINUOUS: Final = "Continuous"
RESTORED: Final = "Restored"
FORGED: Final = "ForgedVersion"

LOCK_TIMEOUT_S = 10
"""How long an agent waits for another one to let go of the database."""

IDLE_TIMEOUT_S = 60

Mint = Callable[[], int]
"""Gives a random number of 63 bits."""


@dataclass(frozen=True)
class Tenure:
    """What a session of the lane has found out when it took the database.

    Attributes:
        token: the fencing token; whoever finds a higher one in the database has been replaced.
        last_lsn: the highest number this process has seen; a lower one means that the database went back in time.
        minted: names of incarnations that this process has begun itself.
        connection: the session's number at the server.
    """

    region_id: int
    token: int
    history: History
    last_lsn: int
    connection: int
    minted: frozenset[str] = frozenset()

    @property
    def actor(self) -> Actor:
        return actor_of(self.region_id, self.history[-1].name)


def take(session: Session, layout: Layout, *, region_id: int, mint: Mint, before: Tenure | None) -> Tenure:
    """Take the database, or take it again after the connection was lost.

    Raises:
        InvalidInput: the schema is missing, of another version, or of another region.
        Refused: another agent holds the database and is alive.
        Conflict: another agent has taken the database since ``before``.
    """
    connection = _hold(session, layout, before=before)
    with session.transaction():
        lane = session.one(
            "SELECT region_id, fencing_token, last_lsn, witness, server_identity "
            f"FROM {layout.own('lane')} WHERE id = 1 FOR UPDATE"
        )
        if lane is None:
            raise _not_installed()
        owner, token, last_lsn, witness, identity = lane
        _check_owner(int(owner), region_id=region_id)
        if before is not None and int(token) != before.token:
            raise Conflict(f"another agent has taken this region's database (token {token}, ours {before.token})")
        token = int(token) if before is not None else int(token) + 1
        present = _identity(session, layout)
        reason, restored = _reason(
            session, layout, before=before, known=str(identity), present=present, lane=(int(last_lsn), int(witness))
        )
        session.execute(f"UPDATE {layout.own('lane')} SET fencing_token = %s WHERE id = 1", (token,))
        if reason == "WitnessDisagrees":
            _start_over(session, layout)
        if reason:
            begin(session, layout, mint=mint, reason=reason, restored=restored)
    return Tenure(region_id, token, history(session, layout), head(session, layout), connection)


def guard(session: Session, layout: Layout, tenure: Tenure) -> int:
    """Lock the lane for this transaction and return its head; raises Conflict if another agent has the database."""
    row = session.one(f"SELECT fencing_token, last_lsn FROM {layout.own('lane')} WHERE id = 1 FOR UPDATE")
    if row is None or int(row[0]) != tenure.token:
        raise Conflict("another agent has taken this region's database")
    return int(row[1])


def begin(session: Session, layout: Layout, *, mint: Mint, reason: str, restored: bool) -> str:
    """Begin a new incarnation at the next lsn, inside a transaction that holds the lane; return its name."""
    name = f"{mint():016x}"
    session.execute(
        f"INSERT INTO {layout.own('incarnation')} (name, number, first_lsn, reason, minted_at) "
        f"SELECT %s, (SELECT IFNULL(MAX(number), 0) + 1 FROM {layout.own('incarnation')}), last_lsn + 1, %s, "
        f"UTC_TIMESTAMP(6) FROM {layout.own('lane')} WHERE id = 1",
        (name, reason),
    )
    if restored:
        mark_restored(session, layout)
    _recognise(session, layout, name)
    return name


def mark_restored(session: Session, layout: Layout) -> None:
    """Say that the database went back in time; that somebody forged versions weighs more."""
    session.execute(
        f"UPDATE {layout.own('lane')} SET history_intact = %s WHERE id = 1 AND history_intact <> %s", (RESTORED, FORGED)
    )


def mark_forged(session: Session, layout: Layout) -> None:
    session.execute(f"UPDATE {layout.own('lane')} SET history_intact = %s WHERE id = 1", (FORGED,))


def holds_all_writes(session: Session, layout: Layout, tenure: Tenure) -> bool:
    """Tell whether everything that was ever written under the present incarnation is provably in ``row_version``.

    This very process has begun it, so it knows the highest number given; the database has not gone below that, nor was
    its server restarted, nor one schema or the table of versions restored without the rest. Holds the lane.
    """
    name = history(session, layout)[-1].name
    lane = session.one(
        f"SELECT last_lsn, witness, (SELECT IFNULL(MAX(lsn), 0) FROM {layout.own('row_version')}), "
        f"(SELECT MAX(name) FROM {layout.own('server_run')}), "
        f"(SELECT MAX(witness) FROM {layout.business}.{WITNESS_TABLE}) FROM {layout.own('lane')} WHERE id = 1"
    )
    assert lane is not None
    last_lsn, ours, latest, running, theirs = lane
    return (
        name in tenure.minted
        and running == name
        and int(last_lsn) >= tenure.last_lsn
        and int(latest) == int(last_lsn)
        and theirs is not None
        and int(theirs) == int(ours)
    )


def confirm(session: Session, layout: Layout) -> None:
    """What was said against the history has been looked into."""
    session.execute(f"UPDATE {layout.own('lane')} SET history_intact = %s WHERE id = 1", (CONTINUOUS,))


def history(session: Session, layout: Layout) -> History:
    return tuple(
        Incarnation(str(name), int(first))
        for name, first in session.select(f"SELECT name, first_lsn FROM {layout.own('incarnation')} ORDER BY number")
    )


def actor(session: Session, layout: Layout, *, region_id: int) -> Actor:
    return actor_of(region_id, history(session, layout)[-1].name)


def head(session: Session, layout: Layout) -> int:
    row = session.one(f"SELECT last_lsn FROM {layout.own('lane')} WHERE id = 1")
    return int(row[0]) if row else 0


def witness(session: Session, layout: Layout, *, lsn: int) -> None:
    """Leave the same number in both schemas, in the transaction of a fold."""
    session.execute(f"UPDATE {layout.own('lane')} SET witness = %s WHERE id = 1", (lsn,))
    session.execute(f"UPDATE {layout.business}.{WITNESS_TABLE} SET witness = %s WHERE id = 1", (lsn,))


def _hold(session: Session, layout: Layout, *, before: Tenure | None) -> int:
    """Take the lock that one session at a time has; return this session's number."""
    if before is not None:
        # Our own last session may linger at the server after a cut of the network.
        with contextlib.suppress(pymysql.Error):
            session.execute("KILL CONNECTION %s", (before.connection,))
    # That of an agent whose machine is gone ends by itself; one of ours that was idle for so long is made anew.
    session.execute("SET SESSION wait_timeout = %s", (IDLE_TIMEOUT_S,))
    row = session.one(
        "SELECT GET_LOCK(%s, %s), CONNECTION_ID()", (f"{layout.sync.strip('`')}.lane"[:64], LOCK_TIMEOUT_S)
    )
    if row is None or row[0] != 1:
        raise Refused(reason="DatabaseInUse", message="another agent holds this region's database")
    session.execute(f"SET {CAPTURE_SWITCH} = 1")
    return int(row[1])


def _recognise(session: Session, layout: Layout, name: str) -> None:
    """Note this run of this server as that of incarnation ``name``."""
    session.execute(f"UPDATE {layout.own('lane')} SET server_identity = %s WHERE id = 1", (_identity(session, layout),))
    session.execute(f"DELETE FROM {layout.own('server_run')}")
    session.execute(f"INSERT INTO {layout.own('server_run')} (name) VALUES (%s)", (name,))


def _reason(
    session: Session, layout: Layout, *, before: Tenure | None, known: str, present: str, lane: tuple[int, int]
) -> tuple[str, bool]:
    """Why a new incarnation has to begin ("" = it has not), and whether that is a restore."""
    last_lsn, ours = lane
    theirs = session.one(f"SELECT witness FROM {layout.business}.{WITNESS_TABLE} WHERE id = 1")
    if theirs is None or int(theirs[0]) != ours:
        return "WitnessDisagrees", True
    if before is not None and last_lsn < before.last_lsn:
        return "HeadWentBack", True
    if not history(session, layout):
        return "Installed", False
    if known != present:
        return "ServerChanged", False
    running = session.one(f"SELECT name FROM {layout.own('server_run')}")
    if running is None or running[0] != history(session, layout)[-1].name:
        return "ServerRestarted", False
    return "", False


def _identity(session: Session, layout: Layout) -> str:
    """Which server this is, and which making of our tables: a dump that is loaded makes them anew.

    The file system notes when that was; nothing is decided by how long ago it is.
    """
    row = session.one(
        "SELECT UNIX_TIMESTAMP(CREATE_TIME), @@hostname, @@port, @@server_id, @@datadir FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'lane'",
        (layout.sync.strip("`"),),
    )
    return "|".join(str(part) for part in row or ())[:255]


def _start_over(session: Session, layout: Layout) -> None:
    """One schema was restored without the other: rows do not hold what their versions say.

    Everything gets a version named after its content, which yields to what peers captured; all of it flows in again.
    """
    for table in ("row_version", "dirty", "parked", "link_cursor"):
        session.execute(f"DELETE FROM {layout.own(table)}")
    genesis.batch(session, layout)
    lsn = head(session, layout)
    session.execute(f"INSERT IGNORE INTO {layout.business}.{WITNESS_TABLE} (id, witness) VALUES (1, %s)", (lsn,))
    witness(session, layout, lsn=lsn)


def check_version(version: int | None) -> None:
    """Raise InvalidInput unless the schema that is there is the one that we speak."""
    if version is None:
        raise _not_installed()
    if version != SCHEMA_VERSION:
        raise InvalidInput(
            field="region_sync.schema_version",
            problem=f"is {version}, this agent speaks {SCHEMA_VERSION}",
            remedy="run `region-operator agent prepare` of the agent's version",
            reason="SchemaVersion",
        )


def _check_owner(owner: int, *, region_id: int) -> None:
    if owner != region_id:
        raise InvalidInput(
            field="region_id",
            problem=f"the database is that of region {owner}, not {region_id}",
            remedy="give the region the database and the id that belong together",
            reason="DatabaseOfAnotherRegion",
        )


def _not_installed() -> InvalidInput:
    return InvalidInput(
        field="database",
        problem="region_sync is not installed",
        remedy="run `region-operator agent prepare` with the database's admin",
        reason="NotPrepared",
    )
