"""Triggers that write every committed change of a synced table into ``dirty``, in the writer's own transaction.

A change is a change of bytes ('s' -> 'S' is one, whatever the collation says). What foreign keys do behind the
triggers' back is recorded by the parent's trigger. The applier's session switches them off for itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Column, Field
from region_operator.replication.store.connections import CAPTURE_SWITCH, Session
from region_operator.replication.store.layout import Layout, Table, literal

PARENT_KEY: Final = "key of "
"""Before the name of a reference column in ``old_values``: the member that holds the parent's key."""


@dataclass(frozen=True)
class Trigger:
    """A trigger of ours; ``table`` and ``name`` without quotes."""

    name: str
    table: str
    event: str
    body: str

    @property
    def moment(self) -> str:
        return "BEFORE" if self.event == "delete" else "AFTER"

    def ddl(self, business: str, *, definer: str) -> str:
        """The statement that makes it or replaces it; ``definer`` is a quoted account."""
        return (
            f"CREATE OR REPLACE DEFINER={definer} TRIGGER {business}.{quote_identifier(self.name)} "
            f"{self.moment} {self.event.upper()} ON {business}.{quote_identifier(self.table)} "
            f"FOR EACH ROW {self.body}"
        )


def triggers(layout: Layout, *, other_parents: Collection[str] = ()) -> list[Trigger]:
    """All triggers; ``other_parents`` are tables outside of the catalog that are there, among ``foreign_parents``."""
    made = []
    for table in layout.tables.values():
        bodies = {"insert": _insert(layout, table), "update": _update(layout, table), "delete": _delete(layout, table)}
        made += [_trigger(layout, table.entity.table, event, body) for event, body in bodies.items()]
    for parent in other_parents:
        children = "".join(_cascaded(layout, parent, table) for table in layout.tables.values())
        made.append(_trigger(layout, parent, "delete", children))
    return made


def missing(session: Session, layout: Layout, wanted: Collection[Trigger], *, definer: str) -> list[Trigger]:
    """Triggers that are not there exactly so: DDL on a table stalls its writers, so only these are made."""
    present = set(
        session.select(
            "SELECT trigger_name, event_object_table, LOWER(event_manipulation), action_statement, definer "
            "FROM information_schema.triggers WHERE trigger_schema = %s",
            (layout.business.strip("`"),),
        )
    )
    owner = definer.replace("'", "")
    return [t for t in wanted if (t.name, t.table, t.event, t.body, owner) not in present]


def _trigger(layout: Layout, table: str, event: str, body: str) -> Trigger:
    """``region_sync_user_update``: begins with the schema's name, so that people see whose it is."""
    name = f"{layout.sync.strip('`')}_{table}_{event}"[:64]
    return Trigger(name, table, event, f"IF {CAPTURE_SWITCH} IS NULL THEN {body} END IF")


def foreign_parents(layout: Layout) -> list[str]:
    """Tables outside of the catalog whose rows take rows of the catalog with them."""
    own = {table.entity.table for table in layout.tables.values()}
    cascades = (cascade for table in layout.tables.values() for cascade in table.entity.cascades)
    return sorted({cascade.parent_table for cascade in cascades} - own)


def removal(layout: Layout) -> list[str]:
    """The DDL that takes all triggers off, e.g. while the cloud upgrades its schema."""
    everywhere = triggers(layout, other_parents=foreign_parents(layout))
    return [f"DROP TRIGGER IF EXISTS {layout.business}.{quote_identifier(trigger.name)}" for trigger in everywhere]


def _key(table: Table, alias: str) -> str:
    key = f"{alias}.{table.key_column}"
    if not table.well_known:
        return key
    cases = " ".join(f"WHEN {local_id} THEN {literal(fixed)}" for fixed, local_id in sorted(table.well_known.items()))
    return f"(CASE {alias}.{table.local_id} {cases} ELSE {key} END)"


def _counts(table: Table, alias: str) -> str:
    """SQL that is true for a row of the entity that travels."""
    conditions = [f"{_key(table, alias)} IS NOT NULL", f"NOT {table.exclusion(alias)}"]
    if table.unsynced_ids:
        conditions.append(f"{alias}.{table.local_id} NOT IN ({', '.join(map(str, table.unsynced_ids))})")
    return " AND ".join(conditions)


def _record(layout: Layout, table: Table, *, key: str, op: str, changed: str = "''", old: str = "NULL") -> str:
    return (
        f"INSERT INTO {layout.own('dirty')} (entity, entity_key, op, changed, old_values, captured_at) "
        f"VALUES ({literal(table.entity.name)}, {key}, '{op}', {changed}, {old}, UTC_TIMESTAMP(6))"
    )


def _insert(layout: Layout, table: Table) -> str:
    return f"IF {_counts(table, 'NEW')} THEN {_record(layout, table, key=_key(table, 'NEW'), op='I')}; END IF;"


def _update(layout: Layout, table: Table) -> str:
    """A key that changes is the end of one row and the beginning of another."""
    fields = ", ".join(f"IF({_differs(field)}, {literal(field.name)}, NULL)" for field in table.entity.fields)
    changed = f"CONCAT_WS(',', {fields})"
    old_key, new_key = _key(table, "OLD"), _key(table, "NEW")
    delete = _record(layout, table, key=old_key, op="D", old=_old_values(layout, table, "OLD"))
    insert = _record(layout, table, key=new_key, op="I")
    update = _record(layout, table, key=new_key, op="U", changed=changed)
    return (
        f"IF BINARY {old_key} <=> BINARY {new_key} THEN "
        f"IF {_counts(table, 'NEW')} AND {changed} <> '' THEN {update}; END IF; "
        f"ELSE IF {_counts(table, 'OLD')} THEN {delete}; END IF; IF {_counts(table, 'NEW')} THEN {insert}; END IF; "
        "END IF;"
    )


def _delete(layout: Layout, table: Table) -> str:
    old = _record(layout, table, key=_key(table, "OLD"), op="D", old=_old_values(layout, table, "OLD"))
    children = "".join(_cascaded(layout, table.entity.table, child) for child in layout.tables.values())
    return f"{children} IF {_counts(table, 'OLD')} THEN {old}; END IF;"


def _cascaded(layout: Layout, parent: str, child: Table) -> str:
    """Record what deleting a row of ``parent`` does to ``child``: no trigger of the child sees it."""
    recorded = []
    for cascade in child.entity.cascades:
        if cascade.parent_table != parent or child.entity.table == parent:
            continue
        deletes = cascade.action == "Delete"
        names = ",".join(field.name for field in child.entity.fields_of_columns([cascade.column]))
        recorded.append(
            f"INSERT INTO {layout.own('dirty')} (entity, entity_key, op, changed, old_values, captured_at) "
            f"SELECT {literal(child.entity.name)}, {_key(child, 'c')}, {literal('D' if deletes else 'U')}, "
            f"{_names('' if deletes else names)}, {_old_values(layout, child, 'c') if deletes else 'NULL'}, "
            f"UTC_TIMESTAMP(6) FROM {child.sql} c "
            f"WHERE c.{quote_identifier(cascade.column)} = OLD.`id` AND {_counts(child, 'c')}; "
        )
    return "".join(recorded)


def _names(names: str) -> str:
    return "''" if not names else f"CONCAT_WS(',', {', '.join(map(literal, names.split(',')))})"


def _differs(field: Field) -> str:
    columns = (quote_identifier(column.name) for column in field.columns)
    return " OR ".join(f"NOT (BINARY NEW.{column} <=> BINARY OLD.{column})" for column in columns)


def _old_values(layout: Layout, table: Table, alias: str) -> str:
    """The synced columns as JSON of texts; of a reference the parent's key too, for the parent may go next."""
    members = [f"{literal(table.entity.local_id)}, {alias}.{table.local_id}"]
    for field in table.entity.fields:
        for column in field.columns:
            members.append(f"{literal(column.name)}, {_as_json(alias, column)}")
            if field.reference is not None:
                parent = layout.tables[field.reference]
                members.append(
                    f"{literal(PARENT_KEY + column.name)}, "
                    f"(SELECT p.{parent.key_column} FROM {parent.sql} p "
                    f"WHERE p.{parent.local_id} = {alias}.{quote_identifier(column.name)})"
                )
    return f"JSON_OBJECT({', '.join(members)})"


def _as_json(alias: str, column: Column) -> str:
    reference = f"{alias}.{quote_identifier(column.name)}"
    return reference if column.kind in ("int", "bool") else f"CAST({reference} AS CHAR CHARACTER SET utf8mb4)"
