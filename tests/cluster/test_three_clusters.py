"""Three clusters: one is the hub and holds no region, each of the others holds one; then the hub is gone."""

import pytest

import clouds
from clouds import Kubectl
from fleets import Fleet, peering, region, until

pytestmark = pytest.mark.timeout(1200)

FLEET, WEST, EAST = "three-clusters", "eu-west", "us-east"


@pytest.fixture
def places(cluster, second_cluster):
    """Where the regions run, by name."""
    places = {WEST: cluster, EAST: second_cluster}
    for place in places.values():
        place.kubectl("create", "namespace", FLEET)
    yield places
    for place in places.values():
        place.kubectl("delete", "namespace", FLEET, "--wait=false")


def declare(fleet, places):
    for name, place in places.items():
        kubeconfig = {"kubeconfig": place.peer_kubeconfig.read_text()}
        fleet.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": kubeconfig})
    fleet.apply(*(placed(name, number, place) for number, (name, place) in enumerate(places.items(), start=1)))
    fleet.apply(peering(WEST, EAST))


def placed(name, number, place):
    placement = {"namespace": FLEET, "kubeconfigSecretRef": {"name": name, "key": "kubeconfig"}}
    agent = {"managed": {"expose": {"type": "NodePort", "host": place.node_address}}}
    return region(name, number, agent=agent, placement=placement)


def create(cloud, name):
    person = {"username": name, "firstname": name, "lastname": "Example", "email": f"{name}@example.net"}
    return cloud.api.createAccount(account=name, accounttype=0, **person, password="correct horse")["account"]["id"]


def kill_agent(place):
    label = f"app.kubernetes.io/component=agent,region-operator.io/region-name={WEST}"
    where = ("get", "pods", "-n", FLEET, "-l", label, "-o")
    held = place.kubectl(*where, "jsonpath={.items[0].status.containerStatuses[0].containerID}")
    place.kill(held.removeprefix("containerd://"))


def test_two_clusters_exchange_what_is_written_also_when_the_third_that_wired_them_is_gone(hub, places):
    hub_cluster, operator = hub
    hub_cluster.kubectl("create", "namespace", FLEET)
    operator.allow(FLEET)
    fleet = Fleet(hub_cluster, FLEET)
    declare(fleet, places)
    fleet.until_ready(WEST, EAST, within_s=300)
    fleet.until_told(f"{WEST}-{EAST}", "Ready", "True", kind="regionpeering", within_s=240)
    west, east = (Kubectl(str(place.kubeconfig), FLEET) for place in places.values())
    with clouds.region(west, WEST) as here, clouds.region(east, EAST) as there:
        for gone in (False, True):
            if gone:
                hub_cluster.down()
                kill_agent(places[WEST])  # it knows of its links from its own database
            for near, far in ((here, there), (there, here)):
                name = f"{near.name}-{'after' if gone else 'before'}"
                made = create(near, name)
                found = until(f"{name} has crossed", lambda far=far, name=name: far.user(name), within_s=120)
                assert found["accountid"] == made
