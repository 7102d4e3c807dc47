"""Every example is what it says: the API server takes it, and its expected conditions are ones that can come true.

The first example runs in test_two_regions.py, the one with consent here; the others need what only their readers have.
"""

import json

import pytest

import clouds
from fleets import Fleet, until
from region_operator.api.reasons import REASONS

NAMES = sorted(path.name for path in clouds.EXAMPLES.iterdir() if path.is_dir())
CONSENT = "03-region-in-another-namespace"


@pytest.fixture
def fleet(cluster, fleet):
    """A namespace in which the operator may work, emptied in the end."""
    fleet = Fleet(cluster, fleet)
    yield fleet
    fleet("delete", "regions.region-operator.io", "--all", "--timeout=240s")


@pytest.mark.parametrize("name", NAMES)
def test_the_api_server_takes_every_manifest(operator, kubectl, namespace, name):
    manifests = clouds.example(name, namespaces=dict.fromkeys(("clouds", "eu-west", "us-east"), namespace))
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    said = kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(listed))
    assert said.count("created (server dry run)") == len(manifests) > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_is_about_its_own_objects_and_uses_declared_reasons(name):
    made = {f"{item['kind']}/{item['metadata']['name']}" for item in clouds.example(name, namespaces={})}
    expected = clouds.expected(name)
    assert set(expected) <= made
    assert {owner for owner in made if owner.split("/")[0] in REASONS} == set(expected)
    for owner, conditions in expected.items():
        declared = REASONS[owner.split("/")[0]]
        for type_, told in conditions.items():
            assert told["reason"] in declared[type_][told["status"]], f"{owner} {type_}"


@pytest.mark.rule("OPERATOR 6")
def test_a_region_runs_in_another_namespace_once_that_consents(fleet, operator, placement):
    manifests = clouds.example(CONSENT, namespaces={"clouds": fleet.namespace, "eu-west": placement})
    consent, region = sorted(manifests, key=lambda item: item["kind"])
    fleet.apply(region)
    fleet.until_told("eu-west", "Stalled", "True", "PlacementNotPermitted")
    assert "region-operator-placement" in fleet.message("eu-west", "Stalled")
    assert fleet.children("eu-west", namespace=placement) == set()

    fleet.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(consent))
    fleet.request_reconcile("eu-west", token="consented")
    fleet.until_ready("eu-west")
    wanted = clouds.expected(CONSENT)["Region/eu-west"]
    for type_, held in wanted.items():  # the record of the last Job may come a moment after Ready
        fleet.until_told("eu-west", type_, held["status"], held["reason"])
    assert "StatefulSet/eu-west-database" in fleet.children("eu-west", namespace=placement)
    assert fleet.children("eu-west") == set()

    fleet.delete_regions("eu-west")
    until("nothing runs there", lambda: not running(fleet.children("eu-west", namespace=placement)))


def running(children):
    """What is more than data that is kept."""
    return {name for name in children if name.split("/")[0] not in ("Secret", "PersistentVolumeClaim")}


@pytest.fixture
def placement(operator, cluster, namespace):
    """Another namespace, in which the operator has its rights."""
    name = f"{namespace}-placement"
    cluster.kubectl("create", "namespace", name)
    operator.allow(name)
    yield name
    operator.forget(name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
