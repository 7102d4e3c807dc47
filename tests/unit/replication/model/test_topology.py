"""References: parents first, circles broken alike by everybody who holds the same states."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from region_operator.replication.model import (
    Dot,
    Edge,
    Pair,
    actor_of,
    break_cycles,
    parents_first,
    rows_parents_first,
)

A, B = actor_of(1, "a"), actor_of(2, "b")


def test_entities_follow_those_they_refer_to():
    assert parents_first({"user": ["account"], "account": ["domain"], "domain": ["domain"]}) == (
        "domain",
        "account",
        "user",
    )


def test_a_circle_of_entities_is_named():
    with pytest.raises(ValueError, match="defer one of them"):
        parents_first({"domain": ["account"], "account": ["domain"]})


@settings(max_examples=100, deadline=None, database=None)
@given(st.dictionaries(st.integers(0, 8).map(str), st.none() | st.integers(0, 11).map(str), max_size=9))
def test_every_row_comes_once_and_after_its_parent_unless_they_form_a_circle(parents):
    order = rows_parents_first(parents)
    assert sorted(order) == sorted(parents)
    place = {key: index for index, key in enumerate(order)}
    for key, parent in parents.items():
        seen, ancestor = {key}, parent
        while ancestor in parents and ancestor not in seen:
            seen.add(ancestor)
            ancestor = parents[ancestor]
        if parent in parents and ancestor not in seen:
            assert place[parent] < place[key]


@pytest.mark.rule("ENGINE 9")
def test_two_domains_moved_under_each_other_give_up_the_youngest_move():
    moved = break_cycles({"x": Edge("y", Dot(2, A)), "y": Edge("x", Dot(2, B))}, root="root")
    assert moved == {"y": "root"}


@pytest.mark.rule("ENGINE 9")
def test_a_parent_that_lost_in_the_register_is_preferred_to_the_root():
    edges = {"x": Edge("y", Dot(2, A)), "y": Edge("x", Dot(3, B), ("x", "z")), "z": Edge("root", Dot(1, A))}
    assert break_cycles(edges, root="root") == {"y": "z"}


@pytest.mark.rule("ENGINE 9")
def test_an_edge_is_what_the_rule_chose_with_its_rivals_youngest_first():
    register = (Pair(Dot(1, A), "p"), Pair(Dot(2, A), "q"), Pair(Dot(2, B), "r"))
    assert Edge.of(register, shown=Dot(2, A)) == Edge("q", Dot(2, A), ("r", "p"))


KEYS = [str(n) for n in range(7)]
edges = st.fixed_dictionaries(
    {
        key: st.builds(
            Edge,
            st.sampled_from([*KEYS, "root", "outside"]),
            st.builds(Dot, st.integers(1, 3), st.sampled_from([A, B])),
            st.lists(st.sampled_from([*KEYS, "root"]), max_size=2).map(tuple),
        )
        for key in KEYS
    }
)


@pytest.mark.rule("ENGINE 9")
@settings(max_examples=150, deadline=None, database=None)
@given(edges, st.randoms(use_true_random=False))
def test_shown_parents_never_loop_and_do_not_depend_on_the_order_of_rows(edges, shuffler):
    moved = break_cycles(edges, root="root")
    shown = {key: moved.get(key, edge.parent) for key, edge in edges.items()}
    for key in edges:
        steps = 0
        while key in shown:
            key, steps = shown[key], steps + 1
            assert steps <= len(edges)
    shuffled = list(edges.items())
    shuffler.shuffle(shuffled)
    assert break_cycles(dict(shuffled), root="root") == moved


@pytest.mark.rule("ENGINE 9")
def test_rows_outside_of_circles_stay_where_they_are():
    edges = {"a": Edge("root", Dot(9, A)), "b": Edge("a", Dot(9, B)), "root": Edge(None, Dot(1, A))}
    assert break_cycles(edges, root="root") == {}
