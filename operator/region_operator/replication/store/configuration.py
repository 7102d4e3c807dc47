"""The agent's configuration and claim, cursors of links, and the audit of what people decided, kept in the database."""

import json

from region_operator.errors import Refused
from region_operator.replication.feed import CURSOR_MOVED, FeedPage
from region_operator.replication.model.lag import START, Cursor, History, Incarnation, Seen
from region_operator.replication.records import StoredConfiguration
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout


def load(session: Session, layout: Layout) -> StoredConfiguration | None:
    row = session.one(f"SELECT document, etag FROM {layout.own('configuration')} WHERE id = 1")
    if row is None:
        return None
    claim = session.one(f"SELECT hub, region, epoch FROM {layout.own('claim')} WHERE id = 1") or ("", "", 0)
    return StoredConfiguration(str(row[0]), str(row[1]), str(claim[0]), str(claim[1]), int(claim[2]))


def store(session: Session, layout: Layout, configuration: StoredConfiguration) -> None:
    session.execute(
        f"REPLACE INTO {layout.own('configuration')} (id, document, etag, stored_at) "
        "VALUES (1, %s, %s, UTC_TIMESTAMP(6))",
        (configuration.text, configuration.etag),
    )
    if configuration.claim_hub:
        session.execute(
            f"REPLACE INTO {layout.own('claim')} (id, hub, region, epoch) VALUES (1, %s, %s, %s)",
            (configuration.claim_hub, configuration.claim_region, configuration.claim_epoch),
        )


def position(session: Session, layout: Layout, source: int) -> tuple[Cursor, History, Seen]:
    """Where the link from a source stands, what the source last told, and what was seen of it."""
    row = session.one(f"SELECT incarnation, lsn, history FROM {layout.own('link_cursor')} WHERE source = %s", (source,))
    if row is None:
        return START, (), Seen()
    told = json.loads(row[2])
    if isinstance(told, list):  # as kept before what was seen was kept too
        told = {"history": told, "whole": 0, "head": 0}
    history = tuple(Incarnation(str(name), int(first)) for name, first in told["history"])
    return Cursor(str(row[0]), int(row[1])), history, Seen(int(told["whole"]), int(told["head"]))


def check_cursor(session: Session, layout: Layout, source: int, *, expected: Cursor) -> None:
    """Raise Refused (``CursorMoved``) unless the link stands where its page was asked for."""
    present, _, _ = position(session, layout, source)
    if present != expected:
        message = f"the link stood at {expected} and stands at {present} now; it begins again there"
        raise Refused(reason=CURSOR_MOVED, message=message)


def move_cursor(session: Session, layout: Layout, page: FeedPage) -> None:
    """The page is applied: the link stands at its end."""
    source, to = page.source, page.next
    seen = page.seen_after(position(session, layout, source)[2])
    history = [[incarnation.name, incarnation.first_lsn] for incarnation in page.history]
    told = json.dumps({"history": history, "whole": seen.whole, "head": seen.head})
    session.execute(
        f"REPLACE INTO {layout.own('link_cursor')} (source, incarnation, lsn, history, moved_at) "
        "VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6))",
        (source, to.incarnation, to.lsn, told),
    )


def leave(session: Session, layout: Layout, source: int) -> None:
    """The peering is left: nobody reads the source any more, and where the link stood is kept for another peering."""
    session.execute(
        f"UPDATE {layout.own('link_cursor')} SET history = JSON_SET(history, '$.left', 1) WHERE source = %s", (source,)
    )


def is_left(session: Session, layout: Layout, source: int) -> bool:
    found = f"SELECT 1 FROM {layout.own('link_cursor')} WHERE source = %s AND JSON_EXISTS(history, '$.left')"
    return session.one(found, (source,)) is not None


def rejoin(session: Session, layout: Layout, source: int) -> None:
    """The source is read again: from where the link stood; from the start if rows of it still wait for something."""
    if not is_left(session, layout, source):
        return
    if session.one(f"SELECT 1 FROM {layout.own('parked')} WHERE source = %s LIMIT 1", (source,)) is not None:
        drop_cursor(session, layout, source)
    else:
        session.execute(
            f"UPDATE {layout.own('link_cursor')} SET history = JSON_REMOVE(history, '$.left') WHERE source = %s",
            (source,),
        )


def sources(session: Session, layout: Layout) -> frozenset[int]:
    """The regions that are read."""
    found = f"SELECT source FROM {layout.own('link_cursor')} WHERE NOT JSON_EXISTS(history, '$.left')"
    return frozenset(int(row[0]) for row in session.select(found))


def drop_cursor(session: Session, layout: Layout, source: int) -> None:
    session.execute(f"DELETE FROM {layout.own('link_cursor')} WHERE source = %s", (source,))


def audit(session: Session, layout: Layout, *, action: str, subject: str, by: str, reason: str) -> None:
    session.execute(
        f"INSERT INTO {layout.own('audit')} (at, action, subject, decided_by, reason) "
        "VALUES (UTC_TIMESTAMP(6), %s, %s, %s, %s)",
        (action, subject[:255], by[:255], reason[:1000]),
    )
