"""Dictionaries that find their items by a property, as a table does by an index."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Property = Callable[[Any, Any], Hashable | None]
"""What is indexed of a key and its item; None: nothing."""


class Indexed(dict[Key, Item]):
    """Written one item at a time. The first question for a property makes its index; copies keep it."""

    def __init__(self, items: Mapping[Key, Item] | None = None) -> None:
        super().__init__(items or {})
        self._indexes: dict[Property, dict[Hashable, tuple[Key, ...]]] = {}

    def where(self, of: Property, value: Hashable) -> tuple[Key, ...]:
        """The keys of the items whose property is ``value``, in the order in which they came to have it."""
        index = self._indexes.get(of)
        if index is None:
            index = {}
            for key, item in self.items():
                _move(index, key, None, of(key, item))
            self._indexes[of] = index  # whole: readers of a committed content share it
        return index.get(value, ())

    def copy(self) -> "Indexed[Key, Item]":
        made = Indexed(self)
        made._indexes = {of: dict(index) for of, index in list(self._indexes.items())}
        return made

    def __setitem__(self, key: Key, item: Item) -> None:
        for of, index in self._indexes.items():
            _move(index, key, of(key, self[key]) if key in self else None, of(key, item))
        super().__setitem__(key, item)

    def __delitem__(self, key: Key) -> None:
        for of, index in self._indexes.items():
            _move(index, key, of(key, self[key]), None)
        super().__delitem__(key)

    def pop(self, key: Key, *default: Any) -> Any:
        if key not in self:
            return super().pop(key, *default)
        item = self[key]
        del self[key]
        return item

    def setdefault(self, key: Key, item: Item) -> Item:  # type: ignore[override]
        if key not in self:
            self[key] = item
        return self[key]

    def update(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("write one item at a time")

    def __ior__(self, _: Any) -> "Indexed[Key, Item]":
        raise NotImplementedError("write one item at a time")


def _move(index: dict[Hashable, tuple[Key, ...]], key: Key, old: Hashable | None, new: Hashable | None) -> None:
    if old == new:
        return
    if old is not None:
        left = tuple(one for one in index[old] if one != key)
        if left:
            index[old] = left
        else:
            del index[old]
    if new is not None:
        index[new] = (*index.get(new, ()), key)
