"""Entities that this region leaves out (``mode: Off``): it takes no row of them from peers and serves none.

Nothing of what is left out is joined, so what people write here meanwhile stays concurrent with what others write.
Table ``left_out`` remembers what peers and we have missed of each other until all of it has been put on its way again:
our rows get new numbers, so that every peer comes by them once more, and links begin again at the start.
"""

from collections.abc import Collection, Set

from region_operator.replication.store import incarnations
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.rows import marks

BATCH = 500


def known(session: Session, layout: Layout) -> frozenset[str]:
    """What has been left out, up to now or until its rows are all on their way again."""
    return frozenset(str(row[0]) for row in session.select(f"SELECT entity FROM {layout.own('left_out')}"))


def remember(session: Session, layout: Layout, entities: Set[str]) -> None:
    """Note what is left out from now on; holds the lane.

    That takes a number of its own: a database that is restored to before it can be told by it.
    """
    if not entities - known(session, layout):
        return
    session.insert(
        f"INSERT IGNORE INTO {layout.own('left_out')} (entity, since) VALUES (%s, UTC_TIMESTAMP(6))",
        [(entity,) for entity in sorted(entities)],
    )
    head = incarnations.head(session, layout)
    # A number that no row has would look like a lost version: the last row takes it, and goes out once more.
    session.execute(f"UPDATE {layout.own('row_version')} SET lsn = %s WHERE lsn = %s", (head + 1, head))
    session.execute(f"UPDATE {layout.own('lane')} SET last_lsn = %s WHERE id = 1", (head + 1,))


def send_again(session: Session, layout: Layout, entity: str, *, until: int) -> bool:
    """Give some rows with numbers up to ``until`` the next ones; False when there were none. Holds the lane."""
    keys = [
        str(row[0])
        for row in session.select(
            f"SELECT entity_key FROM {layout.own('row_version')} WHERE entity = %s AND lsn <= %s ORDER BY lsn LIMIT %s",
            (entity, until, BATCH),
        )
    ]
    if not keys:
        return False
    head = incarnations.head(session, layout)
    session.execute_each(
        f"UPDATE {layout.own('row_version')} SET lsn = %s, changed_at = UTC_TIMESTAMP(6) "
        "WHERE entity = %s AND entity_key = %s",
        [(lsn, entity, key) for lsn, key in enumerate(keys, start=head + 1)],
    )
    session.execute(f"UPDATE {layout.own('lane')} SET last_lsn = %s WHERE id = 1", (head + len(keys),))
    return True


def forget(session: Session, layout: Layout, entities: Collection[str]) -> None:
    """All of it is on its way; links read everything once more for what they passed over."""
    if entities:
        names = sorted(entities)
        session.execute(f"DELETE FROM {layout.own('left_out')} WHERE entity IN ({marks(names)})", names)
        session.execute(f"DELETE FROM {layout.own('link_cursor')}")
