"""The main path on real parts: two regions from the manifests of the first example, cut apart, healed and unpeered.

One fleet serves all tests of this module, in their order.
"""

import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

import clouds
import flows
from fleets import Fleet, until
from region_operator import naming

EXAMPLE = "01-two-regions"
WEST, EAST = "eu-west", "us-east"
PEERING = f"{WEST}-{EAST}"
DETECT_S = 5
KINDS = "regions.region-operator.io,regionpeerings.region-operator.io,syncpolicies.region-operator.io"
NO_NEWS = ("lease", "rights")
WRITES = {  # of the operator
    "lease": flows.rule("coordination.k8s.io", "*"),
    "rights": flows.rule("authorization.k8s.io", "*"),  # it asks which it has
    "regions": flows.rule(naming.GROUP, "regions/status"),
    "peerings": flows.rule(naming.GROUP, "regionpeerings/status"),
    "events": flows.rule("events.k8s.io", "*"),
    "others": flows.rule("*", "*"),
}


@pytest.fixture(scope="module")
def fleet(cluster, module_fleet):
    fleet = Fleet(cluster, module_fleet)
    yield fleet
    fleet("delete", KINDS, "--all", "--timeout=240s")  # everything at once, as people do


@pytest.fixture(scope="module")
def both(fleet):
    """Both clouds, signed in to, once both Regions and the peering are ready."""
    manifests = clouds.example(EXAMPLE, namespaces={clouds.FLEET: fleet.namespace})
    for manifest in manifests:
        if manifest["kind"] == "SyncPolicy":
            manifest["spec"]["partition"] |= {"detectAfterSeconds": DETECT_S, "recoverAfterSeconds": 5}
            manifest["spec"]["scan"] = {"load": {}}  # a busy machine is no reason here to put a join's scan off
    fleet.apply(*manifests)
    fleet.until_ready(WEST, EAST)
    fleet.until_told(PEERING, "Ready", "True", kind="rgp")
    with ExitStack() as stack:
        yield [stack.enter_context(clouds.region(fleet.kubectl, name)) for name in (WEST, EAST)]


def told(fleet, type_):
    return fleet.told(PEERING, type_, kind="rgp")


def person(name):
    return {
        "username": name, "password": "x" * 12, "firstname": name, "lastname": "Example",
        "email": f"{name}@example.net",
    }  # fmt: skip


def create(cloud, name):
    return cloud.api.createAccount(account=name, accounttype=0, **person(name))


def known(cloud, name):
    return (cloud.user(name) or {}).get("id")


def regions(cloud):
    return {item["name"] for item in cloud.api.listRegions()["region"]}


def differences(west, east):
    return {table: both for table in clouds.TABLES if (both := [west.rows(table), east.rows(table)])[0] != both[1]}


def agents(fleet):
    label = f"{fleet.namespace}/app.kubernetes.io/component=agent,region-operator.io/region-name="
    return label + WEST, label + EAST


# --- the golden path ------------------------------------------------------------------------------------------------


def test_all_conditions_become_what_the_example_says(fleet, both):
    wanted = clouds.expected(EXAMPLE)
    end = time.monotonic() + 30
    while (seen := {owner: verdicts(fleet, owner, wanted[owner]) for owner in wanted}) != wanted:
        assert time.monotonic() < end, {owner: seen[owner] for owner in wanted if seen[owner] != wanted[owner]}
        time.sleep(0.5)
    there = {f"{item['kind']}/{item['metadata']['name']}" for item in fleet.kubectl.get(KINDS)["items"]}
    assert there == set(wanted)


def verdicts(fleet, owner, types):
    found = fleet.kubectl.conditions(*owner.split("/"))
    return {type_: {key: found[type_][key] for key in ("status", "reason")} for type_ in types}


def test_each_region_lists_the_other(both):
    west, east = both
    assert regions(west) == regions(east) == {WEST, EAST}


def test_an_account_made_in_one_region_is_found_in_the_other_with_the_same_id(both):
    west, east = both
    for here, there, name in ((west, east, "ada"), (east, west, "grace")):
        create(here, name)
        until(f"{name} is known", lambda there=there, name=name: there.user(name))
        assert known(there, name) == known(here, name)


# --- partitions -----------------------------------------------------------------------------------------------------


def test_regions_that_were_cut_apart_take_writes_and_converge_when_healed(fleet, both, links):
    west, east = both
    ada = known(west, "ada")
    links.cut(*agents(fleet))
    west.api.updateUser(id=ada, firstname="Augusta", lastname="Byron")
    east.api.updateUser(id=ada, email="countess@example.net", lastname="Lovelace")
    create(west, "linus")
    create(east, "alan")
    fleet.until_told(PEERING, "Partitioned", "True", kind="rgp")
    assert told(fleet, "InSync") == ("False", "Partitioned")
    assert told(fleet, "Ready") == ("True", "Ready")  # else a commit would hang while a cable is cut
    assert (known(east, "linus"), known(west, "alan")) == (None, None)

    links.heal()
    until("both databases are equal", lambda: not differences(west, east))
    merged = west.user("ada")
    assert (merged["firstname"], merged["email"]) == ("Augusta", "countess@example.net")
    assert merged["lastname"] in ("Byron", "Lovelace")
    fleet.until_told(PEERING, "Partitioned", "False", "Connected", kind="rgp")
    fleet.until_told(PEERING, "InSync", "True", kind="rgp")
    until("the lag is small", lambda: fleet.get("rgp", PEERING)["status"]["lag"] == "<1s")


def test_a_field_that_both_regions_changed_is_recorded_once_in_each(both):
    query = "SELECT entity, entity_key, field, rule, state, fingerprint FROM conflict WHERE kind = 'Value'"
    recorded = [cloud.sql(query, schema="region_sync") for cloud in both]
    assert recorded[0] == recorded[1]
    assert [row.split("\t")[2] for row in recorded[0]] == ["lastname"]


def test_a_firewall_that_stops_calls_of_one_side_only_is_told_as_asymmetric(fleet, both):
    """Packets back are let through: us-east still calls eu-west."""
    caller, called = (addresses(fleet, name) for name in (WEST, EAST))
    rules = (
        "table inet firewall {\n chain one_way {\n  type filter hook prerouting priority -10\n"
        f"  ip saddr {caller} ip daddr {called} tcp dport 8443 drop\n }}\n}}\n"
    )
    fleet.cluster.in_node("nft", "-f", "-", stdin=rules)
    try:
        fleet.until_told(PEERING, "Partitioned", "True", "AsymmetricPartition", kind="rgp")
        broken = {item["source"]: item["state"] for item in fleet.get("rgp", PEERING)["status"]["directions"]}
        assert broken == {EAST: "Broken", WEST: "Streaming"}
    finally:
        fleet.cluster.in_node("nft", "delete", "table", "inet", "firewall")
    fleet.until_told(PEERING, "Partitioned", "False", "Connected", kind="rgp")


def addresses(fleet, region):
    label = f"app.kubernetes.io/component=agent,region-operator.io/region-name={region}"
    (pod,) = fleet.kubectl.get("pods", "-l", label, "--field-selector=status.phase=Running")["items"]
    return pod["status"]["podIP"]


# --- the operator is not on the data path ---------------------------------------------------------------------------


@pytest.fixture
def deployment(cluster, operator):
    """kubectl in the operator's namespace."""
    return clouds.Kubectl(str(cluster.kubeconfig), operator.namespace)


def scale(deployment, replicas):
    here = ("-n", deployment.namespace)
    deployment("scale", *here, "deployment/region-operator", f"--replicas={replicas}")
    deployment("rollout", "status", *here, "deployment/region-operator", "--timeout=240s")


def transitions(fleet):
    """Everything that all objects say, with the time since when."""
    return {
        f"{item['kind']}/{item['metadata']['name']} {held['type']}": [
            held["status"], held["reason"], held["lastTransitionTime"],
        ]
        for item in fleet.kubectl.get(KINDS)["items"]
        for held in item["status"]["conditions"]
    }  # fmt: skip


def looked_at_everything(fleet):
    """The operator passes over every object once more, and says so."""
    token = str(time.monotonic())
    fleet("annotate", "--overwrite", KINDS, "--all", f"{naming.ANNOTATION_RECONCILE}={token}")
    until(
        "every object was looked at again",
        lambda: all(
            item["status"].get("lastHandledReconcileAt") == token
            for item in fleet.kubectl.get(KINDS)["items"]
            if item["kind"] != "SyncPolicy"
        ),
    )


def leader(deployment):
    """Name of the Pod that holds the Lease."""
    return deployment.get("lease", "region-operator")["spec"].get("holderIdentity", "")


@pytest.mark.rule("OPERATOR 11")
def test_data_flows_while_there_is_no_operator_and_its_return_changes_no_condition(fleet, deployment, both):
    west, east = both
    before = transitions(fleet)
    scale(deployment, 0)
    create(west, "edsger")
    create(east, "barbara")
    until("data flows", lambda: known(east, "edsger") and known(west, "barbara"))
    scale(deployment, 1)
    looked_at_everything(fleet)
    assert transitions(fleet) == before


@pytest.mark.rule("OPERATOR 14")
def test_an_operator_that_was_killed_is_replaced_and_no_condition_changes(fleet, deployment, both):
    west, east = both
    before = transitions(fleet)
    label = "app.kubernetes.io/name=region-operator,app.kubernetes.io/component=operator"
    pods = ("pod", "-n", deployment.namespace, "-l", label)
    killed = leader(deployment)
    deployment("delete", *pods, "--force", "--grace-period=0")
    create(west, "donald")
    until("data flows", lambda: known(east, "donald"))
    until("another one leads", lambda: leader(deployment) not in ("", killed))
    looked_at_everything(fleet)
    assert transitions(fleet) == before


# --- a quiet operator -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(fleet, operator):
    """``written()``: mutating calls of the operator so far, by what they were about, as the API server counts them."""
    counted = flows.Flows(fleet.cluster.kubectl, account="region-operator", namespace=operator.namespace, rules=WRITES)
    counted.install()
    until("the API server counts", lambda: counted.read()["lease"])
    yield lambda: Counter({name: number for name, number in counted.read().items() if name not in NO_NEWS})
    counted.remove()


def quiet(fleet, written):
    """Wait until what earlier tests caused has been told."""
    fleet.until_told(PEERING, "InSync", "True", kind="rgp")
    last = [written(), time.monotonic()]

    def rests():
        now = written()
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] > 5

    until("the operator rests", rests)


@dataclass
class Window:
    """What the operator wrote in some time, and what it changed by that."""

    made: Counter[str]
    statuses: dict[str, list[Any]]  # of every object of the three kinds, whenever it was another one
    events: list[str]

    def transitions(self):
        """The conditions that changed."""
        conditions = [
            (owner, [(held["type"], held["status"], held["reason"]) for held in status["conditions"]])
            for owner, statuses in self.statuses.items()
            for status in statuses
        ]
        return [
            (owner, set(then) ^ set(now))
            for (owner, then), (other, now) in pairwise(conditions)
            if owner == other and then != now
        ]

    def __str__(self):
        """For a failure: with the top-level fields of statuses that changed, and to what."""
        changes = [
            (owner, {key: now[key] for key in now if now[key] != then.get(key)})
            for owner, statuses in self.statuses.items()
            for then, now in pairwise(statuses)
        ]
        return f"calls {dict(self.made)}, changes {changes}, Events {self.events}"


def window(fleet, written, *, seconds):
    """What is written in that time; looked at before and after counting, so a counted write is one that was seen."""
    statuses, known = {}, {uid for uid, _ in told_events(fleet)}

    def look():
        for item in fleet.kubectl.get(KINDS)["items"]:
            seen = statuses.setdefault(f"{item['kind']}/{item['metadata']['name']}", [])
            if not seen or seen[-1] != item["status"]:
                seen.append(item["status"])

    look()
    before, end = written(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        look()
    made = written() - before
    time.sleep(1)  # a call is counted when it begins
    look()
    return Window(made, statuses, [note for uid, note in told_events(fleet) if uid not in known])


def told_events(fleet):
    """The operator's Events: the kubelet and others tell some of the same objects' Pods at any time."""
    return [
        (item["metadata"]["uid"], f"{item['reason']} of {item['regarding']['name']}: {item.get('note')}")
        for item in fleet.kubectl.get("events.events.k8s.io")["items"]
        if item.get("reportingController") == f"{naming.GROUP}/operator"
    ]


@pytest.mark.rule("OPERATOR 12")
def test_an_idle_operator_writes_nothing_but_its_lease(fleet, both, written):
    """In one of three windows: figures are told up to 30 s late, and a busy machine may break a link for a moment."""
    quiet(fleet, written)
    seen = []
    while len(seen) < 3 and (not seen or seen[-1].made):
        seen.append(window(fleet, written, seconds=30))
    assert seen[-1].made == Counter(), [str(one) for one in seen]


@pytest.mark.rule("OPERATOR 12")
def test_under_constant_write_load_a_status_is_written_only_when_a_bucket_changes(fleet, both, written):
    """In the first of three windows without a change of a condition, which is written at once: machines may be busy."""
    west, east = both
    create(west, "busy")
    busy = known(west, "busy")
    quiet(fleet, written)
    seen = []
    while len(seen) < 3 and (not seen or seen[-1].transitions()):
        with load(west, busy) as done:
            seen.append(window(fleet, written, seconds=40))
        assert len(done) > 40, "too little load to prove anything"
    last = seen[-1]
    assert not last.transitions(), [str(one) for one in seen]
    assert set(last.made) <= {"peerings", "regions"}, str(last)
    assert last.made["peerings"] <= 2, str(last)
    told = [bucketed(status) for status in last.statuses[f"RegionPeering/{PEERING}"]]
    assert last.made["peerings"] <= sum(then != now for then, now in pairwise(told)), str(last)
    connected = [last.statuses[f"Region/{name}"] for name in (WEST, EAST)]
    flaps = sum(then["peers"] != now["peers"] for told in connected for then, now in pairwise(told))
    assert last.made["regions"] <= flaps, str(last)
    until("both databases are equal", lambda: not differences(west, east))


def bucketed(status):
    """What of a status may change without a condition doing so."""
    return [status["lag"], *((item["state"], item["lag"], item["pendingChanges"]) for item in status["directions"])]


@contextmanager
def load(cloud, user):
    """Changes one user all the time, in a thread, while the block runs; yields the times at which it was done."""
    ended, done = threading.Event(), []

    def work():
        while not ended.wait(0.02):
            cloud.api.updateUser(id=user, firstname=f"Bee {len(done)}")
            done.append(time.monotonic())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join()


# --- leaving and joining again --------------------------------------------------------------------------------------


def peers(fleet, name):
    """How many links the agent has, and of how many RegionPeerings; with those that none declares."""
    told = fleet.get("rg", name)["status"]["peers"]
    return told["summary"] + "".join(f" and unmanaged {one}" for one in told.get("unmanaged", ()))


@pytest.mark.rule("OPERATOR 8")
def test_deleting_the_peering_unwires_both_sides_and_keeps_the_accounts(fleet, both):
    west, east = both
    fleet("delete", "rgp", PEERING, "--timeout=240s")
    until("neither lists the other", lambda: (regions(west), regions(east)) == ({WEST}, {EAST}))
    until("both agents forgot the link", lambda: [peers(fleet, name) for name in (WEST, EAST)] == ["0/0", "0/0"])
    assert known(west, "ada") == known(east, "ada") is not None


def test_what_is_made_without_a_peering_is_captured_for_nobody(fleet, both):
    """That it did not cross either is counted by the plan below, when the agents talk to each other again."""
    for cloud, name in zip(both, ("only-west", "only-east"), strict=True):
        create(cloud, name)
        until(f"{name} is captured", lambda cloud=cloud, name=name: captured(cloud, name))
    assert [peers(fleet, name) for name in (WEST, EAST)] == ["0/0", "0/0"]


def captured(cloud, name):
    """What a link carries, it carries from there on."""
    return cloud.sql(f"SELECT lsn FROM row_version WHERE entity_key = '{known(cloud, name)}'", schema="region_sync")


def peering(fleet, **spec):
    manifests = clouds.example(EXAMPLE, namespaces={clouds.FLEET: fleet.namespace})
    [found] = [manifest for manifest in manifests if manifest["kind"] == "RegionPeering"]
    return {**found, "spec": {**found["spec"], **spec}}


def test_a_plan_tells_what_joining_again_would_do_and_does_nothing(fleet, both):
    west, east = both
    fleet.apply(peering(fleet, mode="Plan"))
    fleet.until_told(PEERING, "Ready", "True", "Planned", kind="rgp")
    told = fleet.get("rgp", PEERING)["status"]["plan"]
    assert {(one["source"], one["target"]) for one in told["directions"]} == {(WEST, EAST), (EAST, WEST)}
    assert all(one["rows"] >= 2 and one["bytes"] > 0 for one in told["directions"]), "an account and its user each way"
    assert told["uniqueClashes"] == told["concurrent"] == 0
    assert fleet.told(PEERING, "Wired", kind="rgp") == ("False", "Planned")
    assert (regions(west), regions(east)) == ({WEST}, {EAST})
    assert known(east, "only-west") is known(west, "only-east") is None


def test_a_peering_that_is_made_again_joins_and_brings_what_happened_meanwhile(fleet, both):
    west, east = both
    fleet.apply(peering(fleet))  # without a mode, so it is Active from now on
    until("the news was brought", lambda: known(east, "only-west") and known(west, "only-east"))
    fleet.until_told(PEERING, "Ready", "True", kind="rgp")
    assert regions(west) == regions(east) == {WEST, EAST}
    assert not differences(west, east)
    assert fleet.get("rgp", PEERING)["status"]["join"]["stage"] == "InSync"
