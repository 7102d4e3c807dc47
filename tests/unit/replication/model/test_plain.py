"""The short way over plain documents gives what the long way over objects gives, or says that it cannot."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from region_operator.replication.model import RowState, actor_of, decode, encode, genesis, local_write, merge, plain
from region_operator.replication.model.merge import MergeRefused
from region_operator.replication.model.plain import Plain

FIELDS = ("email", "keys", "name", "state")
quick = settings(max_examples=300, deadline=None, database=None)


def some_states(seed: int) -> list[RowState]:
    """States of one row in a few regions that write, hear of each other, and seldom delete."""
    draw = random.Random(seed)
    actors = [actor_of(number, f"{draw.randrange(3):016x}") for number in draw.sample(range(1, 9), 3)]
    old = {name: ("a", None) if name == "keys" else "old" for name in FIELDS}
    first = genesis(entity="user", key="ü", values=old, deleted=False) if draw.random() < 0.5 else None
    held: list[RowState | None] = [first] * 3
    seen = []
    for step in range(10):
        here, there = draw.sample(range(3), 2)
        if draw.random() < 0.5 and held[there] is not None:
            held[here] = merge(held[here], held[there]) if held[here] is not None else held[there]
        else:
            names = FIELDS if held[here] is None else draw.sample(FIELDS, draw.randint(1, 2))
            changes = {name: (f"k{step}", "s") if name == "keys" else f"v{step}" for name in names}
            deleted = True if draw.random() < 0.03 else None
            held[here] = local_write(
                held[here], entity="user", key="ü", actor=actors[here], changes=changes, deleted=deleted
            )
        seen.append(held[here])
    return [draw.choice(seen) for _ in range(2)]


def stripped(state: RowState) -> str:
    document = json.loads(encode(state))
    document["r"] = {name: [[*pair[:2], None] for pair in pairs] for name, pairs in document["r"].items()}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def parsed(state: RowState) -> Plain:
    found = plain.parse(encode(state))
    assert found is not None
    return found


def is_plain(state: RowState) -> bool:
    single = all(len(register) == 1 for register in state.registers.values())
    return single and not state.deleted and state.alias is None


@quick
@given(st.integers(0, 10**9))
def test_a_state_is_plain_when_nothing_about_it_is_open_and_keeps_its_text(seed: int) -> None:
    for state in some_states(seed):
        found = plain.parse(encode(state))
        assert (found is not None) == is_plain(state)
        if found is not None:
            assert plain.encode(found, values=True) == encode(state)
            assert plain.encode(found, values=False) == stripped(state)


@quick
@given(st.integers(0, 10**9))
def test_a_successor_is_the_join(seed: int) -> None:
    local, remote = some_states(seed)
    if not (is_plain(local) and is_plain(remote)):
        return
    fields = plain.successor(parsed(local), parsed(remote))
    if fields is None:
        return
    assert merge(local, remote) == remote
    assert {name for name in FIELDS if local.registers[name] != remote.registers[name]} == set(fields)


def test_successors_are_found_not_only_refused() -> None:
    found = 0
    for seed in range(300):
        local, remote = some_states(seed)
        if is_plain(local) and is_plain(remote) and remote.vector.includes(local.vector):
            assert plain.successor(parsed(local), parsed(remote)) is not None
            found += 1
    assert found > 50


def test_a_value_that_was_superseded_here_and_comes_again_takes_a_merge() -> None:
    actor, other = actor_of(1, "0" * 16), actor_of(2, "0" * 16)
    first = local_write(None, entity="user", key="k", actor=actor, changes={"name": "a"})
    local = local_write(first, entity="user", key="k", actor=other, changes={"name": "b"})
    claims = json.loads(encode(local)) | {"r": {"name": [[1, 0, "a"]]}}
    remote = decode(json.dumps(claims))
    with pytest.raises(MergeRefused):
        merge(local, remote)
    assert plain.successor(parsed(local), parsed(remote)) is None


@quick
@given(st.integers(0, 10**9), st.sets(st.sampled_from(FIELDS), min_size=1))
def test_a_write_names_what_a_write_of_objects_names(seed: int, fields: set[str]) -> None:
    state, _ = some_states(seed)
    if not is_plain(state):
        return
    for actor in (actor_of(1, "f" * 16), actor_of(9, "0" * 16), *state.vector):
        written = local_write(state, entity="user", key="ü", actor=actor, changes=dict.fromkeys(fields))
        found = plain.write(parsed(state), key=("user", "ü"), fields=fields, actor=actor)
        assert plain.encode(found, values=False) == stripped(written)


def test_a_first_write_names_what_a_first_write_of_objects_names() -> None:
    actor = actor_of(1, "f" * 16)
    written = local_write(None, entity="user", key="ü", actor=actor, changes=dict.fromkeys(FIELDS))
    found = plain.write(None, key=("user", "ü"), fields=FIELDS, actor=actor)
    assert plain.encode(found, values=False) == encode(written)


PLAIN = json.loads(
    encode(local_write(None, entity="user", key="k", actor=actor_of(1, "0" * 16), changes={"n": "Jo", "m": None}))
)


@pytest.mark.parametrize(
    "document",
    [
        [],
        PLAIN | {"v": 2},
        PLAIN | {"x": 1},
        PLAIN | {"e": ""},
        PLAIN | {"k": 7},
        PLAIN | {"a": "x"},
        PLAIN | {"a": [None]},
        PLAIN | {"a": ["x", "y"]},
        PLAIN | {"b": [0, 0, "k"]},
        PLAIN | {"b": [1, 1, "k"]},
        PLAIN | {"s": [[0, 2**53]]},
        PLAIN | {"s": [[0, True]]},
        PLAIN | {"s": [[-1, 1]]},
        PLAIN | {"s": [[0, 1], [0, 1]]},
        PLAIN | {"r": {"n": []}},
        PLAIN | {"r": {"n": [[2, 0, "newer than its vector"]]}},
        PLAIN | {"r": {"n": [[1, -1, "x"]]}},
        PLAIN | {"r": {"n": [[1, 0, 1.5]]}},
        PLAIN | {"r": {"n": [[1, 0, True]]}},
        PLAIN | {"r": {"n": [[1, 0, [["nested"]]]]}},
        PLAIN | {"r": {"n": [[1, 0, "not in order"]], "m": [[1, 0, None]]}},
        PLAIN | {"r": {"n": [[1, 0, "\ud800"]]}},
    ],
)
def test_what_is_malformed_or_not_canonical_is_left_to_the_codec(document: object) -> None:
    assert plain.parse(json.dumps(document)) is None


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null"])
def test_what_is_no_document_is_left_to_the_codec(text: str) -> None:
    assert plain.parse(text) is None
