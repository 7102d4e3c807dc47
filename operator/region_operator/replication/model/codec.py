"""Row states as text: what travels between regions and what the store keeps of rows that a table cannot hold.

The text is canonical (equal states give equal text, so a hash of it compares states) and versioned. Actors are listed
once and named by their place. Fields that this version does not know are carried like any other.

    {"v":1,"e":"user","k":"<key>","a":["1.00..0a"],"b":[1,0,"<key>"],"s":[[0,3]],
     "r":{"email":[[3,0,"x@y"]],"password":[[1,0,"..."]]},"d":[[3,0,1]],"ds":[[0,3]],"al":[1,0,"<key>"]}
"""

import json
from itertools import pairwise
from typing import Any, Final

from region_operator.errors import InvalidInput
from region_operator.replication.model.state import Born, Pair, Register, RowState, Scalar, Value
from region_operator.replication.model.vectors import EMPTY_VECTOR, MAX_COUNTER, Dot, VersionVector

VERSION: Final = 1
_MEMBERS: Final = frozenset({"v", "e", "k", "a", "b", "s", "r", "d", "ds", "al"})


def encode(state: RowState) -> str:
    """Return the canonical text of a state."""
    actors = _actors(state)
    place = {actor: index for index, actor in enumerate(actors)}

    def vector(of: VersionVector) -> list[list[int]]:
        return [[place[actor], counter] for actor, counter in of.items()]

    def register(pairs: Register) -> list[list[Any]]:
        return [[pair.dot.counter, place[pair.dot.actor], pair.value] for pair in pairs]

    document: dict[str, Any] = {
        "v": VERSION,
        "e": state.entity,
        "k": state.key,
        "a": actors,
        "b": [state.born.counter, place[state.born.actor], state.born.key],
        "s": vector(state.vector),
        "r": {name: register(state.registers[name]) for name in sorted(state.registers)},
    }
    if state.deleted:
        document["d"] = register(state.deleted)
    if state.deletes_seen:
        document["ds"] = vector(state.deletes_seen)
    if state.alias is not None:
        document["al"] = [state.alias.counter, place[state.alias.actor], state.alias.key]
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _actors(state: RowState) -> list[str]:
    """All actors of a state; dots of registers are covered by the vector, births may be older than it."""
    actors = set(state.vector) | set(state.deletes_seen) | {state.born.actor}
    if state.alias is not None:
        actors.add(state.alias.actor)
    for pairs in (*state.registers.values(), state.deleted):
        actors.update(pair.dot.actor for pair in pairs)
    return sorted(actors)


def decode(text: str | bytes) -> RowState:
    """Return the state that ``text`` stands for.

    Raises:
        InvalidInput: the text is not a well-formed state of a version that we know; says what is wrong with it.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        document = json.loads(text)
        if "\\ud" in text.lower():  # half a surrogate pair is no text, and would break whoever stores it
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _invalid(f"is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("v") != VERSION:
        version = document.get("v") if isinstance(document, dict) else None
        raise _invalid(f"has version {version!r}, known is {VERSION}", remedy="upgrade the older agent")
    try:
        return _Reader(document).state()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise _invalid(f"is malformed ({type(error).__name__}: {error})") from None


class _Reader:
    """Reads one document; what is not as expected raises one of the errors that `decode` maps."""

    def __init__(self, document: dict[str, Any]) -> None:
        unknown = document.keys() - _MEMBERS
        if unknown:
            raise ValueError(f"unknown members {sorted(unknown)}")
        self.document = document
        self.actors = [_text(actor) for actor in document["a"]]

    def state(self) -> RowState:
        document = self.document
        vector = self.vector(document["s"])
        registers = {name: self.register(pairs, seen=vector) for name, pairs in document["r"].items()}
        deleted = self.register(document["d"], seen=vector) if "d" in document else ()
        if any(pair.value not in (0, 1) for pair in deleted):
            raise ValueError("a deletion is neither 0 nor 1")
        deletes_seen = self.vector(document["ds"]) if "ds" in document else EMPTY_VECTOR
        if not vector.includes(deletes_seen):
            raise ValueError("a deletion has seen more than the row")
        alias = self.born(document["al"]) if "al" in document else None
        born = self.born(document["b"])
        return RowState(
            _text(document["e"]), _text(document["k"]), born, vector, registers, deleted, deletes_seen, alias
        )

    def register(self, pairs: list[Any], *, seen: VersionVector) -> Register:
        register = tuple(self.pair(*pair) for pair in pairs)
        dots = [pair.dot for pair in register]
        if not dots or any(a >= b for a, b in pairwise(dots)):
            raise ValueError("a register is empty or not in the order of its dots")
        if not all(seen.covers(dot) for dot in dots):
            raise ValueError("a value is newer than the vector of its row")
        return register

    def pair(self, counter: Any, actor: Any, value: Any) -> Pair:
        return Pair(Dot(_counter(counter), self.actor(actor)), _value(value))

    def born(self, born: list[Any]) -> Born:
        counter, actor, key = born
        return Born(_counter(counter), self.actor(actor), _text(key))

    def vector(self, entries: list[Any]) -> VersionVector:
        return VersionVector((self.actor(actor), _counter(counter)) for actor, counter in entries)

    def actor(self, place: Any) -> str:
        if type(place) is not int or place < 0:
            raise ValueError(f"{place!r} is no place of an actor")
        return self.actors[place]


def _counter(counter: Any) -> int:
    if type(counter) is not int or not 1 <= counter <= MAX_COUNTER:
        raise ValueError(f"counter {counter!r} is outside 1..2^53-1")
    return counter


def _text(text: Any) -> str:
    if not isinstance(text, str) or not text:
        raise ValueError(f"{text!r} is no name")
    return text


def _value(value: Any) -> Value:
    return tuple(_scalar(part) for part in value) if isinstance(value, list) else _scalar(value)


def _scalar(value: Any) -> Scalar:
    if value is not None and type(value) not in (str, int):
        raise ValueError(f"values of type {type(value).__name__} do not travel")
    return value  # type: ignore[no-any-return]


def _invalid(problem: str, *, remedy: str = "compare the versions of both agents") -> InvalidInput:
    return InvalidInput(field="row state", problem=problem, remedy=remedy, reason="MalformedState")
