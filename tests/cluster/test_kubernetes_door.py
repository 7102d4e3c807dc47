"""The door to Kubernetes before a real API server: what it writes, what it refuses to write, and what it tells."""

import asyncio
import contextlib
import re
import uuid
from pathlib import Path

import aiohttp
import pytest

from region_operator import naming
from region_operator.errors import Conflict, InvalidInput, Refused, Unavailable
from region_operator.kubernetes import kinds, kubeconfig, pages
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.clusters import Clusters
from region_operator.kubernetes.connection import Connection
from region_operator.kubernetes.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, SECRET, SERVICE
from region_operator.kubernetes.watch import Change, Watch, Watches
from region_operator.supervision import Supervisor

OURS = {naming.LABEL_HUB: "hub-1", naming.LABEL_REGION_NAMESPACE: "fleet", naming.LABEL_REGION_NAME: "eu-west"}
HUB = f"{naming.LABEL_HUB}=hub-1"
WRITES = frozenset({"POST", "PATCH", "DELETE", "APPLY"})  # the cluster's own controllers PUT, and delete collections


@pytest.fixture(scope="module")
def access(cluster) -> kubeconfig.Access:
    return kubeconfig.parse(Path(cluster.kubeconfig).read_bytes(), allow_special_addresses=True)


def open_door(access, *, may_write=lambda: True) -> Cluster:
    connection = Connection(kubeconfig.configuration(access), tls=kubeconfig.tls_context(access))
    return Cluster("test", connection, may_write=may_write)


@pytest.fixture
async def here(access):
    """The door."""
    here = open_door(access)
    yield here
    await here.close()


@pytest.fixture
async def namespace(here):
    name = f"door-{uuid.uuid4().hex[:8]}"
    await here.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    found = await here.get(NAMESPACE, None, name)
    await here.delete(NAMESPACE, None, name, uid=found["metadata"]["uid"])


def config_map(namespace, *, data=None, labels=None, name="settings"):
    metadata = {"namespace": namespace, "name": name, "labels": OURS if labels is None else labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"a": "1"}}


def deployment(namespace):
    labels = {"app": "eu-west"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "none"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": "agent", "labels": OURS},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod},
    }


async def writes(access) -> float:
    """How often anyone but the cluster's own controllers wrote a Deployment, as the API server counts."""
    headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
    connector = aiohttp.TCPConnector(ssl=kubeconfig.tls_context(access))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{access.server}/metrics", headers=headers) as response,
    ):
        counted = re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", await response.text(), re.M)
    labels = [(dict(re.findall(r'(\w+)="([^"]*)"', said)), float(number)) for said, number in counted]
    ours = [(said, number) for said, number in labels if (said["resource"], said["subresource"]) == ("deployments", "")]
    assert ours, "the API server does not count"
    return sum(number for said, number in ours if said["verb"] in WRITES)


async def settled(access) -> float:
    """The same once it rests: a call is counted a moment after it was answered."""
    while True:  # ends by the time limit of tests
        before = await writes(access)
        await asyncio.sleep(0.5)
        if await writes(access) == before:
            return before


async def test_an_object_that_is_not_there_is_none(here, namespace):
    assert await here.get(CONFIG_MAP, namespace, "nothing") is None


@pytest.mark.rule("OPERATOR 12")
async def test_what_is_applied_already_costs_no_mutating_call(here, namespace, access):
    made = await here.apply(deployment(namespace))
    before = await settled(access)
    for _ in range(5):
        assert (await here.apply(deployment(namespace)))["metadata"]["uid"] == made["metadata"]["uid"]
    assert await settled(access) == before
    await here.apply({**deployment(namespace), "spec": {**deployment(namespace)["spec"], "paused": True}})
    assert await settled(access) > before


@pytest.mark.rule("OPERATOR 12")
async def test_what_others_write_beside_our_fields_costs_no_mutating_call(here, namespace, access):
    await here.apply(deployment(namespace))
    note = [{"op": "add", "path": "/metadata/annotations", "value": {"theirs": "1"}}]
    await here.json_patch(DEPLOYMENT, namespace, "agent", note, resource_version=None)
    await here.patch_status(DEPLOYMENT, namespace, "agent", {"observedGeneration": 7})
    before = await settled(access)
    await here.apply(deployment(namespace))
    assert await settled(access) == before


async def test_an_edit_by_hand_is_put_back(here, namespace):
    made = await here.apply(config_map(namespace))
    edit = [{"op": "replace", "path": "/data/a", "value": "by hand"}]
    await here.json_patch(CONFIG_MAP, namespace, "settings", edit, resource_version=None)
    again = await here.apply(config_map(namespace), uid=made["metadata"]["uid"])
    assert again["data"] == {"a": "1"}


async def test_a_port_renumbered_by_hand_is_put_back(here, namespace):
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": "agent", "labels": OURS},
        "spec": {"ports": [{"name": "agent", "port": 8443}], "selector": {"app": "agent"}},
    }
    made = await here.apply(service)
    edit = {"spec": {"ports": [{"name": "agent", "port": 9999}]}}
    await here.merge_patch(SERVICE, namespace, "agent", edit, uid=made["metadata"]["uid"])
    after = await here.apply(service)
    assert [port["port"] for port in after["spec"]["ports"]] == [8443]


async def test_labels_taken_away_by_hand_are_put_back_on_the_object_we_know(here, namespace):
    made = await here.apply(config_map(namespace))
    remove = [{"op": "remove", "path": "/metadata/labels"}]
    await here.json_patch(CONFIG_MAP, namespace, "settings", remove, resource_version=None)
    again = await here.apply(config_map(namespace), uid=made["metadata"]["uid"])
    assert again["metadata"]["labels"] == OURS


async def test_what_the_manifest_drops_is_removed_and_what_others_added_stays(here, namespace):
    await here.apply(config_map(namespace, data={"a": "1", "b": "2"}))
    edit = [{"op": "add", "path": "/data/others", "value": "theirs"}]
    await here.json_patch(CONFIG_MAP, namespace, "settings", edit, resource_version=None)
    assert (await here.apply(config_map(namespace)))["data"] == {"a": "1", "others": "theirs"}


@pytest.mark.rule("OPERATOR 6")
@pytest.mark.parametrize("labels", [{}, {**OURS, naming.LABEL_REGION_NAME: "another"}], ids=["nobody's", "another's"])
async def test_an_object_that_is_not_ours_is_a_name_collision_and_stays_as_it_is(here, namespace, labels):
    theirs = await here.create(config_map(namespace, labels=labels, data={"a": "theirs"}))
    with pytest.raises(Refused) as refused:
        await here.apply(config_map(namespace))
    assert refused.value.reason == "NameCollision"
    assert await here.get(CONFIG_MAP, namespace, "settings") == theirs


@pytest.mark.rule("OPERATOR 6")
async def test_an_object_that_carries_our_labels_is_taken_up_again(here, access, namespace):
    made = await here.apply(config_map(namespace))
    other = open_door(access)  # as after a restart
    again = await other.apply(config_map(namespace, data={"a": "2"}))
    await other.close()
    assert (again["metadata"]["uid"], again["data"]) == (made["metadata"]["uid"], {"a": "2"})


@pytest.mark.rule("OPERATOR 6")
async def test_a_late_leader_does_not_make_a_vanished_object_anew(here, namespace):
    seen = await here.apply(config_map(namespace))
    uid = seen["metadata"]["uid"]
    await here.delete(CONFIG_MAP, namespace, "settings", uid=uid)
    changed = config_map(namespace, data={"a": "late"})
    with pytest.raises(Conflict):
        await here.apply(changed, uid=uid)
    with pytest.raises(Conflict):  # it read before the deletion: now the API server itself must refuse
        await here.apply(changed, uid=uid, live=seen)
    assert await here.get(CONFIG_MAP, namespace, "settings") is None


async def test_create_makes_only_what_is_not_there(here, namespace):
    await here.create(config_map(namespace))
    with pytest.raises(Conflict):
        await here.create(config_map(namespace, data={"a": "2"}))
    assert (await here.get(CONFIG_MAP, namespace, "settings"))["data"] == {"a": "1"}


@pytest.mark.rule("OPERATOR 2")
async def test_a_finalizer_is_only_set_on_the_version_that_was_seen(here, namespace):
    seen = await here.create(config_map(namespace))
    edit = [{"op": "replace", "path": "/data/a", "value": "2"}]
    newer = await here.json_patch(CONFIG_MAP, namespace, "settings", edit, resource_version=None)
    add = [{"op": "add", "path": "/metadata/finalizers", "value": [naming.TEARDOWN_FINALIZER]}]
    with pytest.raises(Conflict):
        version = seen["metadata"]["resourceVersion"]
        await here.json_patch(CONFIG_MAP, namespace, "settings", add, resource_version=version)
    version = newer["metadata"]["resourceVersion"]
    done = await here.json_patch(CONFIG_MAP, namespace, "settings", add, resource_version=version)
    assert done["metadata"]["finalizers"] == [naming.TEARDOWN_FINALIZER]
    drop = [{"op": "remove", "path": "/metadata/finalizers"}]
    await here.json_patch(CONFIG_MAP, namespace, "settings", drop, resource_version=None)


async def test_a_status_is_replaced_whole_and_only_on_the_version_that_was_seen(here, namespace):
    metadata = {"namespace": namespace, "name": "agent", "labels": OURS}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 8443}]}}
    seen = await here.create(service)
    now = {"reason": "Test", "message": "", "lastTransitionTime": "2027-01-01T00:00:00Z"}
    one, two = ({"type": kind, "status": "True", **now} for kind in ("One", "Two"))
    version = seen["metadata"]["resourceVersion"]
    newer = await here.patch_status(SERVICE, namespace, "agent", {"conditions": [one], "loadBalancer": {}})
    with pytest.raises(Conflict):
        await here.patch_status(SERVICE, namespace, "agent", {"conditions": [two]}, resource_version=version)
    version = newer["metadata"]["resourceVersion"]
    done = await here.patch_status(SERVICE, namespace, "agent", {"conditions": [two]}, resource_version=version)
    assert done["status"]["conditions"] == [two]


async def test_a_field_is_only_changed_in_the_object_that_was_seen(here, namespace):
    seen = await here.create(config_map(namespace, data={"a": "1", "b": "2"}))
    uid, version = seen["metadata"]["uid"], seen["metadata"]["resourceVersion"]
    body = {"data": {"a": "9", "b": None}}
    with pytest.raises(Conflict):
        await here.merge_patch(CONFIG_MAP, namespace, "settings", body, uid=str(uuid.uuid4()))
    changed = await here.merge_patch(CONFIG_MAP, namespace, "settings", body, uid=uid, resource_version=version)
    assert changed["data"] == {"a": "9"}
    with pytest.raises(Conflict):
        await here.merge_patch(CONFIG_MAP, namespace, "settings", body, uid=uid, resource_version=version)


async def test_writing_to_an_object_that_is_gone_is_a_conflict(here, namespace):
    with pytest.raises(Conflict):
        await here.patch_status(DEPLOYMENT, namespace, "nothing", {})
    with pytest.raises(Conflict):
        await here.json_patch(CONFIG_MAP, namespace, "nothing", [], resource_version="1")


@pytest.mark.rule("OPERATOR 13")
async def test_only_the_object_that_was_seen_is_deleted(here, namespace):
    seen = await here.create(config_map(namespace))
    with pytest.raises(Conflict):
        await here.delete(CONFIG_MAP, namespace, "settings", uid=str(uuid.uuid4()))
    assert await here.get(CONFIG_MAP, namespace, "settings")
    for _ in range(2):
        await here.delete(CONFIG_MAP, namespace, "settings", uid=seen["metadata"]["uid"])
    assert await here.get(CONFIG_MAP, namespace, "settings") is None


async def test_a_value_that_the_api_server_rejects_is_named(here, namespace):
    wrong = deployment(namespace)
    wrong["spec"]["replicas"] = -1
    with pytest.raises(InvalidInput) as invalid:
        await here.apply(wrong)
    assert (invalid.value.field, invalid.value.reason) == ("spec.replicas", "RefusedByKubernetes")


async def test_a_missing_namespace_is_named(here):
    for write in (here.create, here.apply):
        with pytest.raises(InvalidInput) as invalid:
            await write(config_map("not-there"))
        assert (invalid.value.field, invalid.value.reason) == ("namespace", "NamespaceMissing")


@pytest.mark.rule("OPERATOR 20")
async def test_nothing_is_made_in_a_namespace_that_is_being_deleted(here):
    name = f"ending-{uuid.uuid4().hex[:8]}"
    made = await here.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    holder = config_map(name, name="holder")
    holder["metadata"]["finalizers"] = ["region-operator.io/test"]
    await here.create(holder)
    await here.delete(NAMESPACE, None, name, uid=made["metadata"]["uid"])
    with pytest.raises(Refused) as refused:
        await here.apply(config_map(name))
    assert refused.value.reason == "NamespaceTerminating"
    drop = [{"op": "remove", "path": "/metadata/finalizers"}]
    await here.json_patch(CONFIG_MAP, name, "holder", drop, resource_version=None)


async def test_a_kind_that_is_not_installed_is_not_an_absent_object(here, namespace):
    missing = kinds.Kind("nobody.example/v1", "Nothing", "nothings")
    for read in (here.get(missing, namespace, "x"), here.list(missing)):
        with pytest.raises(Unavailable) as unavailable:
            await read
        assert unavailable.value.reason == "KindNotServed"


async def test_wrong_credentials_are_told_from_missing_rights(access, here, namespace):
    stranger = open_door(kubeconfig.Access(access.server, access.ca_pem, token="wrong"))
    with pytest.raises(Unavailable) as unavailable:
        await stranger.get(CONFIG_MAP, namespace, "settings")
    await stranger.close()
    assert unavailable.value.reason == "AuthFailed"


async def test_a_list_is_read_page_by_page_by_label(here, namespace, monkeypatch):
    monkeypatch.setattr(pages, "_PAGE", 2)
    for number in range(5):
        await here.create(config_map(namespace, name=f"map-{number}"))
    await here.create(config_map(namespace, name="foreign", labels={"other": "yes"}))
    found = await here.list(CONFIG_MAP, namespace, labels=OURS)
    assert sorted(item["metadata"]["name"] for item in found) == [f"map-{number}" for number in range(5)]
    assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "ConfigMap")}


@pytest.mark.rule("OPERATOR 14")
async def test_who_cannot_prove_to_lead_writes_nothing(access, here, namespace):
    made = await here.apply(config_map(namespace))
    late = open_door(access, may_write=lambda: False)
    uid = made["metadata"]["uid"]
    writes = [
        late.create(config_map(namespace, name="other")),
        late.apply(config_map(namespace, data={"a": "2"})),
        late.patch_status(CONFIG_MAP, namespace, "settings", {}),
        late.json_patch(CONFIG_MAP, namespace, "settings", [], resource_version=None),
        late.delete(CONFIG_MAP, namespace, "settings", uid=uid),
    ]
    for write in writes:
        with pytest.raises(Refused) as refused:
            await write
        assert refused.value.reason == "NotLeader"
    assert await late.get(CONFIG_MAP, namespace, "settings") == made
    await late.close()


@pytest.mark.rule("OPERATOR 4")
async def test_equal_kubeconfigs_share_a_client_and_a_changed_one_gets_its_own(cluster, here):
    content, now, closed = Path(cluster.kubeconfig).read_text(), [0.0], []

    async def on_close(one):
        closed.append(one.name)

    clusters = Clusters(
        here,
        may_write=lambda: True,
        allow_special_addresses=True,
        clock=lambda: now[0],
        on_close=on_close,
    )
    first = await clusters.remote(content)
    assert await clusters.remote(content) is first
    assert await first.identity() == await here.identity()
    changed = await clusters.remote(content + "\n# edited\n")
    assert changed is not first
    now[0] = 800.0
    await clusters.remote(content + "\n# edited\n")
    now[0] = 1000.0
    await clusters.close_unused()
    assert closed == [first.name]
    assert await clusters.remote(content + "\n# edited\n") is changed
    await changed.close()


class Seen(list):
    """Changes as a watch tells them."""

    async def until(self, condition, *, timeout_s=10):
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                await asyncio.sleep(0.01)

    def names(self):
        return [(change.name, change.gone) for change in self]


@contextlib.asynccontextmanager
async def running(watch):
    task = asyncio.create_task(watch.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.rule("OPERATOR 3")
async def test_a_watch_tells_what_is_there_what_comes_and_what_goes(access, here, namespace):
    other, seen = open_door(access), Seen()
    first = await other.create(config_map(namespace, name="first"))
    await other.create(config_map(namespace, name="foreign", labels={}))
    watch = Watch(here, CONFIG_MAP, namespace, selector=HUB, on_change=seen.append)
    async with running(watch):
        await seen.until(lambda seen: len(seen) == 1)
        await other.create(config_map(namespace, name="second"))
        await seen.until(lambda seen: len(seen) == 2)
        await other.delete(CONFIG_MAP, namespace, "first", uid=first["metadata"]["uid"])
        await seen.until(lambda seen: len(seen) == 3)
    await other.close()
    assert seen.names() == [("first", False), ("second", False), ("first", True)]
    assert seen[0] == Change("test", CONFIG_MAP, namespace, "first", OURS)
    assert list(watch.children()) == [Change("test", CONFIG_MAP, namespace, "second", OURS)]


@pytest.mark.rule("OPERATOR 15")
async def test_a_watch_is_silent_about_our_own_last_write(access, here, namespace):
    other, seen = open_door(access), Seen()
    await here.apply(config_map(namespace, name="ours"))
    async with running(Watch(here, CONFIG_MAP, namespace, selector=HUB, on_change=seen.append)):
        await other.create(config_map(namespace, name="theirs"))
        await seen.until(len)
        await other.apply(config_map(namespace, name="ours", data={"a": "changed by another"}))
        await seen.until(lambda seen: len(seen) > 1)
    await other.close()
    assert seen.names() == [("theirs", False), ("ours", False)]


async def test_a_watch_tells_of_a_status_that_others_write(access, here, namespace):
    other, seen = open_door(access), Seen()
    async with running(Watch(here, DEPLOYMENT, namespace, selector=HUB, on_change=seen.append)):
        await here.apply(deployment(namespace))
        await other.patch_status(DEPLOYMENT, namespace, "agent", {"observedGeneration": 1, "replicas": 7})
        await seen.until(len)
    await other.close()
    assert seen.names()[0] == ("agent", False)


@pytest.mark.rule("OPERATOR 3")
async def test_a_watch_whose_version_has_expired_lists_anew_and_misses_no_deletion(access, here, namespace):
    other, seen = open_door(access), Seen()
    gone = await other.create(config_map(namespace, name="gone"))
    watch = Watch(here, CONFIG_MAP, namespace, selector=HUB, on_change=seen.append)
    async with running(watch):
        await seen.until(lambda seen: len(seen) == 1)
    await other.delete(CONFIG_MAP, namespace, "gone", uid=gone["metadata"]["uid"])
    await other.close()
    watch._version = "1"  # mostly older than what the API server still has
    async with running(watch):
        await seen.until(lambda seen: seen[-1].gone)
    assert seen.names()[-1] == ("gone", True)


async def test_a_cluster_is_covered_once_per_namespace_and_uncovered_whole(here, namespace):
    seen = Seen()
    async with Supervisor() as supervisor:
        watches = Watches(supervisor, kinds=(CONFIG_MAP, SECRET), selector=HUB, on_change=seen.append)
        for _ in range(2):
            watches.cover(here, namespace)
        assert len(supervisor.states()) == 2
        await here.create(config_map(namespace))
        await asyncio.sleep(0)
        await watches.uncover(here)
        assert supervisor.states() == {}
