"""Version vectors and the names of actors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from region_operator.replication.model import Dot, VersionVector, actor_of, base_actor, is_genesis, region_of

quick = settings(max_examples=80, deadline=None, database=None)
vectors = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 4)).map(VersionVector)


@quick
@given(vectors, vectors, vectors)
def test_join_is_the_least_vector_that_includes_both(a, b, c):
    joined = a.join(b)
    assert joined == b.join(a)
    assert joined.includes(a)
    assert joined.includes(b)
    assert a.join(b.join(c)) == joined.join(c)
    assert not (c.includes(a) and c.includes(b)) or c.includes(joined)
    assert hash(joined) == hash(b.join(a))


@quick
@given(vectors, st.builds(Dot, st.integers(1, 5), st.sampled_from("abcde")))
def test_a_vector_with_a_dot_covers_it_and_all_it_covered_before(vector, dot):
    grown = vector.with_dot(dot)
    assert grown.covers(dot)
    assert grown.includes(vector)
    assert grown.highest() == max(vector.highest(), dot.counter)


def test_the_greatest_dot_has_seen_most_and_the_actor_breaks_ties():
    assert Dot(2, "a") > Dot(1, "b")
    assert Dot(1, "b") > Dot(1, "a")


@pytest.mark.parametrize(
    ("actor", "region", "base", "old"),
    [
        (actor_of(12, "6f0c9a51e2b7d833"), 12, "12.6f0c9a51e2b7d833", False),
        ("12.6f0c9a51e2b7d833@a@b.c", 12, "12.6f0c9a51e2b7d833", False),
        ("g6f0c9a51e2b7d833", None, "g6f0c9a51e2b7d833", True),
        ("g6f0c9a51e2b7d833@7.x", None, "g6f0c9a51e2b7d833", True),
        ("nonsense", None, "nonsense", False),
    ],
)
def test_an_actor_says_whose_write_it_was(actor, region, base, old):
    assert (region_of(actor), base_actor(actor), is_genesis(actor)) == (region, base, old)
