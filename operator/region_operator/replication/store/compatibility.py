"""Which entities this database can exchange: one that it cannot is held back alone, with the reason and the remedy.

Found by ``agent prepare``, which may look at everything; kept in ``region_sync.entity`` for the agent, which tells it
to operators. The rest goes on. Rows without a key stay in their region: nobody guesses one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Entity
from region_operator.replication.records import EntityFinding
from region_operator.replication.store import schema
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Layout, Table

SOME: Final = 10
"""Local ids that a message names."""

MESSAGE_LENGTH: Final = 1000


@dataclass(frozen=True)
class Compatibility:
    """What was found; ``held`` are the names of the entities that are not exchanged."""

    findings: tuple[EntityFinding, ...]

    @property
    def held(self) -> frozenset[str]:
        return frozenset(finding.entity for finding in self.findings if finding.held_back)

    def with_more(self, findings: Iterable[EntityFinding]) -> "Compatibility":
        return replace(self, findings=(*self.findings, *findings))


def look(session: Session, plain: Layout) -> Compatibility:
    """Compare the tables that are there with the catalog."""
    present = columns_of(session, plain, [table.entity.table for table in plain.tables.values()])
    findings = list(_unlike(plain.tables.values(), present))
    held = {finding.entity for finding in findings}
    findings += _orphans([table.entity for table in plain.tables.values()], held)
    return Compatibility(tuple(findings))


def nameless(session: Session, layout: Layout) -> tuple[EntityFinding, ...]:
    """Rows that stay because of their keys: one finding for each entity that has such."""
    found = []
    for name, table in layout.tables.items():
        if said := list(_nameless(session, table)):
            message = "; ".join(message for _, message in said)
            found.append(EntityFinding(name, said[0][0], message, held_back=False))
    return tuple(found)


def with_present_cascades(session: Session, plain: Layout) -> list[Entity]:
    """The entities with those foreign keys only whose columns are there: no trigger may speak of another."""
    present = columns_of(session, plain, [table.entity.table for table in plain.tables.values()])
    return [
        replace(entity, cascades=tuple(one for one in entity.cascades if one.column in present.get(entity.table, {})))
        for entity in (table.entity for table in plain.tables.values())
    ]


def columns_of(session: Session, layout: Layout, tables: Sequence[str]) -> dict[str, dict[str, str]]:
    """Columns of tables and their types; tables that are not there, or that we may not see, are left out."""
    found: dict[str, dict[str, str]] = {}
    places = ", ".join(["%s"] * len(tables))
    for table, column, kind, collation in session.select(
        "SELECT table_name, column_name, column_type, collation_name FROM information_schema.columns "
        f"WHERE table_schema = %s AND table_name IN ({places})",
        (layout.business.strip("`"), *tables),
    ):
        found.setdefault(str(table), {})[str(column)] = f"{kind} {collation}" if collation else str(kind)
    return found


def keep(session: Session, layout: Layout, entities: Iterable[Entity], compatibility: Compatibility) -> frozenset[str]:
    """Write down what was found; returns the entities that are exchanged now and were not before."""
    before = exchanged(session, layout)
    told = {finding.entity: finding for finding in compatibility.findings}
    good = EntityFinding("", "", "", held_back=False)
    found = [(entity.name, told.get(entity.name, good)) for entity in entities]
    session.execute(f"DELETE FROM {layout.own('entity')}")
    session.insert(
        f"INSERT INTO {layout.own('entity')} (name, held_back, reason, message) VALUES (%s, %s, %s, %s)",
        [(name, finding.held_back, finding.reason, finding.message[:MESSAGE_LENGTH]) for name, finding in found],
    )
    return exchanged(session, layout) - before


def exchanged(session: Session, layout: Layout) -> frozenset[str]:
    return frozenset(
        str(row[0]) for row in session.select(f"SELECT name FROM {layout.own('entity')} WHERE NOT held_back")
    )


def load(session: Session, sync_schema: str) -> Compatibility:
    """What the last run of prepare has found."""
    found = session.select(
        f"SELECT name, held_back, reason, message FROM {quote_identifier(sync_schema)}.entity WHERE reason <> ''"
    )
    return Compatibility(
        tuple(EntityFinding(str(name), str(reason), str(message), bool(held)) for name, held, reason, message in found)
    )


def _unlike(tables: Iterable[Table], present: Mapping[str, Mapping[str, str]]) -> Iterator[EntityFinding]:
    for table in tables:
        entity = table.entity
        if entity.table not in present:
            told = f"table {entity.table} is missing; name the cloud's schema, or upgrade the cloud, and prepare again"
            yield EntityFinding(entity.name, "TableMissing", told)
        elif absent := sorted({*entity.columns, *entity.own_columns} - present[entity.table].keys()):
            told = f"table {entity.table} has no column {', '.join(absent)}; upgrade the cloud and prepare again"
            yield EntityFinding(entity.name, "ColumnMissing", told)


def _orphans(entities: Sequence[Entity], held: set[str]) -> list[EntityFinding]:
    """Entities that refer to one that is held back, directly or not; they are added to ``held``."""
    found: list[EntityFinding] = []
    todo = list(entities)
    while todo:
        entity = todo.pop(0)
        targets = {*entity.references.values(), *entity.deferred_references.values()} & held
        if entity.name not in held and targets:
            held.add(entity.name)
            told = f"refers to {', '.join(sorted(targets))}, which is held back"
            found.append(EntityFinding(entity.name, "ReferenceHeldBack", told))
            todo = list(entities)
    return found


def _nameless(session: Session, table: Table) -> Iterator[tuple[str, str]]:
    """Why rows of a table cannot travel, with a message: they have no key, or one that is too long for us."""
    column, length = table.entity.key_column, f"CHAR_LENGTH({table.key('t')}) > {schema.KEY_LENGTH}"
    if column is None:
        names = " and ".join(table.entity.key_fields)
        cases = [
            (length, "KeyTooLong", f"{names} make a key of more than {schema.KEY_LENGTH} characters", "shorten them")
        ]
    else:
        key = quote_identifier(column)
        given = "UPDATE the rows with a uuid each, the same in every region that has the row"
        shorter = f"give them keys of at most {schema.KEY_LENGTH} characters"
        cases = [
            (f"t.{key} IS NULL", "KeyMissing", f"{column} is NULL", given),
            (length, "KeyTooLong", f"{column} is too long", shorter),
        ]
    for condition, reason, problem, remedy in cases:
        rows = f"FROM {table.sql} t WHERE {condition} AND NOT {table.exclusion('t')}"
        row = session.one(f"SELECT COUNT(*) {rows}")
        if row is None or not row[0]:
            continue
        ids = session.select(f"SELECT t.{table.local_id} {rows} ORDER BY t.{table.local_id} LIMIT {SOME}")
        some = ", ".join(str(one[0]) for one in ids) + (", ..." if int(row[0]) > SOME else "")
        told = f"{row[0]} rows of table {table.entity.table} stay in this region, their {problem} (id {some}); {remedy}"
        yield reason, f"{told}, and prepare again"
