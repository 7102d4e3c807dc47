"""What people decide about a conflict: which of its values. Pure."""

from region_operator.errors import InvalidInput, Refused
from region_operator.replication.model.projection import ConflictKind, is_alive, project
from region_operator.replication.model.rules import EntityRuleSet
from region_operator.replication.model.state import DELETED_FIELD, RowState, local_write
from region_operator.replication.records import ConflictRecord
from region_operator.replication.store.conflicts import dot_text

_REMEDIES = {
    "UniqueClash": "give one of the two rows another name, or skip the one that is parked",
    "Cycle": "move one of the two rows",
}


def check_open(record: ConflictRecord) -> None:
    """Raise Refused (``ConflictClosed``) if there is nothing left to decide."""
    if record.state == "Closed":
        raise Refused(reason="ConflictClosed", message=f"conflict {record.id} was closed at {record.closed_at}")


def resolved(record: ConflictRecord, state: RowState, actor: str, *, rules: EntityRuleSet) -> RowState:
    """Return ``state`` after what is shown of the field was written again, as a change of ``actor``.

    Raises:
        InvalidInput: the conflict is about two rows, which no write to one field ends.
    """
    if record.kind in _REMEDIES:
        raise InvalidInput(
            field="conflict", problem=f"a {record.kind} has no value that could be kept", remedy=_REMEDIES[record.kind]
        )
    alive = is_alive(state, rules=rules)
    if record.kind == ConflictKind.DELETION:
        return local_write(state, entity=state.entity, key=state.key, actor=actor, changes={}, deleted=not alive)
    changes = {record.field: project(state, rules=rules).values[record.field]}
    return local_write(
        state, entity=state.entity, key=state.key, actor=actor, changes=changes, deleted=None if alive else True
    )


def restored(record: ConflictRecord, dot: str, state: RowState, actor: str) -> RowState:
    """Return ``state`` after one of the values of a conflict was written again, as a change of ``actor``.

    A value that a deletion has cost brings its row back.

    Raises:
        InvalidInput: the value is not among the row's values any more.
    """
    is_deletion = record.field == DELETED_FIELD
    register = state.deleted if is_deletion else state.registers.get(record.field, ())
    chosen = next((pair for pair in register if dot_text(pair.dot) == dot), None)
    if chosen is None:
        raise InvalidInput(
            field="dot", problem=f"{dot} is no value of {record.field} any more", remedy="list the conflict again"
        )
    changes = {} if is_deletion else {record.field: chosen.value}
    deleted = bool(chosen.value) if is_deletion else False if record.kind == ConflictKind.DELETION else None
    return local_write(state, entity=state.entity, key=state.key, actor=actor, changes=changes, deleted=deleted)
