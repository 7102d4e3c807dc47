"""What peers read of a content: a page of changes in the order of their numbers."""

from memory_region.database import Database, Server, Version
from region_operator.replication.feed import FeedPage, FeedRequest, FeedRow, RowKey
from region_operator.replication.model import START, Cursor, History, Resume, resume


def read(server: Server, request: FeedRequest, *, region_id: int) -> tuple[FeedPage, Resume]:
    """Return a page, without entities that are left out, and what its reader's cursor proved about us."""
    content, now_s = server.read(), server.clock()
    head, history = content.last_lsn, content.history
    position = resume(request.after, history=history, head=head, known=request.known_history, seen=request.seen)
    if position.lost:
        page = FeedPage(source=region_id, history=history, rows=(), next=position.cursor, head=head, rewound=True)
        return page, position
    found, reached, unfolded = _collect(server, content, request, after=position.cursor.lsn)
    page = FeedPage(
        source=region_id,
        history=history,
        rows=tuple(found),
        next=Cursor(position.cursor.incarnation, reached),
        head=head,
        total_rows=len(content.versions) if request.after == START else 0,
        age_ms=age_ms(content, now_s, after=position.cursor.lsn, peer=request.peer),
        remaining_age_ms=age_ms(content, now_s, after=reached, peer=request.peer),
        unfolded=unfolded,
        leaves_out=bool(content.left_out),
    )
    return page, position


def _collect(server: Server, content: Database, request: FeedRequest, *, after: int) -> tuple[list[FeedRow], int, bool]:
    found: list[FeedRow] = []
    size, reached, unfolded = 0, after, False
    for version in _beyond(content, after):
        row = RowKey(version.state.entity, version.state.key)
        is_news = not is_echo(version, request) and is_served(server, content, row)
        unfolded = unfolded or (is_news and row in content.dirty)
        if is_news and row not in content.dirty:
            size += len(version.text.encode())
            # At least one row, whatever its size.
            if found and (len(found) >= request.max_rows or size > request.max_bytes):
                return found, reached, unfolded
            found.append(feed_row(version))
        reached = version.lsn
    return found, content.last_lsn, unfolded


def age_ms(content: Database, now_s: float, *, after: int, peer: int) -> int:
    others = (v for v in _beyond(content, after) if v.origin is None or v.origin.region != peer)
    oldest = [version.changed_s for version in others][:1]
    oldest += [captured[0].at_s for captured in content.dirty.values()][:1]
    return max([0, *(int((now_s - then_s) * 1000) for then_s in oldest)])


def is_served(server: Server, content: Database, row: RowKey) -> bool:
    return row.entity not in content.left_out and not content.is_purged(server.catalog[row.entity], row)


def is_echo(version: Version, request: FeedRequest) -> bool:
    """Exactly what the peer sent, unless the peer has lost it since."""
    origin = version.origin
    if origin is None or origin.region != request.peer:
        return False
    return holds(request.peer_history, Cursor(origin.incarnation, origin.lsn))


def holds(history: History, cursor: Cursor) -> bool:
    """Tell whether a region with this history still has what it had when it handed ``cursor`` out."""
    ends = [following.first_lsn - 1 for following in history[1:]]
    for index, incarnation in enumerate(history):
        if incarnation.name == cursor.incarnation:
            return index == len(ends) or cursor.lsn <= ends[index]
    return False


def _beyond(content: Database, lsn: int) -> list[Version]:
    """The versions after a number, in order."""
    newest: list[Version] = []
    for version in reversed(content.versions.values()):
        if version.lsn <= lsn:
            break
        newest.append(version)
    return newest[::-1]


def feed_row(version: Version) -> FeedRow:
    return FeedRow(version.lsn, version.state.entity, version.state.key, version.text)
