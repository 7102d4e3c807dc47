"""References between rows and between entities: what comes first, and what to do where they run in a circle."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from region_operator.replication.model.state import Register
from region_operator.replication.model.vectors import Dot


def parents_first(parents: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Order entities so that each follows those it refers to; a reference to itself does not count.

    Raises:
        ValueError: the references run in a circle; one of them has to be deferred.
    """
    graph = {name: sorted(set(parents[name]) - {name}) for name in sorted(parents)}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ValueError(f"references run in a circle: {' -> '.join(error.args[1])}; defer one of them") from None


def rows_parents_first(parent_of: Mapping[str, str | None]) -> tuple[str, ...]:
    """Order the rows of one tree so that each follows its parent; parents outside of the rows do not count.

    Rows of a circle come last, in the order of their keys, so that a caller that forgot to break it still ends.
    """
    ordered: dict[str, None] = {}
    for start in sorted(parent_of):
        path: dict[str, None] = {}
        key: str | None = start
        while key is not None and key in parent_of and key not in ordered and key not in path:
            path[key] = None
            key = parent_of[key]
        if key is None or key not in path:
            ordered.update(dict.fromkeys(reversed(path)))
    return (*ordered, *(key for key in sorted(parent_of) if key not in ordered))


@dataclass(frozen=True, slots=True)
class Edge:
    """The reference of a row to its parent: the shown one, the write that made it, and values that lost against it."""

    parent: str | None
    dot: Dot
    previous: tuple[str | None, ...] = ()

    @classmethod
    def of(cls, register: Register, *, shown: Dot, stands_for: Callable[[str], str] = lambda key: key) -> "Edge":
        """Read an edge from the register of the parent field; ``shown`` is the dot that the rule chose.

        ``stands_for`` names the row that has adopted a parent: who was moved under it is under that one.
        """
        chosen = next(pair for pair in register if pair.dot == shown)
        others = sorted((pair for pair in register if pair.dot != shown), key=lambda pair: pair.dot, reverse=True)
        values = [pair.value for pair in (chosen, *others)]
        parents = [stands_for(value) if isinstance(value, str) else None for value in values]
        return cls(parents[0], shown, tuple(parents[1:]))


def break_cycles(edges: Mapping[str, Edge], *, root: str) -> dict[str, str]:
    """Return the rows that may not hang where they want to, with the parent that they are shown under instead.

    Of every circle the youngest edge (greatest dot) gives way: to a value that lost against it, if that one leads out
    of the circle, else to the root. A function of the states alone, so every region that holds the same states breaks
    the same edge. ``edges`` must hold all rows above those of a circle, by ``previous`` ones too; a parent of which
    nothing is known is taken to lead to the root.
    """
    shown: dict[str, str | None] = {key: edge.parent for key, edge in edges.items() if key != root}
    moved: dict[str, str] = {}
    while circles := _cycles(shown):
        for circle in circles:
            youngest = max((key for key in circle if key not in moved), key=lambda key: (edges[key].dot, key))
            moved[youngest] = _way_out(youngest, edges[youngest], shown=shown, root=root)
        shown |= moved
    return moved


def _way_out(key: str, edge: Edge, *, shown: Mapping[str, str | None], root: str) -> str:
    for parent in edge.previous:
        seen = {key}
        ancestor = parent
        while ancestor is not None and ancestor not in seen:
            seen.add(ancestor)
            ancestor = shown.get(ancestor)
        if parent is not None and ancestor is None:
            return parent
    return root


def _cycles(parent_of: Mapping[str, str | None]) -> list[tuple[str, ...]]:
    """Find the circles of a graph in which every row has at most one parent: they cannot overlap."""
    done: set[str] = set()
    circles = []
    for start in sorted(parent_of):
        path: dict[str, None] = {}
        key: str | None = start
        while key is not None and key in parent_of and key not in done and key not in path:
            path[key] = None
            key = parent_of[key]
        if key is not None and key in path:
            keys = list(path)
            circles.append(tuple(keys[keys.index(key) :]))
        done |= path.keys()
    return circles
