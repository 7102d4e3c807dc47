"""Merge is a join: order, grouping and repetition do not matter, and no write is lost that nobody superseded."""

import hashlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from region_operator.replication.model import (
    DotReuse,
    EntityRuleSet,
    FieldLost,
    FieldRule,
    Pair,
    Register,
    Rule,
    actor_of,
    decode,
    encode,
    genesis,
    local_write,
    merge,
    project,
    proves_more,
)
from region_operator.replication.model.rules import winner
from unit.replication.histories import DELETED, FIELDS, World, values

A, B, C = (actor_of(region, "00000000000000aa") for region in (1, 2, 3))
ROW = {"entity": "user", "key": "u-1"}
quick = settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def three_states(seed, *, regions):
    world = World(regions=regions, seed=seed)
    if seed % 3:
        world.populate("k", equal=seed % 3 == 1)
    states = list(world.all_states(steps=14))
    return [random.Random(seed).choice(states) for _ in range(3)] if states else None


worlds = st.builds(three_states, st.integers(0, 10**9), regions=st.integers(2, 4)).filter(bool)


@quick
@given(worlds)
@pytest.mark.rule("ENGINE 3")
def test_the_order_the_grouping_and_the_repetition_of_merges_do_not_matter(states):
    a, b, c = states
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert merge(merge(a, b), b) == merge(a, b)


@quick
@given(worlds)
def test_a_vector_only_grows_and_covers_every_value_of_its_row(states):
    a, b, _ = states
    joined = merge(a, b)
    assert joined.vector.includes(a.vector)
    assert joined.vector.includes(b.vector)
    assert joined.vector.includes(joined.deletes_seen)
    assert all(joined.vector.covers(pair.dot) for register in joined.registers.values() for pair in register)


@quick
@given(worlds)
def test_equal_states_have_equal_texts_and_a_text_gives_the_state_back(states):
    a, b, _ = states
    assert decode(encode(a)) == a
    assert encode(merge(a, b)) == encode(merge(b, a))


@pytest.mark.rule("ENGINE 3")
@pytest.mark.parametrize("regions", [2, 3, 4])
@pytest.mark.parametrize("block", range(4))
def test_regions_converge_to_all_that_nobody_superseded_and_to_nothing_else(regions, block):
    for seed in range(block * 60, block * 60 + 60):
        world = World(regions=regions, seed=seed)
        if seed % 3:
            world.populate("k", equal=seed % 3 == 1)
        else:
            world.write(world.regions[0], "k")
        for _ in range(20):
            world.step("k")
        world.heal()
        first = world.regions[0]
        assert all(region.states == first.states for region in world.regions), f"seed {seed}"
        for name in (*FIELDS, DELETED):
            assert values(first.states["k"], name) == world.expected(first, "k", name), f"seed {seed}, {name}"


def first_write(**changes):
    return local_write(None, **ROW, actor=A, changes=changes)


def three_writers():
    start = first_write(state="enabled")
    disabled = local_write(start, **ROW, actor=A, changes={"state": "disabled"})
    enabled = local_write(disabled, **ROW, actor=B, changes={"state": "enabled"})
    locked = local_write(start, **ROW, actor=C, changes={"state": "locked"})
    return disabled, enabled, locked


SEVERITY = FieldRule(Rule.MOST_RESTRICTIVE, severity=("removed", "disabled", "locked", "enabled"))
RULES = EntityRuleSet("user", {"state": SEVERITY})


@pytest.mark.rule("ENGINE 3")
def test_three_writers_end_with_locked_whoever_hears_of_whom_first():
    disabled, enabled, locked = three_writers()
    joins = [merge(merge(disabled, locked), enabled), merge(disabled, merge(enabled, locked))]
    assert joins[0] == joins[1]
    assert [pair.value for pair in joins[0].registers["state"]] == ["locked", "enabled"]
    assert project(joins[0], rules=RULES).values["state"] == "locked"


@pytest.mark.rule("ENGINE 3")
def test_a_merge_that_keeps_only_the_winner_would_disagree_for_ever():
    def winner_only(left: Register, right: Register, *, left_vector, right_vector) -> Register:
        alive = [pair for pair in left if pair in right or not right_vector.covers(pair.dot)]
        alive += [pair for pair in right if pair not in left and not left_vector.covers(pair.dot)]
        return (winner(tuple(alive), rule=SEVERITY, rules=RULES),)

    def join(left: tuple[Register, object], right: tuple[Register, object]) -> tuple[Register, object]:
        register = winner_only(left[0], right[0], left_vector=left[1], right_vector=right[1])
        return register, left[1].join(right[1])

    a, b, c = ((state.registers["state"], state.vector) for state in three_writers())
    one, other = join(join(a, c), b), join(a, join(b, c))
    assert one[1] == other[1]
    assert [pair.value for pair in one[0]] == ["enabled"]
    assert [pair.value for pair in other[0]] == ["locked"]


def test_different_fields_of_one_row_merge_without_a_conflict():
    start = first_write(name="Jo", email="jo@old")
    renamed = local_write(start, **ROW, actor=A, changes={"name": "Joan"})
    moved = local_write(start, **ROW, actor=B, changes={"email": "jo@new"})
    rules = EntityRuleSet("user", {"name": FieldRule(), "email": FieldRule()})
    shown = project(merge(renamed, moved), rules=rules)
    assert (shown.values, shown.conflicts) == ({"name": "Joan", "email": "jo@new"}, ())


def test_halves_of_a_group_never_mix():
    start = first_write(api_keys=("k0", "s0"))
    one = local_write(start, **ROW, actor=A, changes={"api_keys": ("k1", "s1")})
    two = local_write(start, **ROW, actor=B, changes={"api_keys": ("k2", "s2")})
    assert project(merge(one, two), rules=EntityRuleSet("user", {"api_keys": FieldRule()})).values["api_keys"] in {
        ("k1", "s1"),
        ("k2", "s2"),
    }


@pytest.mark.rule("ENGINE 2")
def test_the_first_write_of_a_new_incarnation_is_the_highest_version():
    state = first_write(name="one")
    for number in range(5):
        state = local_write(state, **ROW, actor=A, changes={"name": str(number)})
    reborn = actor_of(1, "00000000000000ab")
    later = local_write(state, **ROW, actor=reborn, changes={"name": "reborn"})
    elsewhere = local_write(state, **ROW, actor=B, changes={"email": "x"})
    assert later.vector.get(reborn) == state.vector.highest() + 1
    assert merge(later, elsewhere).registers["name"] == (Pair(later.registers["name"][0].dot, "reborn"),)


@pytest.mark.rule("ENGINE 1")
def test_a_dot_that_names_two_values_is_refused():
    start = first_write(name="Jo")
    one = local_write(start, **ROW, actor=B, changes={"name": "one"})
    restored = local_write(start, **ROW, actor=B, changes={"name": "two"})
    with pytest.raises(DotReuse, match=r"user u-1, field name: .* names two values") as refused:
        merge(one, restored)
    assert refused.value.reason == "DotReuse"


@pytest.mark.rule("ENGINE 11")
def test_a_reused_actor_is_noticed_where_nothing_would_be_left():
    start = first_write(name="Jo", email="jo@x")
    before_the_restore = local_write(start, **ROW, actor=B, changes={"name": "lost"})
    after_it = local_write(start, **ROW, actor=B, changes={"email": "new"})
    with pytest.raises(DotReuse, match="none is left"):
        merge(before_the_restore, after_it)


@pytest.mark.rule("ENGINE 11")
def test_a_peer_that_has_seen_more_of_us_than_we_know_proves_that_we_went_back():
    backup = first_write(name="Jo")
    peer = local_write(backup, **ROW, actor=A, changes={"name": "after the backup"})
    assert proves_more(peer, backup, actor=A)
    assert proves_more(peer, None, actor=A)
    assert not proves_more(backup, peer, actor=A)


@pytest.mark.rule("ENGINE 5")
def test_a_side_that_does_not_carry_a_field_is_refused_instead_of_destroying_it():
    whole = first_write(name="Jo", email="jo@x")
    half = local_write(None, **ROW, actor=A, changes={"name": "Jo"})
    with pytest.raises(FieldLost, match="field email") as refused:
        merge(whole, half)
    assert refused.value.reason == "SchemaSkew"


@pytest.mark.rule("ENGINE 5")
def test_a_field_that_came_later_joins_rows_that_never_had_it():
    old = first_write(name="Jo")
    grown = local_write(old, **ROW, actor=B, changes={"pronouns": "they"})
    assert merge(old, grown) == merge(grown, old) == grown


@pytest.mark.rule("ENGINE 8")
def test_two_clouds_from_one_dump_are_equal_from_the_start():
    values = {"name": "Jo", "api_keys": ("k", None)}
    one = genesis(**ROW, values=values, deleted=False)
    two = genesis(**ROW, values=dict(reversed(values.items())), deleted=False)
    assert merge(one, two) == one == two


@pytest.mark.rule("ENGINE 8")
@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": "x", "b": None}, {"a": None, "b": "x"}),
        ({"a": ""}, {"a": None}),
        ({"a": "1:b"}, {"a": "1", "b": None}),
        ({"a": ("x", "yz")}, {"a": ("xy", "z")}),
        ({"a": "-"}, {"a": None}),
    ],
)
def test_different_content_never_gets_one_name(one, two):
    states = [genesis(**ROW, values=values, deleted=False) for values in (one, two)]
    assert states[0].born != states[1].born


def test_the_name_of_content_is_what_sql_computes_too():
    """CONCAT('g', LEFT(MD5(...), 16)) of entity, key, deleted, then the fields in the order of their names."""
    state = genesis(**ROW, values={"name": "Jo", "email": None}, deleted=False)
    assert state.born.actor == "g" + hashlib.md5(b"4:user3:u-11:05:email-4:name2:Jo").hexdigest()[:16]


def test_states_of_different_rows_are_never_merged():
    with pytest.raises(ValueError, match="different rows"):
        merge(first_write(name="x"), local_write(None, entity="user", key="u-2", actor=A, changes={"name": "x"}))


def test_a_write_of_nothing_makes_no_version():
    state = first_write(name="Jo")
    assert local_write(state, **ROW, actor=B, changes={}, deleted=False) is state
