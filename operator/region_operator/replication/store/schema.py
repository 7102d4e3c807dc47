"""The schema ``region_sync``: what the engine keeps in the region's own database, in the same transactions as the data.

lane           one row: whose database this is, the fencing token, the last lsn; its lock is the write lane
incarnation    the history of incarnations: each with the first lsn it gave
server_run     in memory: empty after a restart of the database server
dirty          what the triggers captured and no fold has versioned yet
row_version    per row its state; the values too where the business row cannot hold them (`complete`)
alias          rows that another row has adopted
left_out       entities that the policy leaves out, until what was missed is on its way again
link_cursor    how far each peer has been applied
parked         rows that are stored, but not visible yet, and why
conflict       concurrent values and clashes of names, for people
entity         which entities are exchanged here, what is the matter with the others, and how the tables looked
well_known     rows that are the same in every region by what they are, not by uuid
configuration  what the operator told the agent;  claim: whose region it is;  audit: what people decided
scan           full scans that are coordinated here;  scan_lease: which one may look at this region now
"""

from typing import Final

from region_operator.naming import quote_identifier
from region_operator.replication.store.connections import Session

SCHEMA_VERSION: Final = 3

KEY_LENGTH: Final = 128
"""Characters of a key: CloudStack's uuids have at most 40; natural keys join two of them."""

WITNESS_TABLE: Final = "region_sync_witness"
"""In the business schema: shows when one of the two schemas was restored without the other (ENGINE 14)."""

_BINARY: Final = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_ROW: Final = f"entity VARCHAR(32) {_BINARY} NOT NULL, entity_key VARCHAR({KEY_LENGTH}) {_BINARY} NOT NULL"

_NAMES_HASH: Final = (
    "names_hash BIGINT UNSIGNED AS (IF(complete, NULL, CAST(CONV(LEFT(MD5(state), 16), 16, 10) AS UNSIGNED))) STORED"
)
"""What full scans compare, kept because they read it of every row: to hash costs five times what reading does."""

_TABLES: Final = {
    "lane": """
        id TINYINT NOT NULL PRIMARY KEY,
        region_id INT UNSIGNED NOT NULL,
        schema_version INT UNSIGNED NOT NULL,
        fencing_token BIGINT UNSIGNED NOT NULL DEFAULT 0,
        last_lsn BIGINT UNSIGNED NOT NULL DEFAULT 0,
        witness BIGINT UNSIGNED NOT NULL DEFAULT 0,
        server_identity VARCHAR(255) NOT NULL DEFAULT '',
        history_intact VARCHAR(32) NOT NULL DEFAULT 'Continuous',
        rules_hash CHAR(32) NOT NULL DEFAULT ''""",
    "incarnation": """
        name CHAR(16) NOT NULL PRIMARY KEY,
        number INT UNSIGNED NOT NULL UNIQUE,
        first_lsn BIGINT UNSIGNED NOT NULL,
        reason VARCHAR(64) NOT NULL,
        minted_at DATETIME(6) NOT NULL""",
    "server_run": "name CHAR(16) NOT NULL PRIMARY KEY",
    "dirty": f"""
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        {_ROW},
        op CHAR(1) NOT NULL COMMENT 'I, U or D',
        changed TEXT NOT NULL COMMENT 'names of the fields that differ; empty unless U',
        old_values MEDIUMTEXT NULL COMMENT 'JSON of the row that went, only for D',
        captured_at DATETIME(6) NOT NULL,
        KEY i_dirty__row (entity, entity_key)""",
    "row_version": f"""
        {_ROW},
        lsn BIGINT UNSIGNED NULL,
        complete TINYINT NOT NULL DEFAULT 0 COMMENT '0: the values are those of the business row',
        state MEDIUMTEXT NULL,
        alive TINYINT NOT NULL DEFAULT 1,
        changed_at DATETIME(6) NOT NULL,
        from_region INT UNSIGNED NULL,
        from_incarnation CHAR(16) NULL,
        from_lsn BIGINT UNSIGNED NULL,
        content_hash BIGINT UNSIGNED NULL COMMENT 'of the business row as it was then; NULL: not known',
        {_NAMES_HASH},
        PRIMARY KEY (entity, entity_key),
        UNIQUE KEY i_row_version__lsn (lsn)""",
    "alias": f"""
        {_ROW},
        adopter VARCHAR({KEY_LENGTH}) {_BINARY} NOT NULL,
        PRIMARY KEY (entity, entity_key)""",
    "left_out": f"entity VARCHAR(32) {_BINARY} NOT NULL PRIMARY KEY, since DATETIME(6) NOT NULL",
    "link_cursor": """
        source INT UNSIGNED NOT NULL PRIMARY KEY,
        incarnation CHAR(16) NOT NULL,
        lsn BIGINT UNSIGNED NOT NULL,
        history TEXT NOT NULL,
        moved_at DATETIME(6) NOT NULL""",
    "parked": f"""
        {_ROW},
        source INT UNSIGNED NOT NULL,
        reason VARCHAR(64) NOT NULL,
        message VARCHAR(1000) NOT NULL,
        payload MEDIUMTEXT NULL COMMENT 'the state as received, where it could not be joined',
        waits_entity VARCHAR(32) {_BINARY} NULL,
        waits_key VARCHAR({KEY_LENGTH}) {_BINARY} NULL,
        attempts INT UNSIGNED NOT NULL DEFAULT 0,
        parked_at DATETIME(6) NOT NULL,
        next_try DATETIME(6) NOT NULL,
        state VARCHAR(16) NOT NULL DEFAULT 'Parked' COMMENT 'Parked, Dead or Skipped',
        PRIMARY KEY (entity, entity_key, source),
        KEY i_parked__next_try (state, next_try),
        KEY i_parked__waits (waits_entity, waits_key)""",
    "conflict": f"""
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        {_ROW},
        field VARCHAR(64) NOT NULL,
        kind VARCHAR(16) NOT NULL,
        rule VARCHAR(32) NOT NULL,
        fingerprint CHAR(32) NOT NULL COMMENT 'of the dots: one conflict is recorded once',
        record MEDIUMTEXT NOT NULL COMMENT 'JSON, secrets redacted',
        state VARCHAR(16) NOT NULL COMMENT 'Open, Settled or Closed',
        source INT UNSIGNED NOT NULL,
        opened_at DATETIME(6) NOT NULL,
        closed_at DATETIME(6) NULL,
        UNIQUE KEY i_conflict__fingerprint (entity, entity_key, field, fingerprint),
        KEY i_conflict__state (state, kind)""",
    "entity": f"""
        name VARCHAR(32) {_BINARY} NOT NULL PRIMARY KEY,
        held_back TINYINT NOT NULL,
        reason VARCHAR(64) NOT NULL,
        message VARCHAR(1000) NOT NULL,
        shape MEDIUMTEXT NULL COMMENT 'JSON of columns and triggers as they were when the region was prepared'""",
    "well_known": f"""
        {_ROW},
        local_id BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (entity, entity_key),
        UNIQUE KEY i_well_known__local (entity, local_id)""",
    "configuration": """
        id TINYINT NOT NULL PRIMARY KEY,
        document MEDIUMTEXT NOT NULL,
        etag VARCHAR(80) NOT NULL,
        stored_at DATETIME(6) NOT NULL""",
    "claim": """
        id TINYINT NOT NULL PRIMARY KEY,
        hub VARCHAR(64) NOT NULL,
        region VARCHAR(320) NOT NULL,
        epoch BIGINT NOT NULL""",
    "audit": """
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        at DATETIME(6) NOT NULL,
        action VARCHAR(32) NOT NULL,
        subject VARCHAR(255) NOT NULL,
        decided_by VARCHAR(255) NOT NULL,
        reason VARCHAR(1000) NOT NULL""",
    "scan": """
        id CHAR(36) NOT NULL PRIMARY KEY,
        peering_uid VARCHAR(64) NOT NULL,
        state VARCHAR(16) NOT NULL,
        result VARCHAR(16) NULL,
        terms MEDIUMTEXT NOT NULL COMMENT 'JSON, as granted',
        report MEDIUMTEXT NOT NULL COMMENT 'JSON, as told to operators',
        position MEDIUMTEXT NULL COMMENT 'JSON, where the next chunk begins; NULL at the start'""",
    "scan_lease": """
        id TINYINT NOT NULL PRIMARY KEY,
        holder VARCHAR(128) NOT NULL DEFAULT '',
        fencing_number BIGINT UNSIGNED NOT NULL DEFAULT 0,
        expires_at DATETIME(6) NOT NULL""",
}
_LATER: Final = {
    "row_version": "ADD COLUMN IF NOT EXISTS content_hash BIGINT UNSIGNED NULL AFTER from_lsn, "
    f"ADD COLUMN IF NOT EXISTS {_NAMES_HASH} AFTER content_hash"
}
"""What tables of earlier versions lack and first versions of rows are written to (the others: ``upgrade``)."""

_IN_MEMORY: Final = frozenset({"server_run"})


def statements(*, business_schema: str, sync_schema: str) -> list[str]:
    """Everything that makes the schema and the witness, in order; each may be run again."""
    sync, business = quote_identifier(sync_schema), quote_identifier(business_schema)
    made = [f"CREATE DATABASE IF NOT EXISTS {sync} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]
    for table, definition in _TABLES.items():
        engine = "MEMORY" if table in _IN_MEMORY else "InnoDB"
        made.append(
            f"CREATE TABLE IF NOT EXISTS {sync}.{quote_identifier(table)} ({definition}) "
            f"ENGINE={engine} DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        )
    made += [f"ALTER TABLE {sync}.{quote_identifier(table)} {change}" for table, change in _LATER.items()]
    made.append(
        f"CREATE TABLE IF NOT EXISTS {business}.{WITNESS_TABLE} "
        "(id TINYINT NOT NULL PRIMARY KEY, witness BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB"
    )
    return made


def installed_version(session: Session, sync_schema: str) -> int | None:
    """The version of the schema that is there; None when there is none."""
    found = session.one(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'lane'", (sync_schema,)
    )
    if found is None:
        return None
    row = session.one(f"SELECT schema_version FROM {quote_identifier(sync_schema)}.lane WHERE id = 1")
    return int(row[0]) if row else None
