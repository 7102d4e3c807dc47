"""Names of rows that have no uuid: the keys of what they belong to and their own words, joined into one text.

``~`` and ``/`` within a part are written ``~0`` and ``~1``, as in JSON pointers, so that a name has one meaning; the
database writes the same with ``REPLACE`` (`store.layout`). A part that is NULL is empty.
"""

from collections.abc import Sequence
from typing import Final

SEPARATOR: Final = "/"
ESCAPES: Final = (("~", "~0"), (SEPARATOR, "~1"))
"""In the order in which they are written; read in the other."""


def join(parts: Sequence[str | None]) -> str:
    return SEPARATOR.join(_escaped(part) for part in parts)


def split(key: str, count: int) -> tuple[str | None, ...] | None:
    """The parts of a name of ``count`` parts; None for a text that is no such name."""
    parts = key.split(SEPARATOR)
    return tuple(_plain(part) for part in parts) if len(parts) == count else None


def _escaped(part: str | None) -> str:
    text = part or ""
    for plain, escaped in ESCAPES:
        text = text.replace(plain, escaped)
    return text


def _plain(part: str) -> str | None:
    for plain, escaped in reversed(ESCAPES):
        part = part.replace(escaped, plain)
    return part or None
