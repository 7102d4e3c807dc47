"""Texts of states: what is well-formed comes through whole, what is not is refused with a clear word, never a crash."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from region_operator.errors import InvalidInput
from region_operator.replication.model import actor_of, decode, encode, local_write

A = actor_of(1, "00000000000000aa")
STATE = local_write(None, entity="user", key="u-1", actor=A, changes={"name": "Jo"})


def altered(**members) -> str:
    return json.dumps({**json.loads(encode(STATE)), **members})


@pytest.mark.rule("ENGINE 5")
@settings(max_examples=100, deadline=None, database=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.none() | st.integers() | st.text() | st.tuples(st.none() | st.text(), st.text()),
        min_size=1,
        max_size=4,
    )
)
def test_any_field_comes_through_also_one_that_nobody_here_knows(changes):
    state = local_write(None, entity="user", key="u-ü", actor=A, changes=changes, deleted=True)
    assert decode(encode(state)) == decode(encode(state).encode()) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        b"\xff",
        "[" * 100_000,
        encode(STATE).replace("Jo", "\\ud800"),
        altered(v=2),
        altered(x=1),
        altered(e=""),
        altered(k=7),
        altered(a=[]),
        altered(a=[None]),
        altered(b=[0, 0, "u-1"]),
        altered(b=[1, 0]),
        altered(s=[[0, 2**53]]),
        altered(s=[[0, True]]),
        altered(s=[[-1, 1]]),
        altered(s=[[0, -1]]),
        altered(r={"name": []}),
        altered(r={"name": [[2, 0, "newer than its vector"]]}),
        altered(r={"name": [[1, 0, "a"], [1, 0, "b"]]}),
        altered(r={"name": [[1, 0, 1.5]]}),
        altered(r={"name": [[1, 0, True]]}),
        altered(r={"name": [[1, 0, {"a": 1}]]}),
        altered(r={"name": [[1, 0, [["nested"]]]]}),
        altered(r=[]),
        altered(d=[[1, 0, "yes"]]),
        altered(ds=[[0, 2]]),
        altered(al=["k"]),
    ],
)
def test_a_malformed_state_is_refused_with_a_reason(text):
    with pytest.raises(InvalidInput, match="row state") as refused:
        decode(text)
    assert refused.value.reason == "MalformedState"
