"""A page's text as a temporary table: read once, while JSON_TABLE looks for each column from the beginning of its row.

A line is a JSON array of texts, numbers and null, and so, but for two escapes, a list of SQL literals too. One regular
expression says whether it is nothing else: nothing but literals gets into a statement. It also says what the database
would have to find out row by row: that keys and times look like such.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final

import pymysql

from region_operator.replication.model.shapes import GENESIS_LENGTH
from region_operator.replication.store import bulk_tables
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import Session
from region_operator.replication.store.faults import is_deadlock, is_gone
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.schema import KEY_LENGTH
from region_operator.replication.store.sets import columns

TABLE: Final = "bulk_page"
SHORT_TEXT: Final = 255
"""Characters; longer columns are kept beside their rows, which may not grow beyond 64 KiB."""

_TEXT: Final = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u00[01][0-9A-Fa-f])[^"\\\x00-\x1f]*+)*+"'
_NUMBER: Final = r"-?[0-9]{1,19}"
_TIME: Final = r'"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"'
_PATTERNS: Final = {"str": _TEXT, "int": _NUMBER, "bool": _NUMBER, "datetime": _TIME}
_HEAD: Final = (
    rf'"[A-Za-z0-9._:-]{{1,{KEY_LENGTH}}}", ?[0-9]{{1,19}}, ?"(?:[0-9a-f]{{{GENESIS_LENGTH}}})?", ?[0-9]{{1,3}}'
)
_ESCAPE: Final = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


def is_plain(bulk: BulkTable) -> "re.Pattern[bytes]":
    """Matches lines that are fit; others are for `pages.as_rows`."""
    kinds = ("str" if field.reference is not None else column.kind for field, column in columns(bulk.table))
    return _line(tuple(kinds))


@cache
def _line(kinds: tuple[str, ...]) -> "re.Pattern[bytes]":
    values = "".join(f", ?(?:{_PATTERNS[kind]}|null)" for kind in kinds)
    return re.compile(rf"\[{_HEAD}{values}\]".encode())


class NotStaged(Exception):
    """The database does not take a text itself."""


@dataclass(frozen=True)
class Piece:
    """Lines of one statement, made ready for it.

    Attributes:
        literals: the lines as values of an INSERT, numbered from 1.
        others: lines that are not fit.
    """

    lines: list[bytes]
    literals: bytes
    others: Sequence[bytes] = ()

    @classmethod
    def of(cls, lines: list[bytes], *, others: Sequence[bytes] = ()) -> "Piece":
        """``lines`` have been found to be plain."""
        rows = (b"(%d,%b)" % (number, _literals(line[1:-1])) for number, line in enumerate(lines, start=1))
        return cls(lines, b",".join(rows), others)


def pieces(bulk: BulkTable, lines: Sequence[bytes], *, size: int) -> Iterator[Piece]:
    """Lines in pieces, each of which is made ready while the database takes the one before."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulk") as worker:
        following: Future[Piece] | None = None
        for start in range(0, len(lines), size):
            ready, following = following, worker.submit(sift, bulk, lines[start : start + size])
            if ready is not None:
                yield ready.result()
        if following is not None:
            yield following.result()


def sift(bulk: BulkTable, lines: Sequence[bytes]) -> Piece:
    fit = is_plain(bulk).fullmatch
    plain = [line for line in lines if fit(line)]
    return Piece.of(plain, others=[line for line in lines if not fit(line)] if len(plain) < len(lines) else ())


def stage(session: Session, layout: Layout, bulk: BulkTable, piece: Piece) -> None:
    """Leave the lines of a piece in the table; raises NotStaged."""
    try:
        fill(session, layout, bulk, piece.literals)
    except pymysql.Error as error:
        if is_deadlock(error) or is_gone(error):
            raise
        raise NotStaged from error


def fill(session: Session, layout: Layout, bulk: BulkTable, literals: bytes) -> None:
    """Leave the literals of a piece in the table in place of what was there.

    The table is the session's own: nobody else sees it, no transaction is ended by it, and a binary log of rows leaves
    it out.
    """
    placed = ["n INT UNSIGNED NOT NULL", f"k {_key(bulk.key)}", "lsn BIGINT", "g VARCHAR(16)", "shape INT"]
    for index, (field, column) in enumerate(columns(bulk.table)):
        kind = "BIGINT" if column.kind in ("int", "bool") else _text(column.max_length)
        placed.append(f"c{index} {_key(bulk.parents[field.name]) if field.reference is not None else kind}")
    session.execute(
        f"CREATE OR REPLACE TEMPORARY TABLE {layout.own(TABLE)} ({', '.join(placed)}) "
        "ENGINE=Aria TRANSACTIONAL=0 ROW_FORMAT=PAGE DEFAULT CHARSET=utf8mb4"
    )
    session.execute_text(f"INSERT INTO {layout.own(TABLE)} VALUES ".encode() + literals)


def _literals(line: bytes) -> bytes:
    return _ESCAPE.sub(_as_sql, line) if b"\\u" in line or b"\\f" in line else line


def _as_sql(escape: "re.Match[bytes]") -> bytes:
    """An escape of JSON as SQL has it, or the control character itself, which may stand in a literal but for NUL."""
    code, character = escape.groups()
    if code is not None:
        return bytes([int(code, 16)]) if int(code, 16) else b"\\0"
    return b"\x0c" if character == b"f" else escape[0]


def _key(collation: str) -> str:
    return f"VARCHAR({KEY_LENGTH}) CHARACTER SET {bulk_tables.character_set(collation)} COLLATE {collation}"


def _text(length: int | None) -> str:
    return f"VARCHAR({length})" if length is not None and length <= SHORT_TEXT else "TEXT"
