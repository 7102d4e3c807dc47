"""What travels as JSON is put into statements as literals: it means the same, and can be nothing else."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contract.replication.regions import Region
from region_operator.replication.catalog import CATALOG
from region_operator.replication.store import bulk_tables, staging
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import Session, connect
from region_operator.replication.store.layout import layout, load_well_known

NASTY = "".join(map(chr, range(0x20))) + "\"'`\\ \\' \\\" \\u0041 %s %% \\0 ); -- \x7f é \U0001f600 ,null"


@pytest.fixture
def session(make_region: Callable[..., Region]) -> Any:
    region = make_region(1)
    session = connect(region.agent)
    found = layout(
        CATALOG.values(),
        business_schema=region.schemas.business,
        sync_schema=region.schemas.sync,
        well_known=load_well_known(session, region.schemas.sync),
    )
    yield session, found, bulk_tables.find(session, found)["account"]
    session.close()


def line(bulk: BulkTable, *, key: str = "key-1", **values: Any) -> bytes:
    usual = {"account_name": "acme", "type": 0, "created": "2026-01-01 00:00:00"} | values
    return json.dumps([key, 7, "", 0, *(usual.get(name) for name in bulk.table.entity.columns)]).encode()


def test_texts_arrive_as_they_were_sent(session: Any) -> None:
    connection, found, bulk = session
    texts = [NASTY, *map(chr, range(0x20)), "", "null", "x" * 100, "\\", '"', "\\u0041", None]
    sent = [json.dumps(json.loads(line(bulk, account_name=text)), ensure_ascii=False).encode() for text in texts]
    assert all(map(staging.is_plain(bulk).fullmatch, sent))
    staging.fill(connection, found, bulk, staging.Piece.of(sent).literals)
    place = bulk.table.entity.columns.index("account_name")
    assert rows(connection, found, f"n, k, lsn, g, shape, c{place}") == [
        (number, "key-1", 7, "", 0, text) for number, text in enumerate(texts, start=1)
    ]


def rows(connection: Session, found: Any, columns: str) -> list[Any]:
    return connection.select(f"SELECT {columns} FROM {found.own(staging.TABLE)} ORDER BY n")


def test_a_page_takes_the_place_of_the_one_before_it_and_ends_no_transaction(session: Any) -> None:
    connection, found, bulk = session
    connection.execute("START TRANSACTION")
    connection.execute(f"INSERT INTO {found.own('left_out')} VALUES ('made-up', UTC_TIMESTAMP())")
    for key in ("one", "two"):
        staging.fill(connection, found, bulk, staging.Piece.of([line(bulk, key=key)]).literals)
    assert rows(connection, found, "k") == [("two",)]
    connection.execute("ROLLBACK")
    assert connection.select(f"SELECT entity FROM {found.own('left_out')}") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"acme"', b'"acme'),
        (b'"acme"', b'"ac" "me"'),
        (b'"acme"', b'"ac""me"'),
        (b'"acme"', b"'acme'"),
        (b'"acme"', b"acme"),
        (b'"acme"', b"(SELECT 1)"),
        (b'"acme"', b'"acme\\"'),
        (b'"acme"', b'"ac\\%me"'),
        (b'"acme"', b'"ac\\u0041me"'),
        (b'"acme"', b'"ac\nme"'),
        (b'"acme"', b'"acme"), (1, "x"'),
        (b'"acme"', b'"acme" /* */'),
        (b'"acme"', b"true"),
        (b'"acme"', b"1.5"),
        (b'"acme"', b'["acme"]'),
        (b'"acme"', b"DEFAULT"),
        (b'"acme", ', b""),
        (b'"acme"', b'"acme", null'),
        (b'"key-1"', b'"key 1"'),
        (b'"key-1"', b'""'),
        (b'"key-1"', b'"' + b"k" * 129 + b'"'),
        (b'"key-1"', b"null"),
        (b', 7, ""', b', -7, ""'),
        (b', 7, ""', b', 7, "0123456789abcdeX"'),
        (b', 7, ""', b', 7, "01"'),
        (b"2026-01-01 00:00:00", b"2026-01-01 00:00:00.5"),
        (b"2026-01-01 00:00:00", b"now()"),
        (b"]", b"];"),
        (b"]", b"]]"),
    ],
)
def test_what_is_no_list_of_literals_gets_into_no_statement(old: bytes, new: bytes) -> None:
    tables = layout(CATALOG.values(), business_schema="cloud", sync_schema="region_sync").tables
    bulk = BulkTable(tables["account"], "uuid", {}, {})
    before = line(bulk)
    assert staging.is_plain(bulk).fullmatch(before)
    assert before.replace(old, new, 1) != before
    assert staging.is_plain(bulk).fullmatch(before.replace(old, new, 1)) is None
