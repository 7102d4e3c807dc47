"""Pages survive the wire, and what is no page is refused."""

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.errors import InvalidInput
from region_operator.replication import peer_protocol
from region_operator.replication.feed import BulkRows, FeedPage, FeedRow, FetchedRows
from region_operator.replication.model.lag import Cursor, Incarnation
from region_operator.replication.model.shapes import Shape
from region_operator.replication.peer_protocol import PageHead

HISTORY = (Incarnation("a1", 1), Incarnation("b2", 50))


def split(encoded: bytes) -> tuple[PageHead, bytes]:
    head, _, body = encoded.partition(b"\n")
    return PageHead.model_validate_json(head), body


@given(
    st.lists(
        st.builds(
            FeedRow,
            lsn=st.integers(0, 2**60),
            entity=st.text(min_size=1),
            key=st.text(),
            state=st.dictionaries(st.text(), st.text()).map(lambda x: json.dumps(x, ensure_ascii=False)),
        )
    )
)
def test_any_page_comes_out_as_it_went_in(rows: list[FeedRow]) -> None:
    page = FeedPage(1, HISTORY, tuple(rows), Cursor("b2", 77), 99, 5, 10, 3, True)
    try:
        encoded = peer_protocol.encode_page(page)
    except UnicodeEncodeError:  # half a surrogate pair is no text; the codec never lets one in
        return
    assert peer_protocol.decode_page(*split(encoded)) == page
    fetched = FetchedRows(1, HISTORY, tuple(rows))
    assert peer_protocol.decode_rows(*split(peer_protocol.encode_rows(fetched))) == fetched


SHAPE = Shape('{"k":"', '","a":["g', '"],"b":"', '"}', has_genesis=True)
BULK = (
    BulkRows(
        "account", (("name", 1), ("keys", 2)), (SHAPE, replace(SHAPE, has_genesis=False)), 2, '["ü",1]\n[]'.encode()
    ),
    BulkRows("user", (), (), 1, b"[2]"),
)


@pytest.mark.parametrize("rows", [(), (FeedRow(7, "domain", "d", "{}"),)])
def test_rows_by_the_bulk_come_out_as_they_went_in(rows: tuple[FeedRow, ...]) -> None:
    page = FeedPage(1, HISTORY, rows, Cursor("b2", 77), 99, bulk=BULK)
    assert page.count == 3 + len(rows)
    assert peer_protocol.decode_page(*split(peer_protocol.encode_page(page))) == page


@pytest.mark.parametrize(
    "bulk",
    [
        (replace(BULK[0], text=b"[1]\n\xff"),),
        (replace(BULK[0], count=3),),
    ],
)
def test_rows_by_the_bulk_that_are_no_text_or_not_as_many_as_announced_are_refused(bulk: tuple[BulkRows, ...]) -> None:
    page = FeedPage(1, HISTORY, (), Cursor("b2", 77), 99, bulk=bulk)
    with pytest.raises(InvalidInput):
        peer_protocol.decode_page(*split(peer_protocol.encode_page(page)))


def test_rows_by_the_bulk_that_are_longer_than_the_page_are_refused() -> None:
    page = FeedPage(1, HISTORY, (), Cursor("b2", 77), 99, bulk=BULK[1:])
    head, body = split(peer_protocol.encode_page(page))
    longer = head.model_copy(update={"bulk": [head.bulk[0].model_copy(update={"text_bytes": len(body) + 1})]})
    with pytest.raises(InvalidInput, match="longer than the page"):
        peer_protocol.decode_page(longer, body)


def test_a_large_page_is_deflated_and_a_small_one_is_not() -> None:
    rows = tuple(FeedRow(n, "user", str(n), '{"a":"b"}') for n in range(1000))
    large, _ = split(peer_protocol.encode_page(FeedPage(1, HISTORY, rows, Cursor("b2", 1000), 1000)))
    small, _ = split(peer_protocol.encode_page(FeedPage(1, HISTORY, rows[:1], Cursor("b2", 1), 1)))
    assert (large.encoding, small.encoding) == ("deflate", "identity")
    assert large.body_bytes < large.text_bytes / 2


def test_a_body_that_inflates_to_more_than_announced_is_refused_without_being_inflated() -> None:
    bomb = zlib.compress(b"0" * 50_000_000)
    head = PageHead(source=1, history=[("a1", 1)], encoding="deflate", body_bytes=len(bomb), text_bytes=1000)
    with pytest.raises(InvalidInput, match="not as long as announced"):
        peer_protocol.decode_page(head, bomb)


@pytest.mark.parametrize("body", [b"x", b'[1,"user"]\t{}', b'[1,"user","k"]', b'["1","user","k"]\t{}', b"\xff"])
def test_a_malformed_row_is_refused(body: bytes) -> None:
    head = PageHead(source=1, history=[("a1", 1)], body_bytes=len(body), text_bytes=len(body))
    with pytest.raises(InvalidInput):
        peer_protocol.decode_page(head, body)


def test_a_page_without_an_incarnation_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no incarnation"):
        peer_protocol.decode_page(PageHead(source=1), b"")
