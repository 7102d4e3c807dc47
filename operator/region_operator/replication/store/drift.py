"""Changes of synced tables that nobody announced: columns that came, went or changed, triggers that were dropped.

The running agent compares ``information_schema`` with what prepare wrote down, now and then; it repairs nothing, and
says what to do. It may not see triggers itself (who sees them may drop them): a function of their owner lists them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pymysql
from pymysql.constants import ER

from region_operator.replication.records import EntityFinding
from region_operator.replication.store import capture, compatibility, contents
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table

LISTING: Final = "capture_triggers"
"""Function of ``region_sync``: JSON of the names of all triggers on business tables and hashes of their text."""

_REPAIR: Final = "run prepare again"


def install_listing(session: Session, layout: Layout, *, definer: str) -> None:
    """Make the function by which agents see triggers, or replace one that is not exactly so.

    Replacing takes the right to call it from everybody, so it is done for a reason only; users get theirs anew by the
    same run of prepare. The comment names the text, which itself only a superuser may read.
    """
    body = (
        "READS SQL DATA SQL SECURITY DEFINER RETURN (SELECT JSON_OBJECTAGG(trigger_name, MD5(action_statement)) "
        f"FROM information_schema.triggers WHERE trigger_schema = '{layout.business.strip('`')}')"
    )
    made = f"{LISTING} {hashlib.md5(f'{definer} {body}'.encode(), usedforsecurity=False).hexdigest()}"
    present = session.one(
        "SELECT routine_comment, definer FROM information_schema.routines "
        "WHERE routine_schema = %s AND routine_name = %s",
        (layout.sync.strip("`"), LISTING),
    )
    if present != (made, definer.replace("'", "")):
        session.execute(
            f"CREATE OR REPLACE DEFINER={definer} FUNCTION {layout.own(LISTING)}() "
            f"RETURNS MEDIUMTEXT CHARSET utf8mb4 COMMENT '{made}' {body}"
        )


def write_down(session: Session, layout: Layout, *, before: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep how the tables look, for ``look``; run by prepare when all is in place. ``before``: what was kept so far."""
    columns, triggers = _columns(session, layout), _triggers(session, layout)
    for table in layout.tables.values():
        own = {name: triggers[name] for name in capture.names(layout, table) if name in triggers}
        hashed = {name: columns[table.entity.table].get(name) for name in table.entity.columns}
        shape = {"columns": columns[table.entity.table], "triggers": own, "hashed": hashed, "form": contents.FORM}
        was = before.get(table.entity.name, shape)
        if (was.get("hashed"), was.get("form")) != (hashed, contents.FORM):
            contents.forget(session, layout, table.entity.name)
        session.execute(
            f"UPDATE {layout.own('entity')} SET shape = %s WHERE name = %s",
            (json.dumps(shape), table.entity.name),
        )


def look(session: Session, layout: Layout) -> tuple[EntityFinding, ...]:
    """Compare the tables with what was written down; one finding for each entity that is not as it was."""
    before = shapes(session, layout)
    columns = _columns(session, layout)
    try:
        triggers = _triggers(session, layout)
    except pymysql.OperationalError as error:
        if error.args[0] != ER.PROCACCESS_DENIED_ERROR:
            raise
        told = f"this agent's user may not look for triggers; {_REPAIR}"
        return (EntityFinding(next(iter(layout.tables)), "TriggersUnseen", told, held_back=False),)
    found = []
    for name, table in layout.tables.items():
        if name in before:
            said = [
                *_missing_triggers(table, before[name]["triggers"], triggers),
                *_changed_columns(table, before[name]["columns"], columns.get(table.entity.table, {})),
            ]
            if said:
                message = "; ".join(message for _, message in said)
                found.append(EntityFinding(name, said[0][0], message, held_back=False))
    return tuple(found)


def shapes(session: Session, layout: Layout) -> dict[str, dict[str, Any]]:
    """How the tables looked when the region was prepared, by entity."""
    return {
        str(name): json.loads(shape)
        for name, shape in session.select(f"SELECT name, shape FROM {layout.own('entity')} WHERE shape IS NOT NULL")
    }


def _columns(session: Session, layout: Layout) -> dict[str, dict[str, str]]:
    return compatibility.columns_of(session, layout, [table.entity.table for table in layout.tables.values()])


def _triggers(session: Session, layout: Layout) -> dict[str, str]:
    row = session.one(f"SELECT {layout.own(LISTING)}()")
    return json.loads(row[0]) if row is not None and row[0] else {}


def _missing_triggers(table: Table, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    gone = sorted(name for name, text in before.items() if now.get(name) != text)
    if gone:
        told = f"triggers {', '.join(gone)} of table {table.entity.table} are gone or changed"
        yield "TriggersMissing", f"{told}: what is written is not captured; {_REPAIR}"


def _changed_columns(table: Table, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    name, needed = table.entity.table, {*table.entity.columns, *table.entity.own_columns}
    if not now:
        yield "TableMissing", f"table {name} is missing; bring it back, or {_REPAIR} to hold its entity back"
        return
    if lost := sorted(needed - now.keys()):
        told = f"table {name} has lost column {', '.join(lost)}, writers fail in its triggers; {_REPAIR} at once"
        yield "ColumnMissing", told
    changed = sorted(column for column in needed & now.keys() if before.get(column) != now[column])
    if changed:
        told = ", ".join(f"{column} is {now[column]} and was {before.get(column)}" for column in changed)
        yield "ColumnChanged", f"table {name}: {told}; {_REPAIR} when the cloud's upgrade is done"
    if added := sorted(now.keys() - before.keys()):
        told = f"table {name} has new columns, which stay in this region: {', '.join(added)}"
        yield "ColumnAdded", f"{told}; {_REPAIR} to take note"
