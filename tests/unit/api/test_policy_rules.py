import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator.api.agent import LinkLimits
from region_operator.api.policy import SyncPolicySpec
from region_operator.api.policy_rules import effective_rules, link_limits

ENTITIES = [
    {
        "name": "account",
        "rule": "Manual",
        "acceptFrom": [2, 1],
        "fields": [{"name": "state", "rule": "MostRestrictive"}],
    },
    {"name": "domain", "mode": "Off"},
    {"name": "user", "fields": [{"name": "email", "rule": "Manual"}, {"name": "state", "rule": "Manual"}]},
]


def rules(**spec):
    return effective_rules(SyncPolicySpec.model_validate(spec))


def test_no_policy_an_empty_policy_and_spelled_out_defaults_are_the_same():
    spelled_out = rules(
        entities=[{"name": "user", "mode": "Sync"}],
        conflicts={"rule": "HighestVersion", "deleteRule": "DeleteWins", "uniqueClash": "Park", "retentionDays": 90},
    )
    assert effective_rules(None) == rules() == spelled_out


@given(st.permutations(ENTITIES))
def test_the_hash_does_not_depend_on_the_order_of_entities(entities):
    assert rules(entities=entities).hash == rules(entities=ENTITIES).hash


def test_the_hash_does_not_depend_on_the_order_of_fields_or_accepted_regions():
    turned = [
        entity | {key: list(reversed(entity[key])) for key in ("fields", "acceptFrom") if key in entity}
        for entity in ENTITIES
    ]
    assert rules(entities=turned).hash == rules(entities=ENTITIES).hash


@pytest.mark.parametrize(
    "spec",
    [
        {"conflicts": {"regionPriority": [1, 2]}},
        {"conflicts": {"regionPriority": [2, 1]}},
        {"conflicts": {"deleteRule": "UpdateWins"}},
        {"conflicts": {"rule": "Manual"}},
        {"entities": [{"name": "user", "mode": "Off"}]},
        {"entities": [{"name": "user", "acceptFrom": []}]},
        {"entities": [{"name": "user", "fields": [{"name": "email", "rule": "Manual"}]}]},
    ],
)
def test_every_difference_of_meaning_changes_the_hash(spec):
    assert rules(**spec).hash != effective_rules(None).hash


def test_the_order_of_region_priority_means_something():
    one, two = ({"regionPriority": priority} for priority in ([1, 2], [2, 1]))
    assert rules(conflicts=one).hash != rules(conflicts=two).hash


def test_what_governs_peerings_does_not_change_the_rules():
    assert rules(lag={"objectiveSeconds": 1}, link={"batchRows": 5}).hash == effective_rules(None).hash


def test_limits_of_links_follow_the_policy_and_its_defaults():
    assert link_limits(None) == LinkLimits()
    spec = SyncPolicySpec.model_validate({"link": {"maxKilobytesPerSecond": 9}, "parking": {"maxRows": 7}})
    assert link_limits(spec) == LinkLimits(max_kilobytes_per_second=9, parking_max_rows=7)
