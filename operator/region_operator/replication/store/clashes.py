"""Two rows of one name that are both visible here: shown to people until one of them changes (ENGINE 10)."""

import json
from collections.abc import Collection

from region_operator.replication.feed import RowKey
from region_operator.replication.store import conflicts, names, parked, rows
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout


def check(
    session: Session, layout: Layout, written: Collection[RowKey], changed: Collection[RowKey], *, source: int
) -> int:
    """Look at rows that people wrote, and at open clashes that changed rows take part in; returns how many are new.

    Rows that the applier has written had no namesake a moment ago.
    """
    if not written and not changed:
        return 0
    known = _open(session, layout)
    involved = {row for row in written if layout.tables[row.entity].entity.unique}
    again = {row for row, other in known.items() if row in changed or other in changed}
    opened = 0
    for row, business in rows.read_keys(session, layout, involved | again).items():
        table = layout.tables[row.entity]
        if table.entity.removed is not None and business.columns[table.entity.removed] is not None:
            partner = None
        else:
            columns = {**business.columns, **business.local}
            holders = (
                names.holder(session, layout, table, unique, columns=columns, own_id=business.local_id)
                for unique in table.entity.unique
                if not unique.indexed
            )
            partner = next((key for key in holders if key is not None), None)
        if partner is not None:
            other = RowKey(row.entity, partner)
            known.setdefault(row, other)
            opened += (
                0 if known.get(other) == row else conflicts.record_clash(session, layout, row, other, source=source)
            )
        elif row in known and not parked.is_parked(session, layout, row):
            conflicts.close_clashes(session, layout, [row])
    return opened


def _open(session: Session, layout: Layout) -> dict[RowKey, RowKey]:
    found = session.select(
        f"SELECT entity, entity_key, record FROM {layout.own('conflict')} "
        "WHERE state = 'Open' AND kind = %s LIMIT 1000",
        (conflicts.UNIQUE_CLASH,),
    )
    return {RowKey(str(entity), str(key)): RowKey(*json.loads(record)["other"]) for entity, key, record in found}
