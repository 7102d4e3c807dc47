"""Where a chunk begins, as it is kept between two chunks. Pure."""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from region_operator.replication.scans.record import Position

Ids: TypeAlias = tuple[int | None, int | None]
_UNWALKED: Final[Ids] = (0, 0)
_WALKED: Final[Ids] = (None, None)


@dataclass(frozen=True, slots=True)
class Place:
    """The entities that are left, the present one first, and a key of it.

    ``ids``: how far both regions have been looked at for rows of the entity without a version; None while nothing says
    that there may be any.
    """

    entities: tuple[str, ...]
    after: str = ""
    rows: int = 0
    of: int = 0
    ids: Ids | None = None

    @classmethod
    def first(cls, entities: tuple[str, ...], *, of: int) -> "Place":
        return cls(entities, of=of)

    @classmethod
    def of_position(cls, position: Position) -> "Place":
        here, there = position.get("ids") or _WALKED
        ids = (here, there) if position.get("ids") is not None else None
        return cls(tuple(position["entities"]), position["after"], position["rows"], position["of"], ids)

    def position(self) -> Position:
        ids = list(self.ids) if self.ids is not None else None
        return {"entities": list(self.entities), "after": self.after, "rows": self.rows, "of": self.of, "ids": ids}

    @property
    def is_unwalked(self) -> bool:
        return self.ids is not None and self.ids != _WALKED

    def unwalked(self) -> "Place":
        return replace(self, ids=_UNWALKED)

    def walked(self, ids: Ids) -> "Place":
        return replace(self, ids=ids)

    def beyond(self, key: str, *, rows: int) -> "Place":
        return replace(self, after=key, rows=self.rows + rows)

    def following(self, *, rows: int = 0) -> "Place":
        return Place(self.entities[1:], "", self.rows + rows, self.of)

    @property
    def percent(self) -> int:
        return min(99, 100 * self.rows // self.of) if self.of else 0
