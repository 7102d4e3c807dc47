"""Shapes say of many states what each says of itself, and nobody can put anything else into one."""

import json
from dataclasses import replace

import pytest

from region_operator.replication.model import actor_of, encode, genesis, local_write, plain, shapes
from region_operator.replication.model.shapes import Shape

ACTOR, OTHER = actor_of(1, "a" * 16), actor_of(2, "b" * 16)
FIELDS = ("email", "name")


def stripped(text: str) -> str:
    return plain.encode(plain.parse(text))  # type: ignore[arg-type]


def states(key: str) -> dict[str, str]:
    old = genesis(entity="user", key=key, values={"email": "e", "name": "n"}, deleted=False)
    new = local_write(None, entity="user", key=key, actor=ACTOR, changes={"email": "e", "name": "n"})
    changed = local_write(old, entity="user", key=key, actor=OTHER, changes={"name": "m"})
    return {name: stripped(encode(state)) for name, state in {"old": old, "new": new, "changed": changed}.items()}


@pytest.mark.parametrize("life", ["old", "new", "changed"])
def test_a_state_is_its_shape_with_key_and_genesis(life: str) -> None:
    found = []
    for key in ("0f8fad5b-d9cb-469f-a165-70867728950e", "7"):
        split = shapes.split(states(key)[life], key=key)
        assert split is not None
        shape, name = split
        assert shape.text(key=key, genesis=name) == states(key)[life]
        assert shape.has_genesis == (life != "new")
        assert shapes.check(shape, entity="user", fields=FIELDS) is not None
        found.append(shape)
    assert found[0] == found[1]


@pytest.mark.parametrize("life", ["old", "new", "changed"])
@pytest.mark.parametrize("key", ["0f8fad5b-d9cb-469f-a165-70867728950e", "7", "email", "user"])
def test_a_state_of_a_known_shape_is_split_as_any_other(life: str, key: str) -> None:
    first = shapes.split(states("first")[life], key="first")
    assert first is not None
    text = states(key)[life]
    name = first[0].genesis(text, key=key)
    assert name is not None
    assert first[0].text(key=key, genesis=name) == text
    assert shapes.split(text, key=key) in (None, (first[0], name))  # None: a field is called like the row


@pytest.mark.parametrize(("life", "other"), [("old", "new"), ("new", "old"), ("old", "changed"), ("changed", "old")])
def test_a_state_of_another_shape_or_key_is_none_of_a_shape(life: str, other: str) -> None:
    split = shapes.split(states("first")[life], key="first")
    assert split is not None
    shape, name = split
    assert shape.genesis(states("second")[other], key="second") is None
    assert shape.genesis(states("second")[life], key="secone") is None
    assert shape.genesis(states("odd key")[life], key="odd key") is None
    if name:
        assert shape.genesis(states("first")[life].replace(name, "X" * len(name)), key="first") is None


@pytest.mark.parametrize("key", ['quote"', "back\\slash", "space here", "ü", "line\n"])
def test_a_key_that_could_be_mistaken_is_left_to_the_ordinary_way(key: str) -> None:
    state = local_write(None, entity="user", key=key, actor=ACTOR, changes={"name": "n"})
    assert shapes.split(stripped(encode(state)), key=key) is None


def test_a_key_that_is_also_the_name_of_something_else_is_left_to_the_ordinary_way() -> None:
    for key in ("user", "name", "v"):
        assert shapes.split(states(key)["old"], key=key) is None or shapes.check(
            shapes.split(states(key)["old"], key=key)[0],  # type: ignore[index]
            entity="user",
            fields=FIELDS,
        )


def shape_of(life: str) -> Shape:
    found = shapes.split(states("k-1")[life], key="k-1")
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    "forged",
    [
        replace(shape_of("new"), before=shape_of("new").before.replace("user", "account")),
        replace(shape_of("new"), before=shape_of("new").before + 'x","k":"'),
        replace(shape_of("new"), rest=shape_of("new").rest.replace("null", '"a value"', 1)),
        replace(shape_of("new"), rest=shape_of("new").rest.replace("email", "other")),
        replace(shape_of("new"), rest=shape_of("new").rest.replace("[[1,0,", "[[9,0,", 1)),
        replace(shape_of("new"), rest=shape_of("new").rest + ","),
        replace(shape_of("new"), has_genesis=True),
        replace(shape_of("old"), has_genesis=False),
        replace(shape_of("old"), actors=shape_of("old").actors.replace('["g', '["gffffffffffffffff","g')),
        Shape(states("k-1")["new"], "", "", "", has_genesis=False),
        Shape(json.dumps([]), "", "", "", has_genesis=False),
    ],
)
def test_what_does_not_make_plain_states_of_the_entity_is_refused(forged: Shape) -> None:
    assert shapes.check(forged, entity="user", fields=FIELDS) is None


@pytest.mark.parametrize("life", ["old", "new", "changed"])
@pytest.mark.parametrize("actor", [ACTOR, OTHER, actor_of(1, "0" * 16), actor_of(9, "f" * 16)])
def test_what_a_write_makes_of_a_shape_is_what_it_makes_of_each_state(life: str, actor: str) -> None:
    shape = shape_of(life)
    for changed in (frozenset({"name"}), frozenset(FIELDS)):
        after = shapes.written(shape, entity="user", fields=FIELDS, changed=changed, actor=actor)
        assert after is not None
        for key in ("0f8fad5b-d9cb-469f-a165-70867728950e", "k-2"):
            text = states(key)[life]
            genesis_ = shape.genesis(text, key=key)
            local = plain.parse_own(text)
            assert genesis_ is not None
            assert local is not None
            expected = plain.encode(plain.write(local, key=("user", key), fields=changed, actor=actor))
            assert after.text(key=key, genesis=genesis_) == expected


@pytest.mark.parametrize(
    "other",
    [
        replace(shape_of("new"), rest=shape_of("new").rest.replace("email", "other")),
        replace(shape_of("old"), actors=shape_of("old").actors.replace('["g', '["gffffffffffffffff","g')),
    ],
)
def test_nobody_says_for_all_what_a_write_makes_of_states_that_are_not_plain(other: Shape) -> None:
    assert shapes.written(other, entity="user", fields=FIELDS, changed=frozenset({"name"}), actor=ACTOR) is None


def test_a_finder_splits_as_each_state_would_be_split_alone() -> None:
    finder = shapes.Finder()
    for key, life in [("a-1", "old"), ("a-2", "old"), ("a-3", "new"), ("a-4", "old"), ("odd key", "old")]:
        text = states(key)[life]
        assert finder.find(text, key=key) == shapes.split(text, key=key)


@pytest.mark.parametrize("before", ["old", "new", "changed"])
@pytest.mark.parametrize("after", ["old", "new", "changed"])
def test_how_one_shape_goes_over_into_another_is_how_each_state_does(before: str, after: str) -> None:
    found = shapes.succession(shape_of(before), shape_of(after), entity="user", fields=FIELDS)
    for key in ("0f8fad5b-d9cb-469f-a165-70867728950e", "k-2"):
        local, remote = plain.parse_own(states(key)[before]), plain.parse(states(key)[after])
        assert local is not None
        assert remote is not None
        changed = plain.successor(local, remote)
        assert (found.changed if found is not None else None) == changed
        if found is not None:
            assert found.is_news == (states(key)[before] != states(key)[after])
            assert (found.before.vector.get(OTHER), found.after.vector.get(OTHER)) == (
                local.vector.get(OTHER),
                remote.vector.get(OTHER),
            )


def test_nothing_is_said_of_how_a_forged_shape_goes_over_into_another() -> None:
    forged = replace(shape_of("new"), rest=shape_of("new").rest.replace("email", "other"))
    assert shapes.succession(shape_of("old"), forged, entity="user", fields=FIELDS) is None
