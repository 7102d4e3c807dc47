"""Texts of versions on their way to the server: only what tells one from the other, which puts them together.

A state without values is its shape, its key and its genesis (``model.shapes``). Of two hundred rows there are a few
shapes; sent, escaped and parsed as they are, the texts would be most of what a statement is about.
"""

from typing import Final

from region_operator.replication.feed import RowKey
from region_operator.replication.model.shapes import Finder, Shape

_MOST_SHAPES: Final = 32
"""Of one statement; other states are sent as they are."""


class ShapedTexts:
    """Those of one statement, which reads columns ``entity_key``, ``genesis``, ``shape`` and ``state`` of ``r``."""

    def __init__(self) -> None:
        self._finder = Finder()
        self._numbers: dict[Shape, int] = {}

    def add(self, text: str, *, row: RowKey, whole: bool) -> tuple[str | None, int | None, str | None]:
        """Genesis, shape and state of a row; ``whole``: the text has values in it."""
        found = None if whole else self._finder.find(text, key=row.key)
        if found is None:
            return None, None, text
        shape, genesis = found
        if shape not in self._numbers and len(self._numbers) == _MOST_SHAPES:
            return None, None, text
        return genesis, self._numbers.setdefault(shape, len(self._numbers)), None

    @property
    def sql(self) -> str:
        """The text of a row ``r``."""
        cases = (
            f"WHEN {number} THEN CONCAT(%s, r.entity_key, %s, r.genesis, %s, r.entity_key, %s)"
            for number in self._numbers.values()
        )
        return f"CASE r.shape {' '.join(cases)} ELSE r.state END" if self._numbers else "r.state"

    @property
    def values(self) -> list[str]:
        """What ``sql`` binds."""
        return [piece for shape in self._numbers for piece in (shape.before, shape.actors, shape.after, shape.rest)]
