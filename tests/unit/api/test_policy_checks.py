import pytest

from region_operator.api.policy import SyncPolicySpec
from region_operator.api.policy_checks import EntityFields, check_policy
from region_operator.errors import InvalidInput

ENTITIES = {
    "account": EntityFields(frozenset({"name", "state"}), ranked=frozenset({"state"})),
    "event": EntityFields(frozenset({"level"}), ordered=frozenset({"level"}), parents=frozenset({"account"})),
}


def check(**spec):
    check_policy(SyncPolicySpec.model_validate(spec), entities=ENTITIES, poll_seconds=5)


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"entities": [{"name": "ghost"}]}, "spec.entities[0].name", "UnknownEntity"),
        (
            {"entities": [{"name": "event"}, {"name": "account", "fields": [{"name": "zone", "rule": "Manual"}]}]},
            "spec.entities[1].fields[0].name",
            "UnknownField",
        ),
        ({"entities": [{"name": "account", "rule": "Max"}]}, "spec.entities[0].rule", "RuleNotApplicable"),
        (
            {"entities": [{"name": "account", "fields": [{"name": "name", "rule": "MostRestrictive"}]}]},
            "spec.entities[0].fields[0].rule",
            "RuleNotApplicable",
        ),
        ({"entities": [{"name": "account", "mode": "Off"}]}, "spec.entities[0].mode", "InvalidInput"),
        ({"conflicts": {"rule": "Min"}}, "spec.conflicts.rule", "RuleNotApplicable"),
        ({"partition": {"evidenceMaxAgeSeconds": 9}}, "spec.partition.evidenceMaxAgeSeconds", "InvalidInput"),
        ({"scan": {"cron": "61 1 * * *"}}, "spec.scan.cron", "InvalidCron"),
        ({"scan": {"cron": "0 0 1 * * *"}}, "spec.scan.cron", "InvalidCron"),
        ({"scan": {"timeZone": "Mars/Olympus"}}, "spec.scan.timeZone", "InvalidTimeZone"),
        ({"scan": {"timeZone": "../../etc/passwd".replace(".", "")}}, "spec.scan.timeZone", "InvalidTimeZone"),
        ({"scan": {"objectiveSeconds": 3600}}, "spec.scan.objectiveSeconds", "InvalidInput"),
        (
            {"scan": {"intervalSeconds": 600, "objectiveSeconds": 599}},
            "spec.scan.objectiveSeconds",
            "InvalidInput",
        ),
        ({"scan": {"timeZone": "Europe"}}, "spec.scan.timeZone", "InvalidTimeZone"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_by_field_and_reason(spec, field, reason):
    with pytest.raises(InvalidInput) as refused:
        check(**spec)
    assert (refused.value.field, refused.value.reason) == (field, reason)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"entities": [{"name": "account", "fields": [{"name": "state", "rule": "MostRestrictive"}]}]},
        {"entities": [{"name": "event", "rule": "Max"}]},
        {"entities": [{"name": "event", "mode": "Off"}]},
        {"entities": [{"name": "event", "mode": "Off"}, {"name": "account", "mode": "Off"}]},
        {"scan": {"cron": "0 1 * * SUN", "timeZone": "Europe/Berlin"}},
        {"scan": {"intervalSeconds": 600, "objectiveSeconds": 600}},
        {"scan": {"objectiveSeconds": 0}},
    ],
)
def test_what_can_be_acted_on_is_accepted(spec):
    check(**spec)
