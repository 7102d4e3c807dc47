"""What must hold before anything is made: a place, an id, a claim; else a Region only waits and says why."""

import pytest

from region_operator.controller.facts import IdHolder, Invalid, NamespaceFacts, PlacementFacts, Unknown
from region_operator.controller.plan import steps
from unit.controller.plan.regions import SPECS, region
from unit.controller.plan.world import World
from unit.controller.plan.worlds import only_wait, settled


@pytest.mark.rule("OPERATOR 6")
def test_nothing_is_written_into_a_namespace_that_does_not_consent():
    world = World(region("other-namespace"))
    for consent in (None, (), ("others",)):
        place = PlacementFacts(cluster="c", namespace=NamespaceFacts("placed", consent=consent))
        world.changes = {"placement": place}
        wait = only_wait(world)
        assert (wait.reason, wait.stalled) == ("PlacementNotPermitted", True)
        assert "data.from: clouds" in wait.message


@pytest.mark.parametrize(
    ("cluster", "reason", "unknown"),
    [
        (Invalid("KubeconfigRefused", "exec is not allowed"), "KubeconfigRefused", False),
        (Invalid("SecretNotFound", "no such Secret"), "SecretNotFound", False),
        (Invalid("SecretKeyMissing", "it has no key kubeconfig"), "SecretKeyMissing", False),
        (Unknown("ProbeTimeout", "no answer"), "ProbeTimeout", True),
    ],
)
def test_without_its_cluster_a_region_only_waits(cluster, reason, unknown):
    place = PlacementFacts(cluster=cluster, same_cluster=False, namespace=Unknown("x", "x"))
    world = World(region("other-cluster"), changes={"placement": place, "children": Unknown("x", "x")})

    wait = only_wait(world)

    assert (wait.reason, wait.unknown) == (reason, unknown)


def test_a_kubeconfig_that_leads_to_another_cluster_is_not_followed():
    world = settled("other-cluster")
    noted = world.region.status.model_copy(
        update={"placement": type("P", (), {"cluster": "the-old-one", "namespace": "placed"})()}
    )
    world.region = world.region.model_copy(update={"status": noted})

    assert only_wait(world).reason == "ClusterChanged"
    world.deleting = True
    assert only_wait(world).reason == "PlacementUnreachable"


@pytest.mark.rule("OPERATOR 8")
def test_a_region_of_another_hub_is_not_touched_until_it_is_taken_over():
    world = settled()
    world.objects[("placement", "ConfigMap", "minimal-claim")]["data"]["hub"] = "other-hub"

    wait = only_wait(world)
    assert (wait.reason, wait.stalled) == ("ClaimedByAnotherHub", True)

    world.region = region(annotations={"region-operator.io/take-over": "other-hub"})
    world.settle()
    claim = world.objects[("placement", "ConfigMap", "minimal-claim")]["data"]
    assert claim == {"hub": "hub-uid", "region": "clouds/minimal", "epoch": "2"}


@pytest.mark.rule("OPERATOR 19")
def test_of_two_regions_with_one_id_the_one_with_the_claim_goes_on():
    other = IdHolder("clouds", "aaa", "uid", holds_claim=False)
    fresh = World(region(), changes={"same_id": (other,)})
    assert only_wait(fresh).reason == "RegionIdClash"

    provisioned = settled()
    provisioned.changes = {"same_id": (other,)}
    assert provisioned.step() == 0
    assert not [wait for wait in provisioned.plan().waits if wait.reason == "RegionIdClash"]


@pytest.mark.rule("OPERATOR 6")
def test_an_object_with_a_childs_name_that_is_not_ours_is_never_forced():
    world = settled()
    world.objects[("placement", "Service", "minimal-agent")]["metadata"]["labels"] = {"app": "other"}

    wait = only_wait(world)

    assert (wait.reason, wait.stalled) == ("NameCollision", True)
    assert "Service clouds/minimal-agent" in wait.message


@pytest.mark.rule("OPERATOR 13")
def test_a_retained_volume_is_taken_up_only_by_the_region_with_its_id():
    world = settled()
    world.deleting = True
    world.settle()
    volume = world.objects[("placement", "PersistentVolumeClaim", "data-minimal-database-0")]

    again = World(region(), objects={k: v for k, v in world.objects.items()})
    again.settle()
    assert again.objects[("placement", "PersistentVolumeClaim", "data-minimal-database-0")] == volume

    stranger = World(region(spec={**SPECS["minimal"], "id": 9}), objects=world.objects)
    assert only_wait(stranger).reason == "RetainedDataOfAnotherRegion"


@pytest.mark.rule("OPERATOR 10")
def test_a_lost_database_key_is_never_made_anew():
    world = settled()
    del world.objects[("hub", "Secret", "cloud-database-key")]

    reasons = [wait.reason for wait in world.plan().waits if wait.gate]

    assert reasons == ["DatabaseKeyMissing"]
    assert not [act for act in world.plan().acts if isinstance(act, steps.CreateOnly)]


@pytest.mark.rule("OPERATOR 23")
def test_a_paused_region_is_left_alone_even_when_it_is_deleted():
    world = settled()
    world.region = region(spec={**SPECS["minimal"], "paused": True})
    assert only_wait(world).reason == "PausedBySpec"
    world.deleting = True
    assert only_wait(world).reason == "Paused"


def test_nothing_is_created_in_a_namespace_that_is_being_deleted():
    world = World(region(), changes={"placement": PlacementFacts("c", namespace=NamespaceFacts("clouds", True))})
    assert only_wait(world).reason == "NamespaceTerminating"


def test_a_placement_that_was_looked_at_in_part_is_not_planned_with():
    world = settled()
    world.changes = {"children": Unknown("Forbidden", "may not list Jobs")}
    wait = only_wait(world)
    assert (wait.condition, wait.reason, wait.unknown) == ("PlacementReachable", "Forbidden", True)
