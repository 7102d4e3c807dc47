import pytest

import kind_cases

REGION = {"id": 1, "policyRef": {"name": "default"}, "database": {"managed": {"storage": {"size": "20Gi"}}}}
PEERING = {"regions": [{"name": "eu-west"}, {"name": "us-east"}]}


def identity(body):
    return f"{body['kind']}/{body['metadata']['name']}"


def test_one_region_is_named_after_the_release(render):
    (region,) = render("region", {"region": REGION}, release="eu-west")
    assert identity(region) == "Region/eu-west"
    assert region["spec"] == REGION
    assert region["metadata"]["namespace"] == "operators"


def test_a_set_of_regions_comes_with_its_policies_and_peerings(render):
    values = {
        "regions": {"eu-west": REGION, "us-east": REGION | {"id": 2}},
        "syncPolicies": {"default": {}},
        "peerings": {"eu-west-us-east": PEERING},
        "labels": {"team": "cloud"},
        "annotations": {"note": "seen"},
    }
    objects = render("region", values)
    assert sorted(map(identity, objects)) == [
        "Region/eu-west",
        "Region/us-east",
        "RegionPeering/eu-west-us-east",
        "SyncPolicy/default",
    ]
    assert {body["metadata"]["labels"]["team"] for body in objects} == {"cloud"}
    assert {body["metadata"]["annotations"]["note"] for body in objects} == {"seen"}


def test_nothing_is_made_of_nothing(render):
    assert render("region") == []


@pytest.mark.parametrize("good", kind_cases.GOOD, ids=lambda good: f"{good['kind']} {good['metadata']['name']}")
def test_whatever_a_kind_can_say_can_be_said_by_values(render, good):
    place = {"Region": "regions", "RegionPeering": "peerings", "SyncPolicy": "syncPolicies"}[good["kind"]]
    (made,) = render("region", {place: {"x": good["spec"]}})
    assert made["spec"] == good["spec"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"regoin": REGION}, "regoin"),
        ({"region": REGION | {"databse": {}}}, "databse"),
        ({"region": {"id": 1}}, "database"),
        ({"regions": {"eu-west": REGION | {"id": 0}}}, "regions.eu-west.id"),
        ({"regions": {"EU": REGION}}, "EU"),
        ({"regions": {"eu-west": {"id": 1, "database": {"managed": {"storage": {"sise": "1Gi"}}}}}}, "sise"),
        ({"peerings": {"p": {"regions": [{"name": "eu-west"}]}}}, "peerings.p.regions"),
        ({"syncPolicies": {"p": {"lag": {"objectiveSeconds": "fast"}}}}, "objectiveSeconds"),
    ],
)
def test_bad_values_are_refused_by_name(render, values, says):
    with pytest.raises(Exception, match=says) as refused:
        render("region", values)
    assert type(refused.value).__name__ == "Refused"
