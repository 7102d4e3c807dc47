"""What the states of many rows have in common, so that it travels, is checked and is stored once.

States of one life differ in little: the row's key and, of rows older than capture, the name of their content. What is
left when both are taken out is a *shape*; a first copy of a million rows has a handful. A row is then its key, its
genesis and the number of its shape, and its state is put together where it is stored.

    {"v":1,"e":"user","k":"| key |","a":["g| genesis |"],"b":[1,0,"| key |"],"s":[[0,1]],"r":{"email":[[1,0,null]]}}
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from region_operator.replication.model import plain
from region_operator.replication.model.plain import Plain
from region_operator.replication.model.vectors import GENESIS_PREFIX, Actor

KEY_EXCEPTIONS: Final = "[^A-Za-z0-9._:-]"
"""No key with one of these goes into a shape: it could be taken for JSON, or change between character sets."""

GENESIS_EXCEPTIONS: Final = "[^0-9a-f]"
GENESIS_LENGTH: Final = 16
_NO_KEY: Final = re.compile(KEY_EXCEPTIONS)
_NO_GENESIS: Final = re.compile(GENESIS_EXCEPTIONS)
_MARK: Final = f'"{GENESIS_PREFIX}'
_ANY_KEY: Final = "-"
_SAMPLES: Final = (("a", "0" * GENESIS_LENGTH), ("b", "f" * GENESIS_LENGTH))


@dataclass(frozen=True, slots=True)
class Shape:
    """The pieces of a stripped plain state around key, genesis (if it has one) and key again."""

    before: str
    actors: str
    after: str
    rest: str
    has_genesis: bool

    def text(self, *, key: str, genesis: str) -> str:
        return f"{self.before}{key}{self.actors}{genesis}{self.after}{key}{self.rest}"

    def genesis(self, text: str, *, key: str) -> str | None:
        """The genesis of a state that has this shape too, for a quarter of what ``split`` costs; None if it has not."""
        at = len(self.before) + len(key) + len(self.actors)
        genesis = text[at : at + GENESIS_LENGTH] if self.has_genesis else ""
        if text != self.text(key=key, genesis=genesis) or _NO_KEY.search(key) or _NO_GENESIS.search(genesis):
            return None
        return genesis


def split(text: str, *, key: str) -> tuple[Shape, str] | None:
    """Return shape and genesis of a stripped state; None if it cannot be split so."""
    pieces = text.split(f'"{key}"')
    if len(pieces) != 3 or _NO_KEY.search(key):
        return None
    before, middle, rest = pieces
    at = middle.rfind(_MARK)
    if at < 0:
        return Shape(f'{before}"', f'"{middle}"', "", f'"{rest}', has_genesis=False), ""
    at += len(_MARK)
    genesis = middle[at : at + GENESIS_LENGTH]
    shape = Shape(f'{before}"', f'"{middle[:at]}', f'{middle[at + GENESIS_LENGTH :]}"', f'"{rest}', has_genesis=True)
    return (shape, genesis) if len(genesis) == GENESIS_LENGTH and not _NO_GENESIS.search(genesis) else None


class Finder:
    """Splits states one after the other; most have the shape of the one before."""

    def __init__(self) -> None:
        self._last: Shape | None = None

    def find(self, text: str, *, key: str) -> tuple[Shape, str] | None:
        """The same as ``split``."""
        if self._last is not None and (genesis := self._last.genesis(text, key=key)) is not None:
            return self._last, genesis
        found = split(text, key=key)
        if found is not None:
            self._last = found[0]
        return found


@lru_cache(maxsize=1024)
def written(
    shape: Shape, *, entity: str, fields: tuple[str, ...], changed: frozenset[str], actor: Actor
) -> Shape | None:
    """The shape that states of this shape have once ``actor`` has written ``changed``; None as for ``check``.

    The order of actors does not hang on the genesis, so one state says it for all.
    """
    state = check(shape, entity=entity, fields=fields)
    if state is None:
        return None
    counter, creator, _ = state.born
    named = replace(state, key=_ANY_KEY, born=(counter, creator, _ANY_KEY))
    found = split(plain.encode(plain.write(named, key=(entity, _ANY_KEY), fields=changed, actor=actor)), key=_ANY_KEY)
    return found[0] if found is not None else None


@dataclass(frozen=True, slots=True)
class Succession:
    """How a state of one shape goes over into one of another that has seen all of it, if key and genesis are the same.

    Attributes:
        before, after: samples of both.
        changed: the fields that are others.
    """

    before: Plain
    after: Plain
    changed: tuple[str, ...]
    is_news: bool


@lru_cache(maxsize=1024)
def succession(local: Shape, remote: Shape, *, entity: str, fields: tuple[str, ...]) -> Succession | None:
    """What ``plain.successor`` says of all states of two shapes; None as for ``successor`` and ``check``."""
    before, after = check(local, entity=entity, fields=fields), check(remote, entity=entity, fields=fields)
    changed = plain.successor(before, after) if before is not None and after is not None else None
    if before is None or after is None or changed is None:
        return None
    return Succession(before, after, changed, is_news=plain.encode(before) != plain.encode(after))


def check(shape: Shape, *, entity: str, fields: Collection[str]) -> Plain | None:
    """Return a state of this shape, to be judged for all of them; None if it does not make plain states of ``entity``.

    Two samples prove it: what is common to both is the shape's, and key and genesis stand where they belong.
    """
    states = []
    for key, genesis in _SAMPLES:
        text = shape.text(key=key, genesis=genesis if shape.has_genesis else "")
        state = plain.parse(text)
        if state is None or plain.encode(state) != text:
            return None
        if (state.entity, state.key, state.born[2]) != (entity, key, key) or state.registers.keys() != set(fields):
            return None
        own = [actor for actor in state.actors if actor.startswith(GENESIS_PREFIX)]
        if own != ([f"{GENESIS_PREFIX}{genesis}"] if shape.has_genesis else []):
            return None
        states.append(state)
    return states[0]
