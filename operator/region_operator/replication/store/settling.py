"""What a policy does about two rows of one name: nothing (`Park`), a new name for one (`Rename`), one row (`Adopt`).

The row that was born first keeps the name, in every region. An adoption makes no write of its own, so any region that
sees the clash may declare it; a new name is given once, by the region that created the row, and follows from the row's
key, so that two regions that both believe it to be their turn write the same.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from region_operator.replication.catalog import Entity, Field
from region_operator.replication.feed import RowKey
from region_operator.replication.model.identity import renaming_region
from region_operator.replication.model.projection import project
from region_operator.replication.model.rules import EntityRuleSet, UniqueClash
from region_operator.replication.model.state import RowState, local_write

KEY_PART = 8


@dataclass(frozen=True)
class Clash:
    """A row that cannot be shown because ``other`` has its name; ``columns`` are the ones that are unique."""

    row: RowKey
    other: RowKey
    columns: tuple[str, ...]


def effective(rules: EntityRuleSet, entity: Entity, clash: Clash) -> UniqueClash:
    """What can be done about a clash: rows that are in every cloud, and names that are no names, wait for people."""
    is_fixed = any(entity.well_known_row(row.key) is not None for row in (clash.row, clash.other))
    if is_fixed or clash.columns != entity.natural_key:
        return UniqueClash.PARK
    if rules.unique_clash is UniqueClash.RENAME and _name_field(entity) is None:
        return UniqueClash.PARK
    return rules.unique_clash


def renames(loser: RowState, *, region: int, live: Collection[int]) -> bool:
    """Tell whether it is for this region to rename the row that lost."""
    return renaming_region(loser, live=live) == region


def renamed(state: RowState, actor: str, *, entity: Entity, rules: EntityRuleSet) -> RowState:
    """Return the state after the row got a name that ends with its key, as an ordinary change."""
    field = _name_field(entity)
    assert field is not None, "effective() looks first"
    name = str(project(state, rules=rules).values[field.name])
    ending = f"-{state.key[:KEY_PART]}"
    if name.endswith(ending):  # the name with it is taken too
        digest = hashlib.md5(f"{state.key}\0{name}".encode(), usedforsecurity=False).hexdigest()
        name, ending = name.removesuffix(ending), f"-{digest[:KEY_PART]}"
    room = (field.columns[0].max_length or len(name) + len(ending)) - len(ending)
    changes = {field.name: name[: max(0, room)] + ending}
    return local_write(state, entity=state.entity, key=state.key, actor=actor, changes=changes)


def _name_field(entity: Entity) -> Field | None:
    """The part of the natural key that a person calls the row by."""
    for field in entity.fields:
        is_text = field.columns[0].kind == "str" and not field.is_group
        if field.name in entity.natural_key and is_text and field.reference is None and not field.secret:
            return field
    return None
