"""Triggers that write every committed change of a synced table into ``dirty``, in the writer's own transaction.

A change is a change of bytes ('s' -> 'S' is one, whatever the collation says). What foreign keys do behind the
triggers' back is recorded by the parent's trigger. The applier's session switches them off for itself.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Column, Field
from region_operator.replication.store.connections import CAPTURE_SWITCH, Session
from region_operator.replication.store.layout import Layout, Table, literal
from region_operator.replication.store.schema import KEY_LENGTH

EVENTS: Final = ("insert", "update", "delete")

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
        bodies = {"insert": _insert(layout, table)}
        if not table.entity.append_only:  # else changing and purging rows is the region's own affair
            bodies |= {"update": _update(layout, table), "delete": _delete(layout, table)}
        made += [_trigger(layout, table.entity.table, event, body) for event, body in bodies.items()]
    for parent in other_parents:
        made.append(_trigger(layout, parent, "delete", _cascaded(layout, parent)))
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


def outdated(session: Session, layout: Layout, wanted: Collection[Trigger], *, definer: str) -> list[str]:
    """The DDL that takes off what an earlier version has installed and this one does not want."""
    found = session.select(
        "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s AND definer = %s",
        (layout.business.strip("`"), definer.replace("'", "")),
    )
    own = {str(row[0]) for row in found if str(row[0]).startswith(f"{layout.sync.strip('`')}_")}
    names = sorted(own - {trigger.name for trigger in wanted})
    return [_removal(layout, name) for name in names]


def _trigger(layout: Layout, table: str, event: str, body: str) -> Trigger:
    return Trigger(_name(layout, table, event), table, event, f"IF {CAPTURE_SWITCH} IS NULL THEN {body} END IF")


def _name(layout: Layout, table: str, event: str) -> str:
    """``region_sync_user_update``: begins with the schema's name, so that people see whose it is."""
    return f"{layout.sync.strip('`')}_{table}_{event}"[:64]


def names(layout: Layout, table: Table) -> list[str]:
    """The triggers that a table of the catalog can have."""
    return [_name(layout, table.entity.table, event) for event in EVENTS]


def foreign_parents(layout: Layout) -> list[str]:
    """Tables outside of the catalog whose rows take rows of the catalog with them."""
    own = {table.entity.table for table in layout.tables.values()}
    cascades = (cascade for table in layout.tables.values() for cascade in table.entity.cascades)
    return sorted({cascade.parent_table for cascade in cascades} - own)


def removal(layout: Layout, tables: Iterable[str]) -> list[str]:
    """The DDL that takes our triggers off tables, e.g. while the cloud upgrades its schema."""
    return [_removal(layout, _name(layout, table, event)) for table in tables for event in EVENTS]


def _removal(layout: Layout, trigger: str) -> str:
    return f"DROP TRIGGER IF EXISTS {layout.business}.{quote_identifier(trigger)}"


def counts(table: Table, alias: str) -> str:
    """SQL that is true for a row of the entity that travels."""
    # A key that is too long for our tables would be an error, and the cloud's writer would get it.
    conditions = [f"CHAR_LENGTH({table.key(alias)}) <= {KEY_LENGTH}", f"NOT {table.exclusion(alias)}"]
    if table.unsynced_ids:
        conditions.append(f"{alias}.{table.local_id} NOT IN ({', '.join(map(str, table.unsynced_ids))})")
    return " AND ".join(conditions)


def _record(layout: Layout, table: Table, *, key: str, op: str, changed: str = "''", old: str = "NULL") -> str:
    return (
        f"INSERT INTO {layout.own('dirty')} (entity, entity_key, op, changed, old_values, captured_at) "
        f"VALUES ({literal(table.entity.name)}, {key}, '{op}', {changed}, {old}, UTC_TIMESTAMP(6))"
    )


def announcement(layout: Layout, table: Table, *, field: str, condition: str) -> str:
    """A statement that records a change of a field of rows ``c``, as their trigger would."""
    return (
        f"INSERT INTO {layout.own('dirty')} (entity, entity_key, op, changed, captured_at) "
        f"SELECT {literal(table.entity.name)}, {table.key('c')}, 'U', {literal(field)}, UTC_TIMESTAMP(6) "
        f"FROM {table.sql} c WHERE {condition} AND {counts(table, 'c')}"
    )


def _insert(layout: Layout, table: Table) -> str:
    return f"IF {counts(table, 'NEW')} THEN {_record(layout, table, key=table.key('NEW'), op='I')}; END IF;"


def _update(layout: Layout, table: Table) -> str:
    """A key that changes is the end of one row and the beginning of another.

    Which fields differ is worked out once: comparing the columns is half of what the trigger costs a writer.
    """
    fields = ", ".join(f"IF({_is_same(field)}, NULL, {literal(field.name)})" for field in table.entity.fields)
    length = sum(len(field.name) + 1 for field in table.entity.fields)
    old_key, new_key = table.key("OLD"), table.key("NEW")
    delete = _record(layout, table, key=old_key, op="D", old=_old_values(layout, table, "OLD"))
    insert = _record(layout, table, key=new_key, op="I")
    update = _record(layout, table, key=new_key, op="U", changed="differing")
    return (
        f"BEGIN DECLARE differing VARCHAR({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
        f"DEFAULT CONCAT_WS(',', {fields}); "
        f"IF BINARY {old_key} <=> BINARY {new_key} THEN "
        f"IF differing <> '' AND {counts(table, 'NEW')} THEN {update}; END IF; "
        f"ELSE IF {counts(table, 'OLD')} THEN {delete}; END IF; IF {counts(table, 'NEW')} THEN {insert}; END IF; "
        "END IF; END;"
    )


def _delete(layout: Layout, table: Table) -> str:
    old = _record(layout, table, key=table.key("OLD"), op="D", old=_old_values(layout, table, "OLD"))
    return f"{_cascaded(layout, table.entity.table)} IF {counts(table, 'OLD')} THEN {old}; END IF;"


def _cascaded(layout: Layout, parent: str, *, rows: str = "= OLD.`id`", above: tuple[str, ...] = ()) -> str:
    """Record what deleting rows of ``parent`` does to its children, and theirs: no trigger of theirs sees it.

    ``rows`` is the comparison that a child's column passes; ``above`` are the tables on the way here.
    """
    recorded = ""
    for child in layout.tables.values():
        for cascade in child.entity.cascades:
            if cascade.parent_table != parent or child.entity.table in (parent, *above):
                continue
            deletes = cascade.action == "Delete"
            names = ",".join(field.name for field in child.entity.fields_of_columns([cascade.column]))
            condition = f"c.{quote_identifier(cascade.column)} {rows}"
            recorded += (
                f"INSERT INTO {layout.own('dirty')} (entity, entity_key, op, changed, old_values, captured_at) "
                f"SELECT {literal(child.entity.name)}, {child.key('c')}, {literal('D' if deletes else 'U')}, "
                f"{_names('' if deletes else names)}, {_old_values(layout, child, 'c') if deletes else 'NULL'}, "
                f"UTC_TIMESTAMP(6) FROM {child.sql} c WHERE {condition} AND {counts(child, 'c')}; "
            )
            if deletes:
                gone = f"IN (SELECT c.{child.local_id} FROM {child.sql} c WHERE {condition})"
                recorded += _cascaded(layout, child.entity.table, rows=gone, above=(parent, *above))
    return recorded


def _names(names: str) -> str:
    return "''" if not names else f"CONCAT_WS(',', {', '.join(map(literal, names.split(',')))})"


def _is_same(field: Field) -> str:
    columns = (quote_identifier(column.name) for column in field.columns)
    return " AND ".join(f"BINARY NEW.{column} <=> BINARY OLD.{column}" for column in columns)


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
                    f"(SELECT {parent.own_key('p')} FROM {parent.sql} p "
                    f"WHERE p.{parent.local_id} = {alias}.{quote_identifier(column.name)})"
                )
    return f"JSON_OBJECT({', '.join(members)})"


def _as_json(alias: str, column: Column) -> str:
    reference = f"{alias}.{quote_identifier(column.name)}"
    return reference if column.kind in ("int", "bool") else f"CAST({reference} AS CHAR CHARACTER SET utf8mb4)"
