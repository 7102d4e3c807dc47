"""What a region shows of a row: the rules applied to its registers when the row is applied, never fed back."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from region_operator.replication.model.rules import (
    DeleteRule,
    EntityRuleSet,
    FieldRule,
    Rule,
    captured,
    winner,
)
from region_operator.replication.model.state import DELETED_FIELD, Pair, Register, RowState, Value
from region_operator.replication.model.vectors import is_genesis


class ConflictKind(StrEnum):
    """What two writers disagree about."""

    VALUE = "Value"  # of a field
    DELETION = "Deletion"  # one deleted what the other one changed or wants back
    CYCLE = "Cycle"  # two moves put rows under each other; made from `topology.break_cycles`


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Concurrent writes that differ, and what is shown of them.

    Attributes:
        field: the field, or ``deleted``.
        rule: name of the rule that chose.
        winner: what is shown.
        losers: what is not; each can be restored by writing it again.
        open: True if a person has to choose (Manual); else the rule has settled it.
    """

    field: str
    kind: ConflictKind
    rule: str
    winner: Pair
    losers: Register
    open: bool = False


@dataclass(frozen=True, slots=True)
class Projection:
    """What is written into the business table.

    Attributes:
        values: the visible value of every field that both the rules and the state know.
        alive: False for a deleted row.
        conflicts: all present ones; a conflict that is gone from here is closed.
    """

    values: Mapping[str, Value]
    alive: bool
    conflicts: tuple[FieldConflict, ...]

    @property
    def settled(self) -> bool:
        """True unless somebody has to choose."""
        return not any(conflict.open for conflict in self.conflicts)


def project(state: RowState, *, rules: EntityRuleSet) -> Projection:
    """Return what ``state`` looks like under ``rules``."""
    alive = is_alive(state, rules=rules)
    values: dict[str, Value] = {}
    conflicts: list[FieldConflict] = []
    for name, rule in rules.fields.items():
        register = state.registers.get(name)
        if register is None:
            continue
        chosen = winner(register, rule=rule, rules=rules)
        values[name] = None if name == rules.removed_field and alive else chosen.value
        if len(register) > 1 and not rule.quiet and name != rules.removed_field:
            conflicts += _value_conflict(name, register, chosen=chosen, rule=rule, alive=alive)
    if state.deleted:
        conflicts += _deletion_conflicts(state, alive=alive, rules=rules)
    return Projection(values, alive, tuple(conflicts))


def is_alive(state: RowState, *, rules: EntityRuleSet) -> bool:
    """Tell whether the row is shown at all. What the deletions had seen decides, never the age of a deletion."""
    if not any(pair.value for pair in captured(state.deleted)):
        return True
    return rules.delete_rule is DeleteRule.UPDATE_WINS and bool(_news(state))


def _news(state: RowState) -> dict[str, Register]:
    """Return the writes that no deletion had seen; what was there before capture is no news to a captured deletion."""
    deletions = [pair for pair in captured(state.deleted) if pair.value]
    if not deletions:
        return {}
    old_rows_count = all(is_genesis(pair.dot.actor) for pair in deletions)
    news = {
        name: tuple(
            pair
            for pair in register
            if not state.deletes_seen.covers(pair.dot) and (old_rows_count or not is_genesis(pair.dot.actor))
        )
        for name, register in state.registers.items()
    }
    return {name: register for name, register in news.items() if register}


def _value_conflict(
    name: str, register: Register, *, chosen: Pair, rule: FieldRule, alive: bool
) -> list[FieldConflict]:
    losers = tuple(pair for pair in register if pair.value != chosen.value)
    if not losers:
        return []
    contested = any(pair.value != chosen.value for pair in captured(register))
    is_open = rule.rule is Rule.MANUAL and alive and contested
    return [FieldConflict(name, ConflictKind.VALUE, rule.rule.value, chosen, losers, is_open)]


def _deletion_conflicts(state: RowState, *, alive: bool, rules: EntityRuleSet) -> list[FieldConflict]:
    """Say what a deletion that won has cost, field by field, or which deletion lost."""
    kind, rule = ConflictKind.DELETION, rules.delete_rule.value
    contested = captured(state.deleted)
    deletions = tuple(pair for pair in contested if pair.value)
    if not deletions:
        return []
    news = _news(state)
    if alive:
        newest = max((pair for register in news.values() for pair in register), key=lambda pair: pair.dot)
        return [FieldConflict(DELETED_FIELD, kind, rule, Pair(newest.dot, 0), deletions)]
    deletion = max(deletions, key=lambda pair: pair.dot)
    revivals = tuple(pair for pair in contested if not pair.value)
    lost = [(DELETED_FIELD, revivals)] if revivals else []
    lost += [(name, register) for name, register in sorted(news.items()) if name != rules.removed_field]
    return [FieldConflict(name, kind, rule, deletion, losers) for name, losers in lost]
