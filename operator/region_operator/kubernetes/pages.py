"""Lists of any length, page by page."""

from dataclasses import replace
from typing import Final

from region_operator.kubernetes.answers import Expired
from region_operator.kubernetes.connection import Call, Connection
from region_operator.kubernetes.kinds import Kind, Manifest

_PAGE: Final = 500


async def list_pages(connection: Connection, call: Call, kind: Kind) -> tuple[list[Manifest], str]:
    """All items of a list, and the resource version to watch from; starts over when a page has expired."""
    items: list[Manifest] = []
    query = dict(call.query or {}) | {"limit": str(_PAGE)}
    while True:
        try:
            page = await connection.call(replace(call, query=query))
        except Expired:
            if "continue" not in query:
                raise
            items, query = [], dict(call.query or {})  # unpaged: cannot expire again
            continue
        items += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page.get("items") or ()]
        metadata = page.get("metadata") or {}
        if not metadata.get("continue"):
            return items, str(metadata.get("resourceVersion", ""))
        query["continue"] = metadata["continue"]
