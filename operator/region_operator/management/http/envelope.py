"""How an answer is written: one top-level key, XML by default and JSON on ``response=json``."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from region_operator.management.commands.errors import ApiError

JSON_TYPE: Final = "application/json"
XML_TYPE: Final = "text/xml"

_LONGEST_HEADER: Final = 255
_NOT_IN_HEADERS = re.compile("[^ -~]+")

# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_json(key: str, body: Mapping[str, Any]) -> bytes:
    """On one line, which some clients rely on."""
    return json.dumps({key: body}, separators=(",", ":"), ensure_ascii=False).encode()


def to_xml(key: str, body: Mapping[str, Any], *, version: str) -> bytes:
    content = "".join(_elements(body))
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{head}<{key} cloud-stack-version={quoteattr(version)}>{content}</{key}>".encode()


def error_body(error: ApiError) -> Mapping[str, Any]:
    codes = {"errorcode": error.code} | ({} if error.cs_code is None else {"cserrorcode": error.cs_code})
    return {"uuidList": [], **codes, "errortext": error.text}


def error_header(error: ApiError) -> str:
    """The text for the header X-Description, which CloudStack's own user interface shows: one line of ASCII."""
    return _NOT_IN_HEADERS.sub("?", error.text)[:_LONGEST_HEADER]


def _elements(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            yield f"<{name}>{_content(item)}</{name}>"


def _content(value: Any) -> str:
    match value:
        case Mapping():
            return "".join(_elements(value))
        case bool():
            return "true" if value else "false"
        case _:
            return escape(_NOT_XML.sub("", str(value)))
