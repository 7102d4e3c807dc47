import pytest

import kind_cases
import kind_rule_cases
from region_operator.api import crds
from region_operator.api.peering import RegionPeering
from region_operator.api.policy import SyncPolicy
from region_operator.api.region import Region
from region_operator.errors import InvalidInput

MODELS = {"Region": Region, "RegionPeering": RegionPeering, "SyncPolicy": SyncPolicy}
KINDS = [kind.name for kind in crds.KINDS]


def parse(body):
    return MODELS[body["kind"]].parse(body)


@pytest.mark.parametrize("good", kind_cases.GOOD, ids=lambda good: f"{good['kind']} {good['metadata']['name']}")
def test_what_a_good_manifest_says_is_what_is_read(good):
    read = parse(good).spec.wire()
    assert set(kind_cases.given_paths(good["spec"])) <= set(kind_cases.given_paths(read))


@pytest.mark.parametrize("kind", KINDS)
def test_the_good_manifests_say_everything_that_can_be_said(kind):
    said = {path for good in kind_cases.GOOD if good["kind"] == kind for path in kind_cases.given_paths(good["spec"])}
    assert set(kind_cases.spec_paths(kind_cases.spec_schema(kind))) <= said


def test_every_rule_has_a_bad_manifest():
    messages = {message for kind in crds.KINDS for message in kind_cases.rule_messages(crds.schema(kind))}
    tried = [bad.says for bad in (*kind_rule_cases.BAD_STATES, *kind_rule_cases.BAD_UPDATES)]
    assert [message for message in messages if not any(says in message for says in tried)] == []


@pytest.mark.parametrize(
    "bad", [bad for bad in (*kind_cases.limit_cases(), *kind_rule_cases.BAD_STATES) if bad.ours], ids=str
)
def test_what_the_api_server_refuses_is_refused_by_us_naming_the_field(bad):
    with pytest.raises(InvalidInput) as refused:
        parse(bad.manifest)
    assert bad.says in str(refused.value)


def test_a_field_of_a_newer_version_is_ignored():
    region = kind_cases.changed(kind_rule_cases.HERE, ("spec", "novelty"), {"a": 1})
    assert parse(region) == parse(kind_rule_cases.HERE)


def test_a_status_that_cannot_be_read_is_dropped():
    region = parse(kind_rule_cases.HERE | {"status": {"observedGeneration": "many", "conditions": 7}})
    assert region.status.observed_generation is None
    assert region.status.conditions == ()


def test_a_status_survives_being_written_and_read():
    status = {
        "observedGeneration": 2,
        "schema": [{"entity": "user", "reason": "ColumnMissing", "message": "m"}],
        "join": {"stage": "InSync", "forUID": "u"},
        "verification": {"scanID": "s", "verify": "Content"},
        "directions": [
            {
                "source": "a",
                "target": "b",
                "state": "Copying",
                "copy": {"rows": 1, "totalRows": 2, "percent": 50, "rowsPerSecond": 1},
            }
        ],
    }
    peering = parse(kind_rule_cases.PEERED | {"status": status})
    assert set(kind_cases.given_paths(status)) <= set(kind_cases.given_paths(peering.status.wire()))
    assert parse(kind_rule_cases.PEERED | {"status": peering.status.wire()}).status == peering.status


def test_defaults_hold_where_nothing_is_said():
    region = parse(kind_cases.manifest("Region", "r", {"id": 3, "database": {"managed": {"storage": {"size": "1Gi"}}}}))
    assert region.spec.managed_management_server.replicas == 2
    assert region.spec.managed_agent.expose.type == "ClusterIP"
    assert region.spec.database_key_secret_ref.name == "cloud-database-key"


def test_a_region_is_placed_in_its_own_namespace_unless_it_says_another():
    region = {**kind_rule_cases.HERE, "metadata": {"name": "r", "namespace": "fleet"}}
    assert parse(region).placement_namespace == "fleet"
    elsewhere = kind_cases.changed(region, ("spec", "placement"), {"namespace": "eu"})
    assert parse(elsewhere).placement_namespace == "eu"


def test_every_bad_manifest_has_a_title_of_its_own():
    titles = [
        str(bad) for bad in (*kind_cases.limit_cases(), *kind_rule_cases.BAD_STATES, *kind_rule_cases.BAD_UPDATES)
    ]
    assert len(titles) == len(set(titles))
