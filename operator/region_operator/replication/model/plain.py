"""States that most rows have most of the time, kept as the documents they travel in: joined without making objects.

A state is *plain* when nothing about it is open: one value per field, never deleted, no alias. If one of two plain
states has seen all that the other one has, their join is that one, and which fields differ follows from the dots alone.
For everything else there are `codec` and `merge`; a test holds the two ways against each other.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from region_operator.replication.model.codec import VERSION
from region_operator.replication.model.origin import MOST_WRITES_AT_ONCE
from region_operator.replication.model.state import Value
from region_operator.replication.model.vectors import MAX_COUNTER, Actor, is_genesis

_to_text: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_MEMBERS: Final = ("v", "e", "k", "a", "b", "s", "r")


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain state.

    Attributes:
        actors: in their order; dots name them by place.
        born: counter, actor, key.
        registers: field -> [counter, place of the actor, value], in the order of the fields.
    """

    entity: str
    key: str
    actors: list[Actor]
    born: tuple[int, Actor, str]
    vector: Mapping[Actor, int]
    registers: Mapping[str, list[Any]]

    def highest(self) -> int:
        return max(self.vector.values(), default=0)


def parse(text: str) -> Plain | None:
    """Return the plain state that ``text`` stands for; None for any other state, and for what is none at all."""
    if "\\u" in text:  # perhaps half a surrogate pair
        return None
    try:
        document = json.loads(text)
        if type(document) is not dict or tuple(document) != _MEMBERS or document["v"] != VERSION:
            return None
        return _read(document)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def parse_own(text: str) -> Plain | None:
    """The same for a text that `encode` wrote and that holds one value per field: nothing in it has to be proved."""
    document = json.loads(text)
    if tuple(document) != _MEMBERS:
        return None
    actors = document["a"]
    counter, creator, born_as = document["b"]
    return Plain(
        document["e"],
        document["k"],
        actors,
        (counter, actors[creator], born_as),
        {actors[place]: at for place, at in document["s"]},
        {name: pairs[0] for name, pairs in document["r"].items()},
    )


def fill(text: str, values: Mapping[str, Value]) -> str:
    """Put values into a text that was kept without them."""
    document = json.loads(text)
    registers = document["r"]
    for name, value in values.items():
        if name in registers:
            registers[name][0][2] = value
    return _to_text(document)


def _read(document: Mapping[str, Any]) -> Plain | None:
    entity, key, actors, born = document["e"], document["k"], document["a"], document["b"]
    if type(actors) is not list or not all(map(_is_name, (entity, key, *actors))) or not _ascends(actors):
        return None
    vector = [0] * len(actors)
    places = [place for place, _ in document["s"]]
    for place, counter in document["s"]:
        if not _is_place(place, actors) or not _is_counter(counter):
            return None
        vector[place] = counter
    counter, creator, born_as = born
    if not (_ascends(places) and _is_counter(counter) and _is_place(creator, actors) and _is_name(born_as)):
        return None
    if {*places, creator} != set(range(len(actors))):
        return None
    registers = _registers(document["r"], vector)
    if registers is None:
        return None
    seen = {actors[place]: counter for place, counter in document["s"]}
    return Plain(entity, key, actors, (counter, actors[creator], born_as), seen, registers)


def _registers(found: Mapping[str, Any], vector: list[int]) -> dict[str, list[Any]] | None:
    registers: dict[str, list[Any]] = {}
    for name, pairs in found.items():
        if len(pairs) != 1:
            return None
        counter, place, value = pair = pairs[0]
        if type(counter) is not int or type(place) is not int or place < 0 or not 1 <= counter <= vector[place]:
            return None
        if not (value is None or type(value) in (str, int) or (type(value) is list and all(map(_is_scalar, value)))):
            return None
        registers[name] = pair
    return registers if _ascends(list(registers)) else None


def _is_name(text: object) -> bool:
    return type(text) is str and text != ""


def _is_scalar(value: object) -> bool:
    return value is None or type(value) in (str, int)


def _is_counter(counter: object) -> bool:
    return type(counter) is int and 1 <= counter <= MAX_COUNTER


def _is_place(place: object, actors: list[Actor]) -> bool:
    return type(place) is int and 0 <= place < len(actors)


def _ascends(values: list[Any]) -> bool:
    return all(a < b for a, b in pairwise(values))


def successor(local: Plain, remote: Plain) -> tuple[str, ...] | None:
    """Return which fields are others in ``remote`` if it is the join of the two; None if that takes a merge to say.

    The values of the other fields must be the same on both sides, which is for the caller to check: else a dot names
    two values.
    """
    if remote.registers.keys() != local.registers.keys():
        return None
    if any(remote.vector.get(actor, 0) < counter for actor, counter in local.vector.items()):
        return None
    if remote.born != local.born and (remote.born > local.born or is_genesis(local.born[1])):
        return None  # rows of two clouds that never met may be two things under one key
    changed = []
    for name, (counter, place, _) in remote.registers.items():
        before, before_place, _ = local.registers[name]
        actor = remote.actors[place]
        if counter == before and actor == local.actors[before_place]:
            continue
        if counter <= local.vector.get(actor, 0):
            return None  # a value that we had seen and that had been superseded here
        changed.append(name)
    return tuple(changed)


def claims_too_much(remote: Plain, local: Plain | None, *, actor: Actor) -> bool:
    """More writes of ours (``actor``) than we know of, or more than anybody can have made: not for us to judge."""
    own, highest = (local.vector.get(actor, 0), local.highest()) if local is not None else (0, 0)
    return remote.vector.get(actor, 0) > own or remote.highest() - highest > MOST_WRITES_AT_ONCE


def write(local: Plain | None, *, key: tuple[str, str], fields: Collection[str], actor: Actor) -> Plain:
    """Return the state after this region wrote ``fields``, like ``state.local_write``; values are left out.

    ``key``: entity and key, for a row that was not known before.
    """
    if local is None:
        entity, name = key
        fresh = {field: [1, 0, None] for field in sorted(fields)}
        return Plain(entity, name, [actor], (1, actor, name), {actor: 1}, fresh)
    counter = 1 + local.highest()
    vector = {**local.vector, actor: counter}
    actors = sorted({*local.actors, actor})
    place = {name: index for index, name in enumerate(actors)}
    moved = [place[name] for name in local.actors]
    own = place[actor]
    registers = {
        name: [counter, own, None] if name in fields else [at, moved[by], None]
        for name, (at, by, _) in local.registers.items()
    }
    return Plain(local.entity, local.key, actors, local.born, vector, registers)


def encode(state: Plain, *, values: bool = False) -> str:
    """Return the canonical text of a state, with its values or without."""
    place = {actor: index for index, actor in enumerate(state.actors)}
    counter, creator, key = state.born
    document = {
        "v": VERSION,
        "e": state.entity,
        "k": state.key,
        "a": state.actors,
        "b": [counter, place[creator], key],
        "s": [[place[actor], state.vector[actor]] for actor in state.actors if actor in state.vector],
        "r": {name: [[at, by, value if values else None]] for name, (at, by, value) in state.registers.items()},
    }
    return _to_text(document)
