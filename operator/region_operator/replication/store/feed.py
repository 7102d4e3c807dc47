"""What peers read: pages of changes in the order of lsn, and rows by key, each from one consistent snapshot.

Rows with captured changes that no fold has versioned are left out: they would carry a new value under an old name of a
write. Folding moves them to the head, so no reader misses them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from region_operator.replication.feed import FeedPage, FeedRequest, FeedRow, FetchedRows, RowKey
from region_operator.replication.model import codec, plain
from region_operator.replication.model.lag import START, Cursor, resume
from region_operator.replication.store import bulk_feed, fold, incarnations, left_out, rows, sets, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.news import NewsFor
from region_operator.replication.store.versions import Version

BATCH = 500


@dataclass(frozen=True)
class Reading:
    """A page, and what its reader's cursor proved about us.

    Attributes:
        lost: commits that the reader has and we have not.
    """

    page: FeedPage
    lost: bool = False


def read(session: Session, layout: Layout, request: FeedRequest, *, region_id: int) -> Reading:
    """Read a page inside a snapshot."""
    history, head = incarnations.history(session, layout), incarnations.head(session, layout)
    here, lost = _position(session, layout, request, head=head)
    if lost:
        page = FeedPage(source=region_id, history=history, rows=(), next=here, head=head, rewound=True)
        return Reading(page, lost=True)
    bulk = bulk_feed.read(session, layout, request, after=here.lsn) if request.bulk else None
    if bulk is not None and bulk.reached > here.lsn:
        found, unfolded = _others(session, layout, bulk.others)
        reached = bulk.reached
    else:
        found, reached, unfolded = _collect(session, layout, request, after=here.lsn, head=head)
    beyond = Cursor(here.incarnation, reached)
    # What the peer sent itself may be a million rows: they were passed over once.
    first = here.lsn + 1 if bulk is not None and bulk.rows else found[0].lsn if found else reached + 1
    page = FeedPage(
        source=region_id,
        history=history,
        rows=tuple(found),
        next=beyond,
        head=head,
        total_rows=_count(session, layout) if request.after == START else 0,
        age_ms=_age_ms(session, layout, after=first - 1, peer=request.peer),
        remaining_age_ms=_age_ms(session, layout, after=reached, peer=request.peer),
        unfolded=unfolded,
        leaves_out=bool(layout.left_out or left_out.known(session, layout)),
        bulk=bulk.rows if bulk is not None else (),
    )
    return Reading(page)


def read_rows(session: Session, layout: Layout, keys: Collection[RowKey], *, region_id: int) -> FetchedRows:
    """Read rows by key; what is not known, or not versioned yet, is left out."""
    wanted = [row for row in keys if layout.exchanges(row.entity)]
    found = sorted(versions.load(session, layout, wanted).values(), key=lambda version: version.lsn)
    texts, _ = state_texts(session, layout, found)
    made = [FeedRow(v.lsn, v.row.entity, v.row.key, texts[v.row]) for v in found if v.row in texts]
    return FetchedRows(region_id, incarnations.history(session, layout), tuple(made))


def _position(session: Session, layout: Layout, request: FeedRequest, *, head: int) -> tuple[Cursor, bool]:
    """Where to go on, and whether the reader proves lost commits."""
    history, seen = incarnations.history(session, layout), request.seen
    if seen is not None and seen.head == head + 1 and fold.captures_anything(session, layout):
        seen = None  # it was told of a change that may still wait to be versioned; it says the same again next time
    found = resume(request.after, history=history, head=head, known=request.known_history, seen=seen)
    return found.cursor, found.lost


def _collect(
    session: Session, layout: Layout, request: FeedRequest, *, after: int, head: int
) -> tuple[list[FeedRow], int, bool]:
    """The rows of a page, how far it reaches, and whether rows were left out that are not versioned yet."""
    found: list[FeedRow] = []
    size, reached, unfolded = 0, after, False
    news = NewsFor.of(peer=request.peer, history=request.peer_history)
    while True:
        batch = versions.after(session, layout, lsn=reached, limit=min(BATCH, max(1, request.max_rows)), news=news)
        texts, dirty = state_texts(session, layout, batch)
        unfolded = unfolded or bool(dirty)
        for version in batch:
            text = texts.get(version.row)
            if text is not None:
                size += len(text.encode())
                # At least one row, whatever its size.
                if found and (len(found) >= request.max_rows or size > request.max_bytes):
                    return found, reached, unfolded
                found.append(FeedRow(version.lsn, version.row.entity, version.row.key, text))
            reached = version.lsn
        if not batch:
            return found, head, unfolded


def _others(session: Session, layout: Layout, numbers: Collection[int]) -> tuple[list[FeedRow], bool]:
    """The rows of a page that cannot go by the bulk, and whether some were left out that are not versioned yet."""
    found = versions.numbered(session, layout, numbers)
    texts, dirty = state_texts(session, layout, found)
    return [FeedRow(v.lsn, v.row.entity, v.row.key, texts[v.row]) for v in found if v.row in texts], bool(dirty)


def state_texts(session: Session, layout: Layout, found: Sequence[Version]) -> tuple[dict[RowKey, str], set[RowKey]]:
    """States as text, without rows that have captured changes in this snapshot, and these rows.

    A row can lack both: purged, or gone behind its triggers. Nothing more will come of it by itself.
    """
    known = [version for version in found if layout.exchanges(version.row.entity)]
    dirty = fold.captured_keys(session, layout, [version.row for version in known])
    clean = [version for version in known if version.row not in dirty]
    texts = {version.row: version.text for version in clean if version.complete}
    plain_rows, other_rows = _split(layout, [version for version in clean if not version.complete])
    for entity, own in plain_rows.items():
        values = sets.read_values(session, layout, layout.tables[entity], list(own))
        texts |= {own[key].row: plain.fill(own[key].text, found) for key, found in values.items()}
    business = rows.read_keys(session, layout, [version.row for version in other_rows])
    for version in other_rows:
        state = version.state(layout, business.get(version.row))
        if state is not None:
            texts[version.row] = codec.encode(state)
    return texts, dirty


def _split(layout: Layout, found: Sequence[Version]) -> tuple[dict[str, dict[str, Version]], list[Version]]:
    """Versions whose values can be read by the set, by entity and key, and the others."""
    by_set: dict[str, dict[str, Version]] = {}
    others = []
    for version in found:
        table = layout.tables[version.row.entity]
        if (
            version.row.key in table.well_known
            or not table.entity.is_uniform
            or any(field.deferred for field in table.references)
        ):
            others.append(version)
        else:
            by_set.setdefault(version.row.entity, {})[version.row.key] = version
    return by_set, others


def _age_ms(session: Session, layout: Layout, *, after: int, peer: int) -> int:
    """Age of the oldest change beyond ``after`` that is not the peer's own, captured ones included."""
    ages = [
        session.one(
            "SELECT TIMESTAMPDIFF(MICROSECOND, changed_at, UTC_TIMESTAMP(6)) "
            f"FROM {layout.own('row_version')} FORCE INDEX (i_row_version__lsn) "
            "WHERE lsn > %s AND NOT (from_region <=> %s) ORDER BY lsn LIMIT 1",
            (after, peer),
        ),
        session.one(
            "SELECT TIMESTAMPDIFF(MICROSECOND, captured_at, UTC_TIMESTAMP(6)) "
            f"FROM {layout.own('dirty')} ORDER BY id LIMIT 1"
        ),
    ]
    # A clock that was set back makes negative ages: the change is new.
    return max(0, *(int(age[0]) // 1000 for age in ages if age is not None), 0)


def _count(session: Session, layout: Layout) -> int:
    row = session.one(f"SELECT COUNT(*) FROM {layout.own('row_version')} WHERE lsn IS NOT NULL")
    return int(row[0]) if row else 0
