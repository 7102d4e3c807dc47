"""Columns of a tree (domains): path, depth and numbers of children follow from parent and name, never copied."""

from collections.abc import Collection

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Tree
from region_operator.replication.store.connections import Session
from region_operator.replication.store.layout import Table
from region_operator.replication.store.rows import chunks, marks

MAX_DEPTH = 1000


def columns_of_new(session: Session, table: Table, tree: Tree, *, parent: int | None, name: str) -> dict[str, object]:
    """Path and level of a row that is about to be inserted."""
    path, level = _place(session, table, tree, parent)
    return {tree.path: f"{path}{name}{tree.separator}", tree.level: level}


def ancestors(session: Session, table: Table, tree: Tree, local_id: int) -> list[int]:
    """The way from a row to the root, itself first; ends at a row seen before."""
    way: list[int] = []
    current: int | None = local_id
    while current is not None and current not in way and len(way) < MAX_DEPTH:
        way.append(current)
        current = parent_of(session, table, tree, current)
    return way


def parent_of(session: Session, table: Table, tree: Tree, local_id: int) -> int | None:
    row = session.one(
        f"SELECT {quote_identifier(tree.parent)} FROM {table.sql} WHERE {table.local_id} = %s", (local_id,)
    )
    return int(row[0]) if row is not None and row[0] is not None else None


def refresh(session: Session, table: Table, tree: Tree, *, moved: Collection[int], parents: Collection[int]) -> None:
    """Recompute the paths of ``moved`` rows and all below them, and the children counts of ``parents``."""
    # From the top: a path follows from the path above it.
    for local_id in sorted(moved, key=lambda moved_id: len(ancestors(session, table, tree, moved_id))):
        _refresh_below(session, table, tree, local_id)
    for piece in chunks(sorted(parents)):
        _refresh_counts(session, table, tree, piece)


def _refresh_below(session: Session, table: Table, tree: Tree, local_id: int) -> None:
    seen: set[int] = set()
    level = [local_id]
    while level:
        seen.update(level)
        below: list[int] = []
        for piece in chunks(level):
            _refresh_paths(session, table, tree, piece)
            below += _children(session, table, tree, piece)
        level = [child for child in below if child not in seen]


def _place(session: Session, table: Table, tree: Tree, parent: int | None) -> tuple[str, int]:
    if parent is None:
        return tree.separator, 0
    row = session.one(
        f"SELECT {quote_identifier(tree.path)}, {quote_identifier(tree.level)} FROM {table.sql} "
        f"WHERE {table.local_id} = %s",
        (parent,),
    )
    return (str(row[0]), int(row[1]) + 1) if row is not None else (tree.separator, 1)


def _refresh_paths(session: Session, table: Table, tree: Tree, ids: list[int]) -> None:
    """Paths of rows whose parents' paths are right; the root keeps its own."""
    path, level, parent = (quote_identifier(name) for name in (tree.path, tree.level, tree.parent))
    for local_id, right, depth in session.select(
        f"SELECT c.{table.local_id}, CONCAT(p.{path}, c.{quote_identifier(tree.name)}, %s), p.{level} + 1 "
        f"FROM {table.sql} c JOIN {table.sql} p ON p.{table.local_id} = c.{parent} "
        f"WHERE c.{table.local_id} IN ({marks(ids)}) AND NOT (BINARY c.{path} <=> "
        f"BINARY CONCAT(p.{path}, c.{quote_identifier(tree.name)}, %s) AND c.{level} = p.{level} + 1)",
        (tree.separator, *ids, tree.separator),
    ):
        session.execute(
            f"UPDATE {table.sql} SET {path} = %s, {level} = %s WHERE {table.local_id} = %s", (right, depth, local_id)
        )


def _children(session: Session, table: Table, tree: Tree, ids: list[int]) -> list[int]:
    return [
        int(row[0])
        for row in session.select(
            f"SELECT {table.local_id} FROM {table.sql} WHERE {quote_identifier(tree.parent)} IN ({marks(ids)})", ids
        )
    ]


def _refresh_counts(session: Session, table: Table, tree: Tree, ids: list[int]) -> None:
    """Children that are alive; the sequence of children is never below their number and never falls."""
    count, sequence = quote_identifier(tree.child_count), quote_identifier(tree.next_child_sequence)
    removed = f"AND c.{quote_identifier(table.entity.removed)} IS NULL" if table.entity.removed else ""
    for local_id, children in session.select(
        f"SELECT p.{table.local_id}, COUNT(c.{table.local_id}) FROM {table.sql} p LEFT JOIN {table.sql} c "
        f"ON c.{quote_identifier(tree.parent)} = p.{table.local_id} {removed} "
        f"WHERE p.{table.local_id} IN ({marks(ids)}) GROUP BY p.{table.local_id}",
        ids,
    ):
        session.execute(
            f"UPDATE {table.sql} SET {count} = %s, {sequence} = GREATEST({sequence}, %s) "
            f"WHERE {table.local_id} = %s AND NOT ({count} <=> %s)",
            (children, int(children) + 1, local_id, children),
        )
