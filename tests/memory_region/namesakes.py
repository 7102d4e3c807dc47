"""Two rows of one name that are both visible: shown to people until one of them changes, as in `store.clashes`."""

from collections.abc import Collection, Mapping

from memory_region.business import holder
from memory_region.database import Database
from memory_region.records import UNIQUE_CLASH, Conflicts
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import RowKey


def check(
    draft: Database,
    catalog: Mapping[str, Entity],
    conflicts: Conflicts,
    *,
    written: Collection[RowKey],
    changed: Collection[RowKey],
) -> int:
    """Look at rows that people wrote, and at open clashes that changed rows take part in; returns how many are new."""
    open_ = {
        record.row: record.other
        for record in draft.conflicts.values()
        if record.kind == UNIQUE_CLASH and record.state == "Open" and record.other is not None
    }
    involved = {row for row in written if catalog[row.entity].unique}
    involved |= {row for row, other in open_.items() if row in changed or other in changed}
    opened = 0
    for row in sorted(involved & draft.business.keys(), key=lambda row: (row.entity, row.key)):
        partner = _namesake(draft, catalog[row.entity], row)
        if partner is not None:
            open_.setdefault(row, partner)
            if open_.get(partner) != row:
                opened += conflicts.record_clash(row, partner)
        elif row in open_ and all(of != row for of, _ in draft.parked):
            conflicts.close([row], kind=UNIQUE_CLASH)
    return opened


def _namesake(draft: Database, entity: Entity, row: RowKey) -> RowKey | None:
    columns = draft.business[row]
    if entity.removed is not None and columns[entity.removed] is not None:
        return None
    indexless = (unique for unique in entity.unique if not unique.indexed)
    holders = (holder(draft, entity, unique, columns=columns, own=row.key) for unique in indexless)
    partner = next((key for key in holders if key is not None), None)
    return RowKey(row.entity, partner) if partner is not None else None
