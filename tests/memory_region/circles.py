"""Trees that people in several regions have moved into circles: the youngest edge is shown elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from memory_region.database import Database
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import RowKey
from region_operator.replication.model import Edge, EntityRuleSet, Projection, RowState, break_cycles, project
from region_operator.replication.model.rules import winner


@dataclass
class Target:
    """A row to be made visible; ``parent_override`` breaks a circle, ``insert_dead``: a child needs the row."""

    row: RowKey
    state: RowState
    projection: Projection
    insert_dead: bool = False
    parent_override: str | None = None


class Circles:
    """Finds the rows of a transaction that have to be shown elsewhere."""

    def __init__(
        self, draft: Database, rules: Mapping[str, EntityRuleSet], state_of: Callable[[RowKey], RowState | None]
    ) -> None:
        self._draft, self._rules, self._state_of = draft, rules, state_of

    def find(self, entity: Entity, targets: list[Target]) -> list[Target]:
        """Set ``parent_override`` on rows that must be shown elsewhere and return them, also beyond ``targets``."""
        if entity.tree is None:
            return []
        if not any(self._closes(entity, targets, target) for target in targets):
            return []
        root = next(row.key for row in entity.well_known if row.match.get(entity.tree.parent, "") is None)
        known = {target.row.key: target for target in targets}
        moved = break_cycles(self._edges(entity, known, root=root), root=root)
        for key, parent in moved.items():
            known[key].parent_override = parent
        return [known[key] for key in moved]

    def _closes(self, entity: Entity, targets: list[Target], target: Target) -> bool:
        """Tell whether a row would come to lie below itself, now or once the other targets are written."""
        assert entity.tree is not None
        parent = target.projection.values.get(entity.tree.parent)
        current = self._draft.business.get(target.row)
        if parent is None or (current is None and not target.projection.alive):
            return False
        if current is not None and parent == current[entity.tree.parent]:
            return is_below_itself(self._draft, entity, target.row)
        others = [one for one in targets if one.row != target.row]
        if current is not None and any(self._is_placed_anew(entity, one) for one in others):
            return True  # let the edges say
        if RowKey(entity.name, str(parent)) not in self._draft.business:
            return True  # the parent is new too, or a removed one that is inserted for this row
        return current is not None and is_above(self._draft, entity, target.row.key, of=parent)

    def _is_placed_anew(self, entity: Entity, target: Target) -> bool:
        """True for a row that is new here or moves."""
        assert entity.tree is not None
        current = self._draft.business.get(target.row)
        return current is None or target.projection.values.get(entity.tree.parent) != current[entity.tree.parent]

    def _edges(self, entity: Entity, known: dict[str, Target], *, root: str) -> dict[str, Edge]:
        """The edges of ``known`` rows and of all above them, now or by a move that lost; these are added to it."""
        assert entity.tree is not None
        rules = self._rules[entity.name]
        edges: dict[str, Edge] = {}
        todo = list(known)
        while todo:
            key = todo.pop()
            row = RowKey(entity.name, key)
            state = known[key].state if key in known else self._state_of(row)
            if key in edges or key == root or state is None:
                continue
            if key not in known:
                known[key] = Target(row, state, project(state, rules=rules))
            register = known[key].state.registers[entity.tree.parent]
            shown = winner(register, rule=rules.fields[entity.tree.parent], rules=rules).dot
            edge = edges[key] = Edge.of(
                register, shown=shown, stands_for=lambda parent: self._draft.final(RowKey(entity.name, parent)).key
            )
            todo += [parent for parent in (edge.parent, *edge.previous) if parent is not None]
        return edges


def is_below_itself(content: Database, entity: Entity, row: RowKey) -> bool:
    """True for a row of a tree that people have moved into a circle."""
    columns = content.business.get(row)
    if entity.tree is None or columns is None:
        return False
    return is_above(content, entity, row.key, of=columns[entity.tree.parent])


def is_above(content: Database, entity: Entity, key: str, *, of: object) -> bool:
    """Tell whether the row is met on the way from the one of key ``of`` to the root."""
    assert entity.tree is not None
    seen: set[str] = set()
    while isinstance(of, str) and of not in seen:
        if of == key:
            return True
        seen.add(of)
        row = content.business.get(RowKey(entity.name, of))
        of = row[entity.tree.parent] if row is not None else None
    return False
