import pytest

from region_operator.controller.facts import Invalid, PlacementFacts, Unknown
from region_operator.controller.plan import steps
from region_operator.controller.plan.context import agent_endpoint
from unit.controller.plan.regions import SPECS, region
from unit.controller.plan.test_configuration import held, peering
from unit.controller.plan.world import World


def torn_down(name="minimal", spec=None, **changes):
    world = World(region(name, spec=spec))
    world.settle()
    world.deleting = True
    world.changes = changes
    world.log.clear()
    world.settle()
    return world


def waits(world):
    return [wait.reason for wait in world.plan().waits]


def left(world):
    return {f"{item['kind']}/{item['metadata']['name']}" for item in world.manifests()}


@pytest.mark.rule("OPERATOR 13")
def test_what_others_need_goes_last():
    world = torn_down()
    deleted = [line.removeprefix("Delete ") for line in world.log if line.startswith("Delete ")]

    def place(name):
        return next(at for at, line in enumerate(deleted) if line.startswith(name))

    assert (
        place("Deployment/minimal-management")
        < place("Deployment/minimal-agent")
        < place("StatefulSet/")
        < place("Service/")
        < place("Secret/")
        < place("ConfigMap/minimal-claim")
    )
    assert world.log[-1] == "RemoveFinalizer"
    assert not world.finalizer


@pytest.mark.rule("OPERATOR 13")
def test_retain_leaves_the_volume_and_the_generated_secrets():
    assert left(torn_down()) == {
        "PersistentVolumeClaim/data-minimal-database-0",
        "Secret/minimal-admin",
        "Secret/minimal-database",
        "Secret/minimal-database-key",
        "Secret/minimal-management-api",
    }


@pytest.mark.parametrize("name", SPECS)
def test_delete_leaves_nothing(name):
    assert left(torn_down(name, {**SPECS[name], "deletionPolicy": "Delete"})) == set()


@pytest.mark.rule("OPERATOR 9")
def test_a_protected_region_keeps_its_data_where_nothing_could_refuse_the_deletion():
    spec = {**SPECS["minimal"], "deletionPolicy": "Delete", "deletionProtection": True}
    assert "PersistentVolumeClaim/data-minimal-database-0" in left(torn_down(spec=spec))
    assert left(torn_down(spec=spec, protected_by_admission=True)) == set()


def test_copies_of_a_users_secrets_go_in_any_case():
    kept = left(torn_down("external-server"))
    assert "Secret/external-server-management-api" not in kept
    assert "Secret/external-server-database" in kept


@pytest.mark.rule("OPERATOR 20")
def test_a_peering_that_stays_blocks_and_one_that_leaves_is_waited_for():
    world = torn_down(peerings=(peering(),))
    assert waits(world) == ["PeeringsExist"]
    assert "Deployment/minimal-agent" in left(world)

    world = torn_down(peerings=(peering(deleting=True),))
    assert waits(world) == ["PeeringsLeaving"]

    world = torn_down(peerings=(peering(deleting=True, finalizer=False),))
    assert not world.finalizer


@pytest.mark.rule("OPERATOR 20")
def test_an_agent_is_told_to_leave_while_its_region_waits():
    world = World(region())
    world.settle()
    world.agent = world.agent.model_copy(update={"links": [held("p1")]})
    world.deleting = True
    world.changes = {"peerings": (peering(deleting=True, regions=("minimal", "us")),)}

    (push,) = (act for act in world.plan().acts if isinstance(act, steps.PushConfiguration))
    assert [link.state for link in push.document.links] == ["Leaving"]


@pytest.mark.rule("OPERATOR 20")
@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        (Invalid("SecretNotFound", "no such Secret"), "CredentialsMissing"),
        (Unknown("ProbeTimeout", "no answer"), "PlacementUnreachable"),
    ],
)
def test_a_lost_cluster_blocks_until_the_region_is_abandoned(cluster, reason):
    place = PlacementFacts(cluster=cluster, same_cluster=False)
    changes = {"placement": place, "children": Unknown("x", "out of reach")}
    world = torn_down("other-cluster", **changes)
    assert waits(world) == [reason]
    assert world.finalizer

    world.region = region("other-cluster", annotations={"region-operator.io/abandon": "true"})
    warn, remove = world.plan().acts
    assert isinstance(warn, steps.Warn)
    assert "out" in warn.message or "cannot be looked at" in warn.message
    assert isinstance(remove, steps.RemoveFinalizer)


def test_what_is_abandoned_is_listed_and_left():
    world = World(region())
    world.settle()
    before = left(world)
    world.deleting = True
    world.region = region(annotations={"region-operator.io/abandon": "true"})
    (warn, _) = world.plan().acts
    assert all(name in warn.message for name in before)
    world.settle()
    assert left(world) == before


@pytest.mark.rule("OPERATOR 19")
def test_the_loser_of_an_id_is_released_without_touching_the_winners_children():
    world = World(region())
    world.settle()
    before = left(world)
    loser = World(region("loser", spec=SPECS["minimal"]), objects=world.objects, finalizer=True, deleting=True)
    loser.settle()
    assert not loser.finalizer
    assert left(world) == before


@pytest.mark.rule("OPERATOR 8")
def test_a_region_that_another_hub_commands_is_let_go_untouched():
    world = World(region())
    world.settle()
    before = left(world)
    world.objects[("placement", "ConfigMap", "minimal-claim")]["data"]["hub"] = "other"
    world.deleting = True
    world.settle()
    assert left(world) == before
    assert not world.finalizer


def test_nothing_is_done_for_a_deleted_region_that_is_no_longer_ours_to_hold():
    world = World(region(), deleting=True)
    assert world.plan().steps == ()
    assert agent_endpoint(world.region, world.look()) == "https://minimal-agent.clouds.svc:8443"
