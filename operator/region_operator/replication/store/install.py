"""Prepares a region's database: schema, triggers, users, versions of what is there; may be run any number of times.

Run by the prepare Job with the database's admin, never by the running agent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pymysql

from region_operator import naming
from region_operator.errors import InvalidInput
from region_operator.replication.catalog import CATALOG, Entity
from region_operator.replication.records import EntityFinding
from region_operator.replication.store import (
    capture,
    compatibility,
    drift,
    genesis,
    incarnations,
    left_out,
    preflight,
    schema,
    upgrade,
    users,
)
from region_operator.replication.store.connections import Address, Session, connect
from region_operator.replication.store.layout import Layout, find_well_known, layout, load_well_known


@dataclass(frozen=True)
class Installed:
    """What was prepared.

    Attributes:
        layout: for grants.
        genesis_rows: how many rows got their first version.
        previous_version: of the schema, before.
        findings: entities that are held back, and rows that stay here, with remedies.
    """

    layout: Layout
    genesis_rows: int
    previous_version: int | None
    findings: tuple[EntityFinding, ...] = ()


def install(
    admin: Address,
    *,
    region_id: int,
    mint: incarnations.Mint,
    catalog: Mapping[str, Entity] = CATALOG,
    definer: str = naming.DEFINER_ACCOUNT,
) -> Installed:
    """Make or complete everything the agent needs but its users.

    Raises:
        InvalidInput: the database cannot be captured (server, tables, columns, privileges); nothing was changed.
        Unavailable: the database does not answer.
    """
    session = connect(admin)
    try:
        return _install(session, admin, region_id=region_id, mint=mint, catalog=catalog, definer=definer)
    except (pymysql.OperationalError, pymysql.ProgrammingError) as error:
        if error.args[0] in _DENIED:
            raise InvalidInput(
                field="database.adminCredentials",
                problem=f"the admin user lacks a privilege ({error.args[1]})",
                remedy="grant it ALL PRIVILEGES ON *.* WITH GRANT OPTION, or leave it out: then the SQL is shown",
                reason="PrivilegeMissing",
            ) from error
        raise
    finally:
        session.close()


_DENIED = frozenset({1044, 1142, 1143, 1227, 1370, 1410, 1419})


def _install(
    session: Session,
    admin: Address,
    *,
    region_id: int,
    mint: incarnations.Mint,
    catalog: Mapping[str, Entity],
    definer: str,
) -> Installed:
    preflight.check(session)
    previous = _previous_version(session, admin)
    plain, compatible = _compatible(session, admin, catalog)
    known = load_well_known(session, admin.sync_schema) if previous is not None else {}
    whole = find_well_known(session, plain, known)
    compatible = compatible.with_more(compatibility.nameless(session, whole))
    for statement in schema.statements(business_schema=admin.business_schema, sync_schema=admin.sync_schema):
        session.execute(statement)
    _first_rows(session, whole, region_id=region_id, mint=mint, fresh=previous is None)
    _capture(session, whole, held=[catalog[name].table for name in sorted(compatible.held)], definer=definer)
    made = genesis.run(session, whole)
    if previous is not None:
        upgrade.run(session, whole, before=previous)
    drift.install_listing(session, whole, definer=users.definer(definer))
    session.execute(users.listing_grant(whole, users.definer(definer)))
    with session.transaction():
        before = drift.shapes(session, whole)
        new = compatibility.keep(session, whole, catalog.values(), compatible)
        drift.write_down(session, whole, before=before)
        # The last thing, so that a run that died half-way is finished by the next.
        session.execute(f"UPDATE {whole.own('lane')} SET schema_version = %s WHERE id = 1", (schema.SCHEMA_VERSION,))
        if previous is not None:
            left_out.remember(session, whole, new)  # the agent puts on its way again what peers have missed of them
    return Installed(whole, made, previous, compatible.findings)


def _previous_version(session: Session, admin: Address) -> int | None:
    """The version of the schema that is there; raises InvalidInput for one that we do not know yet."""
    previous = schema.installed_version(session, admin.sync_schema)
    if previous is not None and previous > schema.SCHEMA_VERSION:
        raise InvalidInput(
            field="region_sync.schema_version",
            problem=f"is {previous}, newer than {schema.SCHEMA_VERSION}",
            remedy="use a version of region-operator that is not older than the last one that prepared this database",
            reason="SchemaVersion",
        )
    return previous


def _compatible(
    session: Session, admin: Address, catalog: Mapping[str, Entity]
) -> tuple[Layout, compatibility.Compatibility]:
    """The layout without the entities that this database cannot exchange; raises InvalidInput if none is left."""
    business, sync = admin.business_schema, admin.sync_schema
    whole = layout(catalog.values(), business_schema=business, sync_schema=sync)
    found = compatibility.look(session, whole)
    if found.held == catalog.keys():
        first = found.findings[0]
        raise InvalidInput(
            field="database",
            problem=f"no entity can be exchanged; {first.entity}: {first.message}",
            remedy="name the schema of a cloud in spec.database",
            reason=first.reason,
        )
    entities = compatibility.with_present_cascades(session, whole)
    return layout(entities, business_schema=business, sync_schema=sync, held=found.held), found


def _capture(session: Session, whole: Layout, *, held: Iterable[str], definer: str) -> None:
    """Make the triggers that are not there exactly so, and take off the others of ours."""
    # Triggers on a table that has lost a column would stop the cloud's writers.
    for statement in capture.removal(whole, held):
        retrying(session, statement)
    other_parents = _present(session, whole, capture.foreign_parents(whole))
    users.grant(session, users.definer_statements(whole, other_parents=other_parents, name=definer))
    wanted, owner = capture.triggers(whole, other_parents=other_parents), users.definer(definer)
    for trigger in capture.missing(session, whole, wanted, definer=owner):
        retrying(session, trigger.ddl(whole.business, definer=owner))
    for statement in capture.outdated(session, whole, wanted, definer=owner):
        retrying(session, statement)


def _first_rows(session: Session, whole: Layout, *, region_id: int, mint: incarnations.Mint, fresh: bool) -> None:
    with session.transaction():
        session.execute(
            f"INSERT IGNORE INTO {whole.own('lane')} (id, region_id, schema_version) VALUES (1, %s, %s)",
            (region_id, schema.SCHEMA_VERSION),
        )
        row = session.one(f"SELECT region_id FROM {whole.own('lane')} WHERE id = 1 FOR UPDATE")
        if row is None or int(row[0]) != region_id:
            raise InvalidInput(
                field="region_id",
                problem=f"the database is that of region {row[0] if row else None}, not {region_id}",
                remedy="give the region a database of its own",
                reason="DatabaseOfAnotherRegion",
            )
        # A witness that came with a dump of another region says nothing about a schema that is new.
        how = "REPLACE" if fresh else "INSERT IGNORE"
        session.execute(f"{how} INTO {whole.business}.{schema.WITNESS_TABLE} (id, witness) VALUES (1, 0)")
        session.insert(
            f"INSERT IGNORE INTO {whole.own('well_known')} (entity, entity_key, local_id) VALUES (%s, %s, %s)",
            [(name, key, id_) for name, table in whole.tables.items() for key, id_ in table.well_known.items()],
        )
        if not incarnations.history(session, whole):
            incarnations.begin(session, whole, mint=mint, reason="Installed", restored=False)


def uninstall(admin: Address, *, catalog: Mapping[str, Entity] = CATALOG, drop_schema: bool) -> None:
    """Take the triggers off (``uncapture``), and with ``drop_schema`` everything else of ours."""
    session = connect(admin)
    try:
        plain = layout(catalog.values(), business_schema=admin.business_schema, sync_schema=admin.sync_schema)
        tables = [table.entity.table for table in plain.tables.values()]
        for statement in capture.removal(plain, [*tables, *capture.foreign_parents(plain)]):
            retrying(session, statement)
        if drop_schema:
            session.execute(f"DROP TABLE IF EXISTS {plain.business}.{schema.WITNESS_TABLE}")
            session.execute(f"DROP DATABASE IF EXISTS {plain.sync}")
    finally:
        session.close()


def _present(session: Session, whole: Layout, tables: Iterable[str]) -> list[str]:
    schema_name = whole.business.strip("`")
    found = session.select("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema_name,))
    return sorted(set(tables) & {str(row[0]) for row in found})


def retrying(session: Session, ddl: str, attempts: int = 30) -> None:
    """Run trigger DDL with a short wait for its lock: queued behind one open transaction it stalls every writer."""
    session.execute("SET SESSION lock_wait_timeout = 1")
    for attempt in range(1, attempts + 1):
        try:
            session.execute(ddl)
        except pymysql.OperationalError as error:
            if error.args[0] != 1205 or attempt == attempts:
                raise
        else:
            return
