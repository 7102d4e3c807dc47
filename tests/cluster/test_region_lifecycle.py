"""One managed Region through its life: edited, scaled, grown, paused, protected, deleted and taken up again."""

import json

import pytest

import clouds
from devcluster.toolchain import Unavailable
from fleets import Fleet, region, until
from region_operator import naming

NAME = "eu-west"
AGENT, DATABASE, MANAGEMENT = f"{NAME}-agent", f"{NAME}-database", f"{NAME}-management"
POD, VOLUME = f"{DATABASE}-0", naming.database_volume(NAME)
RETAINED = {
    f"PersistentVolumeClaim/{VOLUME}",
    *(f"Secret/{NAME}-{name}" for name in ("admin", "database", "database-key", "management-api")),
}


@pytest.fixture(scope="module")
def fleet(cluster, module_fleet):
    return Fleet(cluster, module_fleet)


@pytest.fixture
def eu_west(fleet):
    """The Region, Ready; made by the first test that asks for it."""
    if not fleet.exists("region", NAME) or fleet.told(NAME)[0] != "True":
        fleet.apply(region(NAME))
        fleet.until_ready(NAME)
    return NAME


# --- edits by hand ----------------------------------------------------------------------------------------------------


def port_of(service):
    return service["spec"]["ports"][0]["port"]


def image_of(deployment):
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


EDITS = {
    "the port of a Service": ("service", AGENT, [("replace", "/spec/ports/0/port", 9999)], port_of),
    "the image of a Deployment": (
        "deployment",
        MANAGEMENT,
        [("replace", "/spec/template/spec/containers/0/image", "example.net/other:1")],
        image_of,
    ),
    "the server's configuration": (
        "configmap",
        DATABASE,
        [("replace", "/data/my.cnf", "[mariadbd]\n")],
        lambda body: body["data"],
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_by_hand_is_put_back(fleet, eu_west, edit):
    kind, name, operations, look = EDITS[edit]
    before = look(fleet.get(kind, name))
    patch = [{"op": op, "path": path, "value": value} for op, path, value in operations]
    fleet.patch(kind, name, patch, how="json")
    until(f"{edit} is put back", lambda: look(fleet.get(kind, name)) == before)
    fleet.until_ready(NAME)


def test_a_child_deleted_by_hand_comes_back(fleet, eu_west):
    before = fleet.get("networkpolicy", AGENT)
    fleet("delete", "networkpolicy", AGENT)
    until("the NetworkPolicy is back", lambda: fleet.exists("networkpolicy", AGENT))
    after = fleet.get("networkpolicy", AGENT)
    assert (after["spec"], after["metadata"]["labels"]) == (before["spec"], before["metadata"]["labels"])


def test_a_database_goes_on_while_its_statefulset_is_made_again(fleet, eu_west):
    before = fleet.get("pod", POD)["metadata"]["uid"]
    fleet("delete", "statefulset", DATABASE, "--cascade=orphan")
    until("the StatefulSet is back", lambda: fleet.exists("statefulset", DATABASE))
    fleet.until_ready(NAME)
    assert fleet.get("pod", POD)["metadata"]["uid"] == before


# --- edits of the Region ----------------------------------------------------------------------------------------------


def test_management_servers_are_scaled_out_and_in(fleet, eu_west):
    for replicas in (2, 1):
        fleet.patch("region", NAME, {"spec": {"managementServer": {"managed": {"replicas": replicas}}}})
        fleet.until_ready(NAME)
        status = fleet.get("region", NAME)["status"]["managementServer"]
        assert (status["replicas"], status["readyReplicas"]) == (replicas, replicas)
        until("no Pod is too many", lambda n=replicas: len(management_pods(fleet)) == n)


def management_pods(fleet):
    return {name for name in fleet.children(NAME) if name.startswith(f"Pod/{MANAGEMENT}-")}


@pytest.mark.rule("OPERATOR 22")
def test_storage_grows_without_a_restart_and_never_shrinks(fleet, eu_west):
    if not json.loads(fleet("get", "storageclass", "-o", "json"))["items"][0].get("allowVolumeExpansion"):
        pytest.skip("volumes of this cluster cannot grow")
    pod, stateful_set = (fleet.get(*item)["metadata"]["uid"] for item in (("pod", POD), ("statefulset", DATABASE)))
    fleet.patch("region", NAME, storage("2Gi"))
    fleet.until_told(NAME, "DatabaseReady", "False", "StorageResizing")
    assert fleet.get("pvc", VOLUME)["spec"]["resources"]["requests"]["storage"] == "2Gi"
    fleet("patch", "pvc", VOLUME, "--subresource=status", "--type=merge", "-p", json.dumps(GROWN))
    fleet.request_reconcile(NAME, token="grown")
    fleet.until_ready(NAME)
    made_again = fleet.get("statefulset", DATABASE)
    template = made_again["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    assert (template, made_again["metadata"]["uid"] != stateful_set) == ("2Gi", True)
    assert fleet.get("pod", POD)["metadata"]["uid"] == pod

    with pytest.raises(Unavailable, match=r"spec.database.managed.storage"):
        fleet.patch("region", NAME, storage("1Gi"))


GROWN = {"status": {"capacity": {"storage": "2Gi"}}}  # as the storage's driver says it; this cluster has none


def storage(size):
    return {"spec": {"database": {"managed": {"storage": {"size": size}}}}}


@pytest.mark.rule("OPERATOR 23")
def test_a_paused_region_is_left_alone_until_it_goes_on(fleet, eu_west):
    fleet.patch("region", NAME, {"spec": {"paused": True}})
    fleet.until_told(NAME, "Paused", "True", "PausedBySpec")
    wanted = fleet.get("configmap", DATABASE)["data"]
    fleet.patch("configmap", DATABASE, {"data": {"my.cnf": "[mariadbd]\n"}})
    fleet.request_reconcile(NAME, token="while-paused")
    fleet.until_handled(NAME, "while-paused")
    assert fleet.get("configmap", DATABASE)["data"] == {"my.cnf": "[mariadbd]\n"}

    fleet.patch("region", NAME, {"spec": {"paused": False}})
    until("the edit is put back", lambda: fleet.get("configmap", DATABASE)["data"] == wanted)
    fleet.until_ready(NAME)


@pytest.mark.rule("OPERATOR 9")
def test_a_protected_region_is_not_deleted(fleet, eu_west):
    fleet.patch("region", NAME, {"spec": {"deletionProtection": True}})
    with pytest.raises(Unavailable, match="deletionProtection is true"):
        fleet("delete", "region", NAME, "--timeout=5s")
    fleet.patch("region", NAME, {"spec": {"deletionProtection": False}})
    fleet.until_ready(NAME)


# --- what is somebody else's ------------------------------------------------------------------------------------------


@pytest.mark.rule("OPERATOR 6")
def test_a_foreign_object_in_the_way_is_named_and_not_touched(fleet):
    name = "us-east"
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{name}-agent"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "somebody-else"}},
    }
    fleet.apply(foreign)
    before = fleet.get("service", f"{name}-agent")
    fleet.apply(region(name, 2))
    fleet.until_told(name, "Stalled", "True", "NameCollision")
    assert f"Service {fleet.namespace}/{name}-agent" in fleet.message(name, "Stalled")
    assert not fleet.children(name)

    fleet.delete_regions(name)
    assert fleet.get("service", f"{name}-agent") == before
    fleet("delete", "service", f"{name}-agent")


# --- the end, and what is left ----------------------------------------------------------------------------------------


@pytest.mark.rule("OPERATOR 13")
def test_retained_data_is_taken_up_by_its_own_region_only(fleet, eu_west):
    with clouds.region(fleet.kubectl, NAME) as cloud:
        account = cloud.api.createAccount(account="ada", accounttype=0, **person("ada"))["account"]
    password = fleet.kubectl.secret(f"{NAME}-admin")
    incarnation = fleet.get("region", NAME)["status"]["agent"]["incarnation"]
    size = fleet.get("pvc", VOLUME)["spec"]["resources"]["requests"]["storage"]

    fleet.delete_regions(NAME)
    until("only data is left", lambda: fleet.children(NAME) == RETAINED)
    labels = f"{naming.LABEL_REGION_ID}=1,{naming.LABEL_REGION_NAME}={NAME}"
    assert len(fleet("get", "pvc,secrets", "-l", labels, "-o", "name").splitlines()) == len(RETAINED)

    fleet.apply(region(NAME, 7))
    fleet.until_told(NAME, "Stalled", "True", "RetainedDataOfAnotherRegion")
    assert fleet.children(NAME) == RETAINED
    fleet.delete_regions(NAME)
    assert fleet.children(NAME) == RETAINED

    fleet.apply(region(NAME, size=size))
    fleet.until_ready(NAME)
    assert fleet.kubectl.secret(f"{NAME}-admin") == password
    with clouds.region(fleet.kubectl, NAME) as cloud:
        assert cloud.user("ada")["accountid"] == account["id"]
    assert fleet.get("region", NAME)["status"]["agent"]["incarnation"] != incarnation


def person(name):
    known = {"username": name, "firstname": name, "lastname": "Example", "email": f"{name}@example.net"}
    return {**known, "password": "correct horse"}


@pytest.mark.rule("OPERATOR 13")
def test_a_region_deleted_with_its_data_leaves_nothing(fleet, eu_west):
    fleet.patch("region", NAME, {"spec": {"deletionPolicy": "Delete"}})
    fleet.delete_regions(NAME)
    until("nothing is left", lambda: fleet.children(NAME) == set())
    until("its volume is gone", lambda: not volumes_of(fleet))


def volumes_of(fleet):
    """What the storage's provisioner, which comes after us, has not removed yet."""
    volumes = json.loads(fleet("get", "pv", "-o", "json"))["items"]
    return [item for item in volumes if item["spec"]["claimRef"]["namespace"] == fleet.namespace]
