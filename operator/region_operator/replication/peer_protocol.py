"""What two agents say to each other: how a question for changes and a page of rows look on the wire. Pure.

    POST /v1/feed   FeedQuestion -> 200, at once the headers, then a blank line each second while there is nothing
                    new, then one page
    POST /v1/rows   RowsQuestion -> 200 one page
    every answer    headers Region-Operator-Database-Key, -Rules, -Incarnation
    else            api.agent.Refusal: 403 NotPeered, 409 KeyMismatch | PeeringWasLeft | Suspended | OnlyPlanned,
                    503 ...

A question is a POST because histories may outgrow a URL. A page is one JSON line (PageHead), then a line per row,
deflated as a whole when that pays. The blank lines tell a silent cable from an idle peer within seconds.
"""

import json
import zlib
from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field

from region_operator.api.agent import Refusal, Wire
from region_operator.errors import InvalidInput
from region_operator.replication.feed import BulkRows, FeedPage, FeedRequest, FeedRow, FetchedRows, RowKey
from region_operator.replication.model.lag import Cursor, History, Incarnation, Seen
from region_operator.replication.model.shapes import Shape

KEY_HEADER: Final = "Region-Operator-Database-Key"
RULES_HEADER: Final = "Region-Operator-Rules"
INCARNATION_HEADER: Final = "Region-Operator-Incarnation"

HEARTBEAT: Final = b"\n"
HEARTBEAT_S: Final = 1.0
MAX_FEED_WAIT_S: Final = 25.0
MAX_HEAD_BYTES: Final = 256 * 1024
MAX_PAGE_BYTES: Final = 32 * 1024 * 1024  # a row is sent whole, so this bounds a row too
MAX_QUESTION_BYTES: Final = MAX_PAGE_BYTES  # a scan sends 200 rows with it, and a role's description may have 64 KiB
MAX_PAGE_ROWS: Final = 20_000
MAX_ROWS_ASKED: Final = 200
DEFLATE_FROM_BYTES: Final = 2048

BY_RULE: Final = frozenset({"KeyMismatch", "NotPeered", "OnlyPlanned", "PeeringWasLeft", "Suspended"})
"""Reasons of refusals that hold until somebody changes something."""

WireHistory = list[tuple[str, int]]


class LineAnswer(Wire):
    """An answer of one line; with ``refusal`` it says nothing else."""

    refusal: Refusal | None = None


class FeedQuestion(Wire):
    """What are your changes after ``after``? ``applied`` is what the asker has committed, for who waits to leave."""

    peering: str
    database_key: str
    after: str = ""
    applied: str = ""
    peer_history: WireHistory = Field(default_factory=list)
    known_history: WireHistory = Field(default_factory=list)
    seen: tuple[int, int] | None = None  # whole, head
    max_rows: int = Field(default=2000, ge=1, le=MAX_PAGE_ROWS)
    max_bytes: int = Field(default=1024 * 1024, ge=1, le=MAX_PAGE_BYTES)
    wait_s: float = Field(default=MAX_FEED_WAIT_S, ge=0, le=MAX_FEED_WAIT_S)
    bulk: bool = False
    fold_first: bool = False

    def request(self, *, peer: int) -> FeedRequest:
        """Return the question as the store takes it; raises InvalidInput for a malformed cursor."""
        return FeedRequest(
            peer=peer,
            after=Cursor.parse(self.after),
            peer_history=history_from_wire(self.peer_history),
            known_history=history_from_wire(self.known_history),
            seen=Seen(*self.seen) if self.seen is not None else None,
            max_rows=self.max_rows,
            max_bytes=self.max_bytes,
            bulk=self.bulk,
            fold_first=self.fold_first,
        )


class RowsQuestion(Wire):
    """How do these rows look at your place?"""

    peering: str
    database_key: str
    keys: list[tuple[str, str]] = Field(max_length=MAX_ROWS_ASKED)

    def row_keys(self) -> list[RowKey]:
        return [RowKey(entity, key) for entity, key in self.keys]


class BulkHead(Wire):
    """What ``feed.BulkRows`` are, but for their text, which follows the rows of the page."""

    entity: str
    fields: list[tuple[str, int]]
    shapes: list[tuple[str, str, str, str, bool]]
    count: int = Field(ge=1, le=MAX_PAGE_BYTES)
    text_bytes: int = Field(ge=1, le=MAX_PAGE_BYTES)


class PageHead(Wire):
    """The first line of a page; with ``refusal`` there is no page, because reading it failed after the headers."""

    source: int = 0
    history: WireHistory = Field(default_factory=list)
    refusal: Refusal | None = None
    next: str = ""
    head: int = 0
    total_rows: int = 0
    age_ms: int = 0
    remaining_age_ms: int = 0
    rewound: bool = False
    unfolded: bool = False
    leaves_out: bool = False
    encoding: Literal["identity", "deflate"] = "identity"
    body_bytes: int = Field(default=0, ge=0, le=MAX_PAGE_BYTES)
    text_bytes: int = Field(default=0, ge=0, le=MAX_PAGE_BYTES)
    bulk: list[BulkHead] = Field(default_factory=list)


def history_to_wire(history: History) -> WireHistory:
    return [(incarnation.name, incarnation.first_lsn) for incarnation in history]


def history_from_wire(history: WireHistory) -> tuple[Incarnation, ...]:
    return tuple(Incarnation(name, first_lsn) for name, first_lsn in history)


def encode_page(page: FeedPage) -> bytes:
    """Return a page as bytes; runs in a worker thread, it may be large."""
    head = PageHead(
        source=page.source,
        history=history_to_wire(page.history),
        next=str(page.next),
        head=page.head,
        total_rows=page.total_rows,
        age_ms=page.age_ms,
        remaining_age_ms=page.remaining_age_ms,
        rewound=page.rewound,
        unfolded=page.unfolded,
        leaves_out=page.leaves_out,
        bulk=[
            BulkHead(
                entity=rows.entity,
                fields=list(rows.fields),
                shapes=[(s.before, s.actors, s.after, s.rest, s.has_genesis) for s in rows.shapes],
                count=rows.count,
                text_bytes=len(rows.text),
            )
            for rows in page.bulk
        ],
    )
    return _frame(head, page.rows, [rows.text for rows in page.bulk])


def encode_rows(fetched: FetchedRows) -> bytes:
    return _frame(PageHead(source=fetched.source, history=history_to_wire(fetched.history)), fetched.rows)


def encode_refusal(refusal: Refusal) -> bytes:
    return _frame(PageHead(refusal=refusal), ())


def decode_page(head: PageHead, body: bytes) -> FeedPage:
    """Return the page; raises InvalidInput if the peer sent something that is none."""
    if not head.history:
        raise _malformed("names no incarnation")
    rows, bulk = _rows(head, body)
    return FeedPage(
        source=head.source,
        history=history_from_wire(head.history),
        rows=rows,
        next=Cursor.parse(head.next),
        head=head.head,
        total_rows=head.total_rows,
        age_ms=head.age_ms,
        remaining_age_ms=head.remaining_age_ms,
        rewound=head.rewound,
        unfolded=head.unfolded,
        leaves_out=head.leaves_out,
        bulk=bulk,
    )


def decode_rows(head: PageHead, body: bytes) -> FetchedRows:
    if not head.history:
        raise _malformed("names no incarnation")
    return FetchedRows(source=head.source, history=history_from_wire(head.history), rows=_rows(head, body)[0])


def _frame(head: PageHead, rows: Sequence[FeedRow], bulk: Sequence[bytes] = ()) -> bytes:
    # The state is JSON already and holds no raw newline; json.dumps leaves no raw tab in what stands before it.
    lines = "\n".join(f"{json.dumps([row.lsn, row.entity, row.key], ensure_ascii=False)}\t{row.state}" for row in rows)
    text = b"".join([lines.encode(), *bulk])
    deflated = zlib.compress(text, level=1) if len(text) >= DEFLATE_FROM_BYTES else None
    body = text if deflated is None else deflated
    described = head.model_copy(
        update={
            "encoding": "identity" if deflated is None else "deflate",
            "body_bytes": len(body),
            "text_bytes": len(text),
        }
    )
    return described.model_dump_json(by_alias=True).encode() + b"\n" + body


def _rows(head: PageHead, body: bytes) -> tuple[tuple[FeedRow, ...], tuple[BulkRows, ...]]:
    try:
        text = _text(head, body)
        at = len(text) - sum(bulk.text_bytes for bulk in head.bulk)
        if at < 0:
            raise ValueError("the rows that come by the bulk are longer than the page")
        lines = text[:at].decode()
        rows = tuple(_row(line) for line in lines.split("\n")) if lines else ()
        found = []
        for bulk in head.bulk:
            found.append(_bulk(bulk, text[at : at + bulk.text_bytes]))
            at += bulk.text_bytes
    except (ValueError, TypeError, zlib.error) as error:
        raise _malformed(f"cannot be read ({error})") from error
    return rows, tuple(found)


def _bulk(head: BulkHead, text: bytes) -> BulkRows:
    text.decode()  # what is no UTF-8 gets no farther
    if text.count(b"\n") + 1 != head.count:
        raise ValueError("the rows that come by the bulk are not as many as announced")
    return BulkRows(head.entity, tuple(head.fields), tuple(Shape(*s) for s in head.shapes), head.count, text)


def _text(head: PageHead, body: bytes) -> bytes:
    if head.encoding == "identity":
        return body
    inflater = zlib.decompressobj()
    text = inflater.decompress(body, head.text_bytes + 1)  # never more than was announced, however small the body
    if len(text) != head.text_bytes:
        raise ValueError("the body is not as long as announced")
    return text


def _row(line: str) -> FeedRow:
    name, separator, state = line.partition("\t")
    lsn, entity, key = json.loads(name)
    if not separator or type(lsn) is not int or not isinstance(entity, str) or not isinstance(key, str):
        raise ValueError("a row has no name")
    return FeedRow(lsn=lsn, entity=entity, key=key, state=state)


def _malformed(problem: str) -> InvalidInput:
    return InvalidInput(
        field="page", problem=problem, remedy="compare the versions of both agents", reason="PeerRefused"
    )
