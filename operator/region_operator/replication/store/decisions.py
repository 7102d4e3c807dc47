"""What people decide: which rules, which of the values of a conflict. Pure."""

from collections.abc import Mapping

from region_operator.errors import InvalidInput
from region_operator.replication.feed import ConflictRecord
from region_operator.replication.model.rules import EntityRuleSet, UniqueClash
from region_operator.replication.model.state import DELETED_FIELD, RowState, local_write
from region_operator.replication.store.conflicts import dot_text


def restored(record: ConflictRecord, dot: str, state: RowState, actor: str) -> RowState:
    """Return ``state`` after one of the values of a conflict was written again, as a change of ``actor``.

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
    deleted = bool(chosen.value) if is_deletion else None
    return local_write(state, entity=state.entity, key=state.key, actor=actor, changes=changes, deleted=deleted)


def check_rules(rules: Mapping[str, EntityRuleSet]) -> None:
    """Raise InvalidInput (``NotYetSupported``) for rules that this version does not carry out."""
    for name, rule in rules.items():
        unsupported = {
            "uniqueClash": rule.unique_clash is not UniqueClash.PARK,
            "mode": not rule.synced,
            "acceptFrom": rule.accept_from is not None,
        }
        for field, given in unsupported.items():
            if given:
                raise InvalidInput(
                    field=f"rules.entities[{name}].{field}",
                    problem="is not supported yet by this version of the agent",
                    remedy="leave it out",
                    reason="NotYetSupported",
                )
