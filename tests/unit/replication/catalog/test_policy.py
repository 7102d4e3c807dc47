"""Rules of a policy for the fields of the catalog: the most specific word counts."""

import pytest

from region_operator.api.agent import EntityRules, FieldRule, Rules
from region_operator.errors import InvalidInput
from region_operator.replication.catalog import ACCOUNT, CATALOG, USER, rule_set, rule_sets
from region_operator.replication.model import DeleteRule, Rule, UniqueClash


def policy(*, fields=(), fleet: str = "HighestVersion", **entity) -> Rules:
    named = [FieldRule(name=name, rule=rule) for name, rule in fields]
    return Rules(hash="sha256:0", rule=fleet, entities=[EntityRules(name="account", fields=named, **entity)])


def test_without_a_word_states_are_most_restrictive_and_the_rest_is_highest_version():
    rules = rule_set(ACCOUNT, Rules(hash="sha256:0"))
    assert rules.fields["state"].rule is Rule.MOST_RESTRICTIVE
    assert rules.fields["account_name"].rule is Rule.HIGHEST_VERSION
    assert (rules.delete_rule, rules.unique_clash, rules.synced) == (DeleteRule.DELETE_WINS, UniqueClash.PARK, True)
    assert rules.removed_field == "removed"


@pytest.mark.parametrize(
    ("given", "state", "name"),
    [
        (policy(fleet="RegionPriority"), Rule.MOST_RESTRICTIVE, Rule.REGION_PRIORITY),
        (policy(rule="RegionPriority"), Rule.REGION_PRIORITY, Rule.REGION_PRIORITY),
        (policy(rule="RegionPriority", fields=[("state", "Manual")]), Rule.MANUAL, Rule.REGION_PRIORITY),
        (policy(fleet="MostRestrictive"), Rule.MOST_RESTRICTIVE, Rule.HIGHEST_VERSION),
        (policy(rule="Max"), Rule.HIGHEST_VERSION, Rule.HIGHEST_VERSION),
    ],
)
def test_the_most_specific_word_counts(given, state, name):
    rules = rule_set(ACCOUNT, given)
    assert (rules.fields["state"].rule, rules.fields["account_name"].rule) == (state, name)


@pytest.mark.rule("ENGINE 4")
@pytest.mark.parametrize("given", [policy(fleet="Manual"), policy(rule="RegionPriority")])
def test_no_policy_changes_the_rule_of_the_time_of_removal(given):
    removed = rule_set(ACCOUNT, given).fields["removed"]
    assert (removed.rule, removed.quiet) == (Rule.MIN, True)


@pytest.mark.parametrize(
    ("given", "reason", "place"),
    [
        (policy(fields=[("account_name", "Max")]), "RuleNotApplicable", r"entities\[account\]\.fields\[account_name\]"),
        (policy(fields=[("account_name", "MostRestrictive")]), "RuleNotApplicable", "account_name"),
        (policy(fields=[("domain_id", "Min")]), "RuleNotApplicable", "domain_id"),
        (policy(fields=[("removed", "Max")]), "RuleNotApplicable", "removed"),
        (policy(fields=[("colour", "Manual")]), "UnknownField", "colour"),
        (Rules(hash="", entities=[EntityRules(name="flower")]), "UnknownEntity", r"entities\[0\]\.name"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_by_name(given, reason, place):
    with pytest.raises(InvalidInput, match=place) as refused:
        rule_sets(CATALOG.values(), given)
    assert refused.value.reason == reason


def test_numbers_are_compared_as_numbers():
    rules = rule_set(ACCOUNT, policy(fields=[("type", "Max")]))
    assert (rules.fields["type"].rule, rules.fields["type"].numeric) == (Rule.MAX, True)


def test_an_entity_left_out_and_regions_not_accepted_are_part_of_the_rules():
    entities = [
        EntityRules(name="user", mode="Off", accept_from=[1, 2], delete_rule="UpdateWins"),
        EntityRules(name="project_member", mode="Off"),
        EntityRules(name="event", mode="Off"),
    ]
    rules = rule_sets(CATALOG.values(), Rules(hash="", entities=entities))
    assert (rules["user"].synced, rules["user"].accept_from) == (False, frozenset({1, 2}))
    assert rules["user"].delete_rule is DeleteRule.UPDATE_WINS
    assert (rules["account"].synced, rules["account"].accept_from) == (True, None)
    assert rules["user"].fields["state"].severity == USER.field("state").severity


def test_what_others_refer_to_is_not_left_out_alone():
    with pytest.raises(InvalidInput, match="cannot be without account") as refused:
        rule_sets(CATALOG.values(), policy(mode="Off"))
    assert refused.value.field == "entities[0].mode"
