"""Rows that another row has adopted: which one stands for a key, and how a region exchanges the one for the other.

An adopted row is an alias for ever and in every region, whatever its policy. Its state goes on to be kept under its own
key; its values are joined into the adopter's as concurrent ones. Where it is visible, its row takes the adopter's key:
the local id stays, and with it everything that refers to it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Field
from region_operator.replication.feed import RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.identity import final_key
from region_operator.replication.store import fold, rows
from region_operator.replication.store.connections import Session
from region_operator.replication.store.fold import Locked
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import BusinessRow


class Busy(Exception):
    """Somebody writes rows that refer to the adopted one, or what was written is not versioned yet; try again."""


@dataclass(frozen=True)
class Child:
    """A row that refers to an alias, by ``field``."""

    table: Table
    field: Field
    row: RowKey
    local_id: int


class Aliases:
    """Aliases as a transaction sees them."""

    def __init__(self, session: Session, layout: Layout) -> None:
        self._session, self._layout = session, layout

    def known(self, keys: Collection[RowKey]) -> dict[RowKey, str]:
        """Those of these rows that are aliases, with the keys of their adopters."""
        if not keys or self._session.one(f"SELECT 1 FROM {self._layout.own('alias')} LIMIT 1") is None:
            return {}
        found: dict[RowKey, str] = {}
        for entity, names in rows.by_entity(keys).items():
            for piece in rows.chunks(names):
                for key, adopter in self._session.select(
                    f"SELECT entity_key, adopter FROM {self._layout.own('alias')} "
                    f"WHERE entity = %s AND entity_key IN ({rows.marks(piece)})",
                    (entity, *piece),
                ):
                    found[RowKey(entity, str(key))] = str(adopter)
        return found

    def final(self, row: RowKey) -> RowKey:
        """The row that stands for ``row``; itself, if nobody adopted it."""
        return RowKey(row.entity, final_key(row.key, alias_of=lambda key: self._adopter(row.entity, key)))

    def way(self, row: RowKey, adopter: str) -> list[RowKey]:
        """All rows from the adopter of ``row`` to the one that stands for it."""
        found: list[RowKey] = []
        key: str | None = adopter
        while key is not None and key != row.key and RowKey(row.entity, key) not in found:
            found.append(RowKey(row.entity, key))
            key = self._adopter(row.entity, key)
        return found

    def note(self, row: RowKey, adopter: str) -> bool:
        """Remember an alias; True if it is news."""
        changed = self._session.execute(
            f"INSERT INTO {self._layout.own('alias')} (entity, entity_key, adopter) VALUES (%s, %s, %s) "
            "ON DUPLICATE KEY UPDATE adopter = VALUES(adopter)",
            (row.entity, row.key, adopter),
        )
        return changed > 0

    def take_over(self, row: RowKey, adopter: RowKey, locked: Locked) -> list[Child]:
        """Give the visible row of an alias to its adopter; raises Busy, then nothing was changed.

        Returns the rows that were named after the alias, which have other names now.
        """
        current = locked.business.get(row)
        if current is None:
            return []
        children = list(self._children(row.entity, current.local_id))
        self._pin([child.row for child in children])
        standing = locked.business.get(adopter)
        table = self._layout.tables[row.entity]
        if standing is None:
            self._rename(table, current, adopter.key)
            locked.business[adopter] = replace(current, key=adopter.key)
        else:
            for child in children:
                self._lead(child.table, child.field, old=current.local_id, new=standing.local_id)
            self._retire(table, current)
        del locked.business[row]
        return [child for child in children if child.field.name in child.table.entity.key_fields]

    def _adopter(self, entity: str, key: str) -> str | None:
        row = self._session.one(
            f"SELECT adopter FROM {self._layout.own('alias')} WHERE entity = %s AND entity_key = %s", (entity, key)
        )
        return str(row[0]) if row is not None else None

    def _children(self, entity: str, local_id: int) -> Iterator[Child]:
        for table, field in self._layout.children(entity):
            ids = self._session.select(
                f"SELECT {table.local_id} FROM {table.sql} WHERE {quote_identifier(field.name)} = %s", (local_id,)
            )
            for found in rows.read(self._session, self._layout, table, [int(row[0]) for row in ids]).values():
                yield Child(table, field, RowKey(table.entity.name, found.key), found.local_id)

    def _pin(self, children: list[RowKey]) -> None:
        """Keep values with the states of rows: these name the alias, and what they refer to will name the adopter."""
        keys = list(dict.fromkeys(children))
        locked = fold.lock(self._session, self._layout, keys)
        if locked.busy or fold.captured_keys(self._session, self._layout, keys):
            raise Busy
        for row, version in locked.versions.items():
            state = version.state(self._layout, locked.business.get(row)) if not version.complete else None
            if state is not None:
                self._session.execute(
                    f"UPDATE {self._layout.own('row_version')} SET complete = 1, state = %s "
                    "WHERE entity = %s AND entity_key = %s",
                    (codec.encode(state), row.entity, row.key),
                )

    def _rename(self, table: Table, current: BusinessRow, key: str | None) -> None:
        self._session.execute(
            f"UPDATE {table.sql} SET {table.key_column} = %s WHERE {table.local_id} = %s", (key, current.local_id)
        )

    def _lead(self, table: Table, field: Field, *, old: int, new: int) -> None:
        """Let rows refer to the adopter, which is here beside its alias."""
        column = quote_identifier(field.name)
        self._session.execute(f"UPDATE {table.sql} SET {column} = %s WHERE {column} = %s", (new, old))

    def _retire(self, table: Table, current: BusinessRow) -> None:
        """Both rows are here, so one goes; tables that do not travel may refer to it, so it stays, removed."""
        self._rename(table, current, None)
        if table.entity.removed is not None:
            self._session.execute(
                f"UPDATE {table.sql} SET {quote_identifier(table.entity.removed)} = UTC_TIMESTAMP() "
                f"WHERE {table.local_id} = %s",
                (current.local_id,),
            )
