"""Pages as a region would send them, to be applied by hand."""

from dataclasses import replace

from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.feed import FeedPage, FeedRequest


def first_page(source: Cloud, **more: int) -> FeedPage:
    source.fold()
    return source.read(FeedRequest(peer=2, **more))


def only(page: FeedPage, *keys: str) -> FeedPage:
    return replace(page, rows=tuple(row for row in page.rows if row.key in keys))
