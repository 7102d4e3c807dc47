"""What is shown: rules choose among concurrent values, deletions by what they had seen; nothing feeds back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from region_operator.replication.model import (
    ConflictKind,
    DeleteRule,
    Dot,
    EntityRuleSet,
    FieldRule,
    Pair,
    RowState,
    Rule,
    actor_of,
    genesis,
    local_write,
    merge,
    project,
)
from region_operator.replication.model.rules import winner

A, B, C = (actor_of(region, "00000000000000aa") for region in (1, 2, 3))
ROW = {"entity": "user", "key": "u-1"}
ALL_RULES = [
    FieldRule(Rule.MOST_RESTRICTIVE, severity=("removed", "disabled", "locked", "enabled")),
    FieldRule(Rule.REGION_PRIORITY),
    FieldRule(Rule.HIGHEST_VERSION),
    FieldRule(Rule.MAX),
    FieldRule(Rule.MIN),
    FieldRule(Rule.MANUAL),
]


def rules(*, delete=DeleteRule.DELETE_WINS, priority=(), **fields: FieldRule) -> EntityRuleSet:
    known = {"name": FieldRule(), "removed": FieldRule(Rule.MIN, quiet=True), **fields}
    return EntityRuleSet("user", known, delete_rule=delete, removed_field="removed", region_priority=priority)


def write(state: RowState | None, actor: str, *, deleted: bool | None = None, **changes) -> RowState:
    return local_write(state, **ROW, actor=actor, changes=changes, deleted=deleted)


def concurrent(one, two, *, base=None) -> RowState:
    start = write(None, C, name="start", removed=None, **(base or {}))
    return merge(write(start, A, **one), write(start, B, **two))


pairs = st.lists(
    st.builds(
        Pair,
        st.builds(Dot, st.integers(1, 4), st.sampled_from([A, B, C, "g0123456789abcdef", f"{A}@q"])),
        st.sampled_from(["enabled", "locked", "disabled", "removed", "else", "", None]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda pair: pair.dot,
)


@settings(max_examples=100, deadline=None, database=None)
@given(pairs, st.sampled_from(ALL_RULES), st.randoms(use_true_random=False))
def test_a_rule_chooses_one_of_the_values_whatever_their_order(register, rule, shuffler):
    rule_set = rules(name=rule, priority=(2, 1))
    chosen = winner(tuple(register), rule=rule, rules=rule_set)
    shuffled = list(register)
    shuffler.shuffle(shuffled)
    assert chosen in register
    assert winner(tuple(shuffled), rule=rule, rules=rule_set) == chosen


@pytest.mark.parametrize(
    ("rule", "one", "two", "shown"),
    [
        (ALL_RULES[0], "locked", "disabled", "disabled"),
        (ALL_RULES[0], "Enabled", "LOCKED", "LOCKED"),
        (ALL_RULES[0], "unheard-of", "disabled", "unheard-of"),
        (FieldRule(Rule.REGION_PRIORITY), "of-1", "of-2", "of-2"),
        (FieldRule(Rule.HIGHEST_VERSION), "of-1", "of-2", "of-2"),
        (FieldRule(Rule.MANUAL), "of-1", "of-2", "of-2"),
        (FieldRule(Rule.MAX), "2026-01-02", "2026-01-01", "2026-01-02"),
        (FieldRule(Rule.MIN), "2026-01-01", "2026-01-02", "2026-01-01"),
        (FieldRule(Rule.MIN), "2026", "2026-01", "2026"),
        (FieldRule(Rule.MAX, numeric=True), 10, 9, 10),
        (FieldRule(Rule.MAX, numeric=True), "10.5", "9.75", "10.5"),
        (FieldRule(Rule.MIN, numeric=True), 9, 10, 9),
        (FieldRule(Rule.MIN), "2026-01-02", None, "2026-01-02"),
    ],
)
def test_every_rule_shows_what_its_name_says(rule, one, two, shown):
    state = concurrent({"name": one}, {"name": two})
    projection = project(state, rules=rules(name=rule, priority=(2, 1)))
    assert projection.values["name"] == shown
    (conflict,) = projection.conflicts
    assert {conflict.winner.value, *(pair.value for pair in conflict.losers)} == {one, two}
    assert (conflict.field, conflict.rule, conflict.kind) == ("name", rule.rule.value, ConflictKind.VALUE)


def test_the_region_that_comes_first_in_the_policy_wins_even_with_fewer_writes():
    start = write(None, C, name="start")
    one, two = write(start, A, name="of-1"), write(write(start, B, name="x"), B, name="of-2")
    assert project(merge(one, two), rules=rules(name=FieldRule(Rule.REGION_PRIORITY), priority=(1, 2))).values == {
        "name": "of-1"
    }


def test_only_manual_conflicts_wait_for_a_person():
    state = concurrent({"name": "a"}, {"name": "b"})
    assert project(state, rules=rules()).settled
    assert not project(state, rules=rules(name=FieldRule(Rule.MANUAL))).settled


@pytest.mark.rule("ENGINE 3")
def test_a_conflict_closes_when_a_later_write_covers_its_siblings():
    state = concurrent({"name": "a"}, {"name": "b"})
    resolved = write(state, A, name="a")
    assert project(resolved, rules=rules()).conflicts == ()
    assert merge(resolved, state) == resolved


def test_equal_values_written_twice_are_no_conflict():
    assert project(concurrent({"name": "same"}, {"name": "same"}), rules=rules()).conflicts == ()


def test_policies_that_differ_hold_the_same_state_and_agree_again():
    state = concurrent({"name": "a"}, {"name": "b"})
    here = project(state, rules=rules(name=FieldRule(Rule.MIN)))
    there = project(state, rules=rules(name=FieldRule(Rule.MAX)))
    assert (here.values["name"], there.values["name"]) == ("a", "b")
    assert project(state, rules=rules(name=FieldRule(Rule.MAX))) == there


def test_fields_that_the_rules_do_not_know_are_not_shown():
    state = write(None, A, name="a", removed=None, pronouns="they")
    assert project(state, rules=rules()).values == {"name": "a", "removed": None}


# Deletions


@pytest.mark.rule("ENGINE 4")
def test_a_deletion_beats_a_concurrent_change_and_says_what_was_lost():
    state = concurrent({"deleted": True, "removed": "2026-01-01 00:00:00"}, {"name": "news"})
    shown = project(state, rules=rules())
    assert (shown.alive, shown.values["removed"]) == (False, "2026-01-01 00:00:00")
    (conflict,) = shown.conflicts
    assert (conflict.kind, conflict.field, conflict.rule) == (ConflictKind.DELETION, "name", "DeleteWins")
    assert [pair.value for pair in conflict.losers] == ["news"]


@pytest.mark.rule("ENGINE 4")
def test_under_update_wins_a_change_that_the_deletion_had_not_seen_keeps_the_row():
    state = concurrent({"deleted": True, "removed": "2026-01-01 00:00:00"}, {"name": "news"})
    shown = project(state, rules=rules(delete=DeleteRule.UPDATE_WINS))
    assert (shown.alive, shown.values["removed"], shown.values["name"]) == (True, None, "news")
    (conflict,) = shown.conflicts
    assert (conflict.field, [pair.value for pair in conflict.losers]) == ("deleted", [1])


@pytest.mark.rule("ENGINE 4")
@pytest.mark.parametrize("rule", DeleteRule)
def test_a_deletion_that_had_seen_the_change_is_final(rule):
    changed = write(write(None, A, name="a", removed=None), B, name="news")
    gone = write(changed, A, deleted=True, removed="2026-01-01 00:00:00")
    assert not project(merge(gone, changed), rules=rules(delete=rule)).alive


@pytest.mark.rule("ENGINE 4")
def test_two_deletions_together_have_seen_what_each_alone_had_not():
    start = write(None, C, name="start", removed=None)
    one = write(write(start, A, name="a"), A, deleted=True, removed="2026-01-02 00:00:00")
    two = write(start, B, deleted=True, removed="2026-01-01 00:00:00")
    shown = project(merge(one, two), rules=rules(delete=DeleteRule.UPDATE_WINS))
    assert (shown.alive, shown.values["removed"], shown.conflicts) == (False, "2026-01-01 00:00:00", ())


@pytest.mark.rule("ENGINE 4")
@pytest.mark.parametrize("rule", DeleteRule)
def test_the_time_of_removal_is_the_earliest_and_never_a_conflict(rule):
    state = concurrent(
        {"deleted": True, "removed": "2026-01-02 00:00:00"}, {"deleted": True, "removed": "2026-01-01 00:00:00"}
    )
    shown = project(state, rules=rules(delete=rule))
    assert (shown.alive, shown.values["removed"], shown.conflicts) == (False, "2026-01-01 00:00:00", ())


@pytest.mark.rule("ENGINE 4")
@pytest.mark.parametrize("rule", DeleteRule)
def test_an_undeleted_row_is_alive_everywhere(rule):
    gone = write(write(None, A, name="a", removed=None), A, deleted=True, removed="2026-01-01 00:00:00")
    back = write(gone, B, deleted=False, removed=None)
    assert back.deleted[0].value == 0
    shown = project(merge(gone, back), rules=rules(delete=rule))
    assert (shown.alive, shown.values["removed"], shown.conflicts) == (True, None, ())


@pytest.mark.rule("ENGINE 4")
@pytest.mark.parametrize(("rule", "alive"), [(DeleteRule.DELETE_WINS, False), (DeleteRule.UPDATE_WINS, True)])
def test_a_revival_against_a_second_deletion_follows_the_delete_rule(rule, alive):
    gone = write(write(None, A, name="a", removed=None), A, deleted=True, removed="2026-01-01 00:00:00")
    back = write(gone, B, deleted=False, removed=None)
    again = write(gone, A, deleted=True, removed="2026-01-03 00:00:00")
    shown = project(merge(back, again), rules=rules(delete=rule))
    assert shown.alive is alive
    assert [conflict.field for conflict in shown.conflicts] == ["deleted"]


@pytest.mark.rule("ENGINE 4")
def test_cleaning_up_a_deleted_row_does_not_revive_it():
    gone = write(write(None, A, name="a", removed=None), A, deleted=True, removed="2026-01-01 00:00:00")
    cleaned = write(gone, A, name="a-gone", deleted=True)
    assert not project(merge(gone, cleaned), rules=rules(delete=DeleteRule.UPDATE_WINS)).alive


def test_a_write_to_a_row_that_an_update_kept_alive_closes_the_conflict():
    kept = concurrent({"deleted": True, "removed": "2026-01-01 00:00:00"}, {"name": "news"})
    settled = write(kept, B, name="more", deleted=False)
    for rule in DeleteRule:
        shown = project(merge(kept, settled), rules=rules(delete=rule))
        assert (shown.alive, shown.conflicts) == (True, ())


# Rows older than capture


@pytest.mark.rule("ENGINE 8")
def test_what_was_there_before_yields_to_any_captured_write_and_is_recorded_as_settled():
    one = genesis(**ROW, values={"name": "old-1", "removed": None}, deleted=False)
    two = genesis(**ROW, values={"name": "old-2", "removed": None}, deleted=False)
    state = merge(write(one, A, name="new"), two)
    shown = project(state, rules=rules(name=FieldRule(Rule.MANUAL)))
    assert shown.values["name"] == "new"
    assert [pair.value for pair in shown.conflicts[0].losers] == ["old-2"]
    assert shown.settled


@pytest.mark.rule("ENGINE 8")
@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.rule.value)
def test_what_was_there_before_yields_under_every_rule(rule):
    one = genesis(**ROW, values={"name": "old", "removed": None}, deleted=False)
    two = genesis(**ROW, values={"name": "disabled", "removed": None}, deleted=False)
    for old, new in (("one", "enabled"), ("two", "removed")):
        state = merge(one, write(genesis(**ROW, values={"name": old}, deleted=False), A, name=new))
        assert project(merge(state, two), rules=rules(name=rule)).values["name"] == new


@pytest.mark.rule("ENGINE 8")
@pytest.mark.parametrize("rule", DeleteRule)
def test_a_row_that_both_clouds_had_removed_comes_back_when_somebody_restores_it(rule):
    gone, too = (
        genesis(**ROW, values={"name": "old", "removed": f"202{n}-01-01 00:00:00"}, deleted=True) for n in (1, 2)
    )
    back = write(gone, A, deleted=False, removed=None)
    assert project(merge(back, too), rules=rules(delete=rule)).alive


@pytest.mark.rule("ENGINE 8")
def test_only_old_values_that_differ_stay_in_conflict_with_each_other():
    one = genesis(**ROW, values={"name": "same", "email": "a@x", "removed": None}, deleted=False)
    two = genesis(**ROW, values={"name": "same", "email": "b@x", "removed": None}, deleted=False)
    shown = project(merge(one, two), rules=rules(email=FieldRule(Rule.MANUAL)))
    assert [(conflict.field, conflict.open) for conflict in shown.conflicts] == [("email", True)]


@pytest.mark.rule("ENGINE 8")
@pytest.mark.parametrize(("rule", "alive"), [(DeleteRule.DELETE_WINS, False), (DeleteRule.UPDATE_WINS, True)])
def test_a_row_that_one_cloud_had_removed_before_they_met_follows_the_delete_rule(rule, alive):
    gone = genesis(**ROW, values={"name": "old", "removed": "2020-01-01 00:00:00"}, deleted=True)
    there = genesis(**ROW, values={"name": "old", "removed": None}, deleted=False)
    assert project(merge(gone, there), rules=rules(delete=rule)).alive is alive


@pytest.mark.rule("ENGINE 8")
@pytest.mark.parametrize("rule", DeleteRule)
def test_a_captured_deletion_beats_whatever_was_there_before(rule):
    one = genesis(**ROW, values={"name": "old-1", "removed": None}, deleted=False)
    two = genesis(**ROW, values={"name": "old-2", "removed": None}, deleted=False)
    gone = write(one, A, deleted=True, removed="2026-01-01 00:00:00")
    assert not project(merge(gone, two), rules=rules(delete=rule)).alive
