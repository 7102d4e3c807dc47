"""What a database that an earlier version has prepared needs beside new tables, triggers and first versions.

Run by prepare. Steps are named after the version of the schema that they start from, and may be run again.
"""

from dataclasses import replace
from typing import Final

from region_operator.replication.catalog.roles import DEFAULT_ROLES, default_role
from region_operator.replication.model import codec
from region_operator.replication.model.state import Pair, RowState
from region_operator.replication.store import capture
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout

_BATCH: Final = 500


def run(session: Session, layout: Layout, *, before: int) -> None:
    if before < 2:
        _name_roles(session, layout)
        _say_who_decided(session, layout)


def _name_roles(session: Session, layout: Layout) -> None:
    """Version 1 sent an account's default role by its number and no custom role: now each travels by its key.

    Values that stand in the business row are read under their new names by themselves. Those that are kept with a
    version are rewritten, with a custom role the account is changed, which its dot of then says nothing of.
    """
    if "account" not in layout.tables:
        return
    last = ""
    while True:
        with session.transaction():
            session.select(f"SELECT id FROM {layout.own('lane')} WHERE id = 1 FOR UPDATE")
            found = session.select(
                f"SELECT entity_key, state FROM {layout.own('row_version')} "
                "WHERE entity = 'account' AND complete AND lsn IS NOT NULL AND entity_key > %s "
                "ORDER BY entity_key LIMIT %s",
                (last, _BATCH),
            )
            session.execute_each(
                f"UPDATE {layout.own('row_version')} SET state = %s WHERE entity = 'account' AND entity_key = %s",
                [(codec.encode(_named(codec.decode(text))), key) for key, text in found],
            )
        if len(found) < _BATCH:
            break
        last = str(found[-1][0])
    default = [str(id_) for id_ in layout.tables["role"].well_known.values()]
    condition = f"c.role_id IS NOT NULL AND c.role_id NOT IN ({', '.join(default)})"
    session.execute(capture.announcement(layout, layout.tables["account"], field="role_id", condition=condition))


def _say_who_decided(session: Session, layout: Layout) -> None:
    """Version 1 wrote down what people decided and why, not who."""
    session.execute(
        f"ALTER TABLE {layout.own('audit')} ADD COLUMN IF NOT EXISTS decided_by VARCHAR(255) NOT NULL AFTER subject"
    )


def _named(state: RowState) -> RowState:
    numbers = {number: default_role(name) for number, name in enumerate(DEFAULT_ROLES, start=1)}
    pairs = tuple(
        Pair(pair.dot, numbers.get(pair.value, pair.value) if isinstance(pair.value, int) else pair.value)
        for pair in state.registers.get("role_id", ())
    )
    return replace(state, registers={**state.registers, "role_id": pairs}) if pairs else state
