"""Whether a fleet that has come to rest keeps the consistency contract; raises Violation with what is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from memory_region import Database
from region_operator.replication.catalog import CATALOG, rule_sets
from region_operator.replication.feed import RowKey
from region_operator.replication.model import ConflictKind, EntityRuleSet, FieldConflict, Pair, RowState, Value, project
from region_operator.replication.store.conflicts import dot_text
from simulation.oracle import NOTHING, Oracle, Violation, registers
from simulation.plans import rules_named

if TYPE_CHECKING:
    from simulation.fleet import Fleet

BEHIND = {"MissingReference", "BelowItself", "UniquePartner"}
WAITING = {"UniqueClash", "Cycle", "DeferredReference", *BEHIND}
"""Reasons for which a row may be parked in the end; those of ``BEHIND`` only behind a row that is parked itself."""


def differences(fleet: "Fleet") -> list[str]:
    """Where states differ, and what is not folded yet."""
    contents = fleet.contents()
    found = [f"region {number}: {row} is not folded" for number, one in contents.items() for row in one.dirty]
    first = next(iter(contents.values()))
    for number, content in contents.items():
        for row in (first.versions.keys() | content.versions.keys()) - fleet.oracle.purged:
            mine, theirs = first.versions.get(row), content.versions.get(row)
            if mine is None or theirs is None or mine.text != theirs.text:
                found.append(f"{row} in region {number}: {theirs and theirs.text} instead of {mine and mine.text}")
    return found


def timeless(state: RowState) -> RowState:
    """A state without the times of removal, which are those of people's clocks."""
    times = {
        name: tuple(Pair(pair.dot, pair.value is None) for pair in register)
        for name, register in state.registers.items()
        if name == "removed"
    }
    return replace(state, registers={**state.registers, **times})


def check(fleet: "Fleet") -> None:
    contents = fleet.contents()
    if found := differences(fleet):
        raise Violation(f"no convergence: {found[0]}")
    _check_parked(contents)
    _check_nothing_is_lost(fleet.oracle, contents)
    for number, content in contents.items():
        _check_shown(fleet, number, content)
    if len({rules.hash for rules in fleet.rules.values()}) == 1:
        _check_all_show_the_same(contents, fleet.oracle.purged)


def parked_rows(contents: Mapping[int, Database]) -> set[RowKey]:
    return {row for content in contents.values() for row, _ in content.parked}


def _check_parked(contents: Mapping[int, Database]) -> None:
    """Nobody waits for a row that is there; one that was restored away is nowhere, and whether it may be comes next."""
    somewhere = {row for content in contents.values() for row in content.versions}
    for number, content in contents.items():
        waiting = {row for row, _ in content.parked}
        for (row, _), one in content.parked.items():
            if one.reason not in WAITING:
                raise Violation(f"region {number}: {row} is parked as {one.reason}: {one.message}")
            behind = one.waits_for in waiting or one.waits_for not in somewhere
            if one.reason in {"MissingReference", "BelowItself"} and not behind:
                raise Violation(f"region {number}: {row} waits in vain: {one.message}")


def _check_nothing_is_lost(oracle: Oracle, contents: Mapping[int, Database]) -> None:
    """Every write is known everywhere, and every register holds exactly what no later write to the field had seen."""
    for number, content in contents.items():
        seen = oracle.regions[number].seen
        for write in oracle.writes:
            is_gone = write in oracle.lost or write.row in oracle.purged
            if not is_gone and write not in seen.get(write.row, NOTHING):
                raise Violation(f"lost: region {number} never saw {write.field} = {write.value!r} of {write.row}")
        for row, version in content.versions.items():
            if row.key.startswith("well-known"):
                continue
            for name, register in registers(version.state):
                held = sorted((pair.value for pair in register), key=repr)
                expected = oracle.expected(row, name, seen.get(row, NOTHING))
                if held != expected:
                    raise Violation(f"lost: {name} of {row} holds {held!r}, written and not superseded is {expected!r}")


def _check_shown(fleet: "Fleet", number: int, content: Database) -> None:
    """What is visible is what the rules say, and what they did not choose is recorded."""
    rules = _rule_sets(fleet.rules[number].hash)
    waiting = {row for row, _ in content.parked}
    for row, version in content.versions.items():
        projection = project(version.state, rules=rules[row.entity])
        columns = content.business.get(row)
        if row not in waiting and row not in fleet.oracle.purged:
            if projection.alive and columns is None and version.state.alias is None:
                raise Violation(f"region {number}: {row} is alive, not parked, and not shown")
            values = CATALOG[row.entity].values(columns, key=row.key) if columns is not None else projection.values
            for name, value in projection.values.items():
                if (
                    _final(content, row, name, values[name]) != _final(content, row, name, value)
                    and name != CATALOG[row.entity].removed
                ):
                    raise Violation(f"region {number}: {row} shows {name} = {values[name]!r}, its rule says {value!r}")
        records = [r for r in content.conflicts.values() if r.row == row and r.state != "Closed"]
        recorded = {(r.field, value.dot) for r in records for value in r.values}
        conflicts = [c for c in projection.conflicts if not _is_one_row(content, row, c)]
        conflicts = conflicts if version.state.alias is None else []
        for conflict in conflicts:
            for loser in conflict.losers:
                if (conflict.field, dot_text(loser.dot)) not in recorded:
                    raise Violation(f"region {number}: {row} lost {conflict.field} = {loser.value!r} without a record")
        if any(r.kind in (ConflictKind.VALUE, ConflictKind.DELETION) for r in records) and not conflicts:
            raise Violation(f"region {number}: {row} has an open record of a conflict that is over")


def _final(content: Database, row: RowKey, name: str, value: Value) -> Value:
    """A value, a reference as the row that stands for its target."""
    reference = next((field.reference for field in CATALOG[row.entity].fields if field.name == name), None)
    return content.final(RowKey(reference, value)).key if reference is not None and isinstance(value, str) else value


def _is_one_row(content: Database, row: RowKey, conflict: FieldConflict) -> bool:
    """References to one row under several keys are no disagreement."""
    reference = next((field.reference for field in CATALOG[row.entity].fields if field.name == conflict.field), None)
    if reference is None or conflict.kind is not ConflictKind.VALUE:
        return False
    values = (pair.value for pair in (conflict.winner, *conflict.losers))
    return len({_final(content, row, conflict.field, value) for value in values}) == 1


@cache
def _rule_sets(name: str) -> dict[str, EntityRuleSet]:
    return rule_sets(CATALOG.values(), rules_named(name))


def _check_all_show_the_same(contents: Mapping[int, Database], purged: set[RowKey]) -> None:
    waiting = parked_rows(contents) | purged
    first = next(iter(contents.values()))
    for number, content in contents.items():
        for row in (first.business.keys() | content.business.keys()) - waiting:
            mine, theirs = _live(first, row), _live(content, row)
            if mine != theirs:
                raise Violation(f"region {number} shows {row} as {theirs}, another one as {mine}")


def _live(content: Database, row: RowKey) -> Mapping[str, object] | None:
    """A row as it is shown; of removed ones only that they are (the applier may shift the time by seconds)."""
    columns = content.business.get(row)
    return columns if columns is not None and columns.get("removed") is None else None
