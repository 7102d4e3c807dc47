"""What is known of one row: its version vector, a register per field, its deletion, its birth.

The store loads and saves these values; `local_write` and `genesis` are the only ways by which new dots come to be.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from region_operator.replication.model.vectors import EMPTY_VECTOR, GENESIS_PREFIX, Actor, Dot, VersionVector

Scalar = str | int | None
"""What travels: datetimes are 'YYYY-MM-DD HH:MM:SS' in UTC, decimals are strings, booleans are 0 and 1."""
Value = Scalar | tuple[Scalar, ...]
"""A tuple is a group of columns that shares one register, such as (api_key, secret_key): its parts never mix."""

DELETED_FIELD: Final = "deleted"
"""Name of the deletion in conflicts and errors; no field of a catalog may be called so."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A value and the write that made it."""

    dot: Dot
    value: Value


Register = tuple[Pair, ...]
"""The concurrent values of a field in the order of their dots: one in all but conflicting rows."""


@dataclass(frozen=True, order=True, slots=True)
class Born:
    """The creation of a row, immutable: the smaller one wins a clash of unique names."""

    counter: int
    actor: Actor
    key: str


@dataclass(frozen=True, slots=True)
class RowState:
    """Everything that a merge needs to know of a row.

    Attributes:
        deleted: register of 0 and 1; empty means that nobody ever deleted the row.
        deletes_seen: the union of what the deletions had seen; a write outside of it is news to them.
        alias: the birth of the row that adopted this one; once set it binds everywhere.
    """

    entity: str
    key: str
    born: Born
    vector: VersionVector
    registers: Mapping[str, Register]
    deleted: Register = ()
    deletes_seen: VersionVector = field(default=EMPTY_VECTOR)
    alias: Born | None = None

    @property
    def alias_of(self) -> str | None:
        """The key of the row that adopted this one."""
        return self.alias.key if self.alias else None


def local_write(
    state: RowState | None,
    *,
    entity: str,
    key: str,
    actor: Actor,
    changes: Mapping[str, Value],
    deleted: bool | None = None,
) -> RowState:
    """Return the state after this region wrote ``changes``; they supersede all that it had seen, siblings included.

    ``deleted`` says whether the row is a deleted one *after* the write; whoever knows passes it with every write, for
    a dot is made only where it says something new: True always (a write to a deleted row leaves it deleted, also for
    rules under which news revive), False only if somebody had deleted the row. Nothing to write returns ``state``.
    """
    revived = deleted is False and state is not None and any(pair.value for pair in state.deleted)
    if state is not None and not changes and not deleted and not revived:
        return state
    vector = state.vector if state is not None else EMPTY_VECTOR
    dot = Dot(vector.highest() + 1, actor)
    vector = vector.with_dot(dot)
    if state is None:
        state = RowState(entity, key, Born(dot.counter, actor, key), vector, {})
    registers = {**state.registers, **{name: (Pair(dot, value),) for name, value in changes.items()}}
    written = replace(state, vector=vector, registers=registers)
    if deleted:
        return replace(written, deleted=(Pair(dot, 1),), deletes_seen=vector)
    return replace(written, deleted=(Pair(dot, 0),)) if revived else written


def genesis(*, entity: str, key: str, values: Mapping[str, Value], deleted: bool) -> RowState:
    """Return the state of a row that was there before anything was captured.

    Its one dot is named after its content, so rows that are equal on two sides have equal states from the start.
    """
    dot = Dot(1, genesis_actor(entity=entity, key=key, values=values, deleted=deleted))
    vector = VersionVector({dot.actor: 1})
    return RowState(
        entity,
        key,
        Born(1, dot.actor, key),
        vector,
        {name: (Pair(dot, value),) for name, value in values.items()},
        (Pair(dot, 1),) if deleted else (),
        vector if deleted else EMPTY_VECTOR,
    )


def genesis_actor(*, entity: str, key: str, values: Mapping[str, Value], deleted: bool) -> Actor:
    """Name the content of a row: ``g`` and the first 64 bits of its MD5, which SQL computes for a million rows at once.

    The content is one line of parts, each ``<bytes>:<text>`` or ``-`` for NULL: entity, key, 0 or 1 for deleted, then
    name and columns of each field in the order of field names.
    """
    parts: list[Scalar] = [entity, key, int(deleted)]
    for name in sorted(values):
        value = values[name]
        parts += [name, *(value if isinstance(value, tuple) else (value,))]
    content = b"".join(_netstring(part) for part in parts)
    return GENESIS_PREFIX + hashlib.md5(content, usedforsecurity=False).hexdigest()[:16]


def _netstring(part: Scalar) -> bytes:
    if part is None:
        return b"-"
    text = str(part).encode()
    return b"%d:%s" % (len(text), text)
