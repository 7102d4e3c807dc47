"""Domains that were moved under each other in two regions: the youngest edge of a circle is shown elsewhere.

Every region that holds the same states breaks the same edge, and none writes a path that has no end.
"""

from collections.abc import Mapping
from functools import partial

from region_operator.replication.catalog import Tree
from region_operator.replication.feed import RowKey
from region_operator.replication.model.projection import project
from region_operator.replication.model.rules import EntityRuleSet, winner
from region_operator.replication.model.state import RowState
from region_operator.replication.model.topology import Edge, break_cycles
from region_operator.replication.store import rows, tree, versions
from region_operator.replication.store.aliases import Aliases
from region_operator.replication.store.business import BusinessTables, Target
from region_operator.replication.store.connections import Session
from region_operator.replication.store.fold import Locked
from region_operator.replication.store.layout import Layout, Table


def below_themselves(session: Session, layout: Layout, locked: Locked) -> list[RowKey]:
    """Rows that people have moved below themselves: neither they nor the applier saw the other's move in time."""

    def is_below_itself(row: RowKey) -> bool:
        table, business = layout.tables[row.entity], locked.business.get(row)
        if table.entity.tree is None or business is None:
            return False
        return _is_below_itself(session, table, table.entity.tree, business.local_id)

    return [row for row in locked.folded if is_below_itself(row)]


class Circles:
    """Finds and breaks circles before any of their rows is written."""

    def __init__(
        self, session: Session, layout: Layout, rules: Mapping[str, EntityRuleSet], business: BusinessTables
    ) -> None:
        self._session, self._layout, self._rules, self._business = session, layout, rules, business
        self._aliases = Aliases(session, layout)

    def parent_field(self, entity: str) -> str:
        definition = self._layout.tables[entity].entity.tree
        assert definition is not None
        return definition.parent

    def find(self, targets: list[Target], states: Mapping[str, RowState]) -> list[tuple[Target, RowState]]:
        """Set ``parent_override`` on rows that must be shown elsewhere and return them, also beyond ``targets``."""
        if not targets:
            return []
        table = self._layout.tables[targets[0].row.entity]
        definition = table.entity.tree
        if definition is None or not any(self._closes(table, definition, targets, target) for target in targets):
            return []
        root = next(key for key, local_id in table.well_known.items() if self._is_root(table, definition, local_id))
        known = {target.row.key: (target, states[target.row.key]) for target in targets if target.row.key in states}
        edges = self._edges(table, definition, known, root=root)
        moved = break_cycles(edges, root=root)
        for key, parent in moved.items():
            known[key][0].parent_override = parent
        return [known[key] for key in moved]

    def _closes(self, table: Table, definition: Tree, targets: list[Target], target: Target) -> bool:
        """Tell whether a row would come to lie below itself, now or once the other targets are written."""
        parent = target.projection.values.get(definition.parent)
        is_moving = self._is_moving(definition, target)
        if parent is None or (target.current is None and not target.projection.alive):
            return False
        if target.current is not None and not is_moving:
            return _is_below_itself(self._session, table, definition, target.current.local_id)
        if is_moving and any(
            self._is_moving(definition, one) or one.current is None for one in targets if one != target
        ):
            return True  # let the edges say
        local_id = self._business.local_id(RowKey(table.entity.name, str(parent)))
        if local_id is None:
            return True  # the parent is new too, or a removed one that is inserted for this row
        return target.current is not None and target.current.local_id in tree.ancestors(
            self._session, table, definition, local_id
        )

    def _is_moving(self, definition: Tree, target: Target) -> bool:
        parent = target.projection.values.get(definition.parent)
        return target.current is not None and parent not in (None, target.current.columns[definition.parent])

    def _edges(
        self, table: Table, definition: Tree, known: dict[str, tuple[Target, RowState]], *, root: str
    ) -> dict[str, Edge]:
        """The edges of ``known`` rows and of all above them, now or by a move that lost; these are added to it."""
        rules = self._rules[table.entity.name]
        edges: dict[str, Edge] = {}
        todo = list(known)
        while todo:
            key = todo.pop()
            if key in edges or key == root or (key not in known and not self._load(table, key, known)):
                continue
            register = known[key][1].registers[definition.parent]
            shown = winner(register, rule=rules.fields[definition.parent], rules=rules).dot
            edge = edges[key] = Edge.of(register, shown=shown, stands_for=partial(self._adopter, table.entity.name))
            todo += [parent for parent in (edge.parent, *edge.previous) if parent is not None]
        return edges

    def _adopter(self, entity: str, key: str) -> str:
        return self._aliases.final(RowKey(entity, key)).key

    def _load(self, table: Table, key: str, known: dict[str, tuple[Target, RowState]]) -> bool:
        row = RowKey(table.entity.name, key)
        current = rows.read_keys(self._session, self._layout, [row]).get(row)
        version = versions.load(self._session, self._layout, [row]).get(row)
        state = version.state(self._layout, current) if version is not None else None
        if state is None:
            return False
        known[key] = (Target(row, project(state, rules=self._rules[table.entity.name]), current), state)
        return True

    def _is_root(self, table: Table, definition: Tree, local_id: int) -> bool:
        row = self._session.one(
            f"SELECT `{definition.parent}` FROM {table.sql} WHERE {table.local_id} = %s", (local_id,)
        )
        return row is not None and row[0] is None


def _is_below_itself(session: Session, table: Table, definition: Tree, local_id: int) -> bool:
    parent = tree.parent_of(session, table, definition, local_id)
    return parent is not None and local_id in tree.ancestors(session, table, definition, parent)
