"""Wherever the operator is killed on its way, the next one arrives at the same place.

The golden path is gone twice: once undisturbed, which tells the mutating calls there are; once with the operator killed
at a sample of them, before or after they were carried out. One of the two Regions lives in another cluster, so there
are calls to the hub's API server and to another one. Each time both clusters must hold the same, of Regions that are
deleted only what is to be kept, and no secret may have been made anew.
"""

import collections
import hashlib
import itertools
import json
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import clouds
from clouds import Kubectl
from fleets import Fleet, peering, region, until
from mortal_operator import THERE
from region_operator import naming

PROGRAM = Path(__file__).parents[1] / "mortal_operator.py"
WEST, EAST = "eu-west", "us-east"
KILLS = {"POST": 2, "PATCH": 2, "DELETE": 1, f"{THERE}POST": 1, f"{THERE}PATCH": 1, f"{THERE}DELETE": 1}
SEED = 5
RETAINED = {
    f"{THERE}PersistentVolumeClaim/{naming.database_volume(EAST)}",
    *(f"{THERE}Secret/{EAST}-{name}" for name in ("admin", "database", "database-key", "management-api")),
}
FLEET_SECRETS = (naming.FLEET_CA_SECRET, naming.OPERATOR_CLIENT_SECRET, naming.DATABASE_KEY_SECRET)


class Killed:
    """An operator of one fleet that dies at the given calls, and what it wrote."""

    def __init__(self, images, fleet, deaths):
        self.calls, self.killed = [], []
        environment = {
            "PYTHONPATH": str(PROGRAM.parents[1] / "operator"),
            "OPERATOR_NAMESPACE": fleet.namespace,
            "OPERATOR_POD_NAME": "mortal",
            "OPERATOR_WATCH_NAMESPACES": fleet.namespace,
            "OPERATOR_IMAGE": images.operator,
            "OPERATOR_MARIADB_IMAGE": images.mariadb,
            "OPERATOR_POLL_SECONDS": "1",
            "OPERATOR_HEALTH_PORT": "18081",
            "OPERATOR_ALLOW_LOOPBACK_CLUSTERS": "true",  # the door to the other cluster
        }
        wanted = {
            "kubeconfig": str(fleet.cluster.peer_kubeconfig),
            "other_kubeconfig": str(fleet.second.peer_kubeconfig),
            "lease": f"/apis/coordination.k8s.io/v1/namespaces/{fleet.namespace}/leases/region-operator",
            "environment": environment,
            "deaths": deaths,
        }
        self._log = (Path(fleet.cluster.directory) / f"log/{fleet.namespace}-operator.log").open("w")
        command = (sys.executable, str(PROGRAM), json.dumps(wanted))
        self._process = fleet.cluster.spawn(*command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.way_there = json.loads(self._process.stdout.readline())["kubeconfig"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            told = json.loads(line)
            if "killed" in told:
                self.killed.append(told["killed"])
            else:
                self.calls.append((told["call"], told["status"]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(30)
        self._reader.join(10)
        self._process.stdout.close()
        self._log.close()

    def made(self, plural):
        """How often each object of a kind was created, by the call."""
        return collections.Counter(call for call, status in self.calls if f"POST {plural} " in call and status == 201)


@pytest.fixture
def alone(cluster, operator):
    """The installed operator rests, so that it does not do the work of the one that is killed."""
    if not hasattr(cluster, "spawn"):
        pytest.skip("needs a program of this machine in the network of a node")
    deployment = ("-n", operator.namespace, "scale", "deployment/region-operator", "--timeout=240s")
    cluster.kubectl(*deployment, "--replicas=0")
    yield
    cluster.kubectl(*deployment, "--replicas=1")


class Wide(Fleet):
    """A fleet with a namespace of its name in another cluster as well; WEST is here, EAST is there."""

    def __init__(self, cluster, second, namespace):
        super().__init__(cluster, namespace)
        self.second = second
        self.of = {WEST: self.kubectl, EAST: Kubectl(str(second.kubeconfig), namespace)}

    def start(self, way_there):
        kubeconfig = {"kubeconfig": way_there}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "there"}, "stringData": kubeconfig})
        placement = {"namespace": self.namespace, "kubeconfigSecretRef": {"name": "there", "key": "kubeconfig"}}
        self.apply(
            region(WEST, 1, agent=on_a_node(self.cluster), deletionPolicy="Delete"),
            region(EAST, 2, agent=on_a_node(self.second), placement=placement),
            peering(WEST, EAST),
        )

    def items(self, kinds):
        """What bears the label of the fleet's Regions, in any namespace of either cluster."""
        labels = f"{naming.LABEL_REGION_NAMESPACE}={self.namespace}"
        for place, cluster in (("", self.cluster), (THERE, self.second)):
            for item in json.loads(cluster.kubectl("get", kinds, "-A", "-l", labels, "-o", "json"))["items"]:
                yield place, item


def on_a_node(cluster):
    return {"managed": {"expose": {"type": "NodePort", "host": cluster.node_address}}}


@pytest.fixture
def two_fleets(cluster, second_cluster, second_images):
    names = [f"kill-{number}-{random.randbytes(2).hex()}" for number in (1, 2)]
    places = [(name, one) for name in names for one in (cluster, second_cluster)]
    for name, one in places:
        one.kubectl("create", "namespace", name)
    yield [Wide(cluster, second_cluster, name) for name in names]
    for name, one in places:
        one.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.timeout(900)
@pytest.mark.rule("OPERATOR 21")
def test_an_operator_killed_anywhere_ends_in_the_same_state(images, alone, two_fleets):
    undisturbed, disturbed = two_fleets
    with Killed(images, undisturbed, {}) as operator:
        wanted = golden_path(undisturbed, operator.way_there)
    chosen = sample(operator.calls)

    deaths = dict(zip(chosen, itertools.cycle(("before", "after"))))
    with Killed(images, disturbed, deaths) as operator:
        found = golden_path(disturbed, operator.way_there)
    assert sorted(operator.killed) == sorted(chosen)
    for stage in wanted:
        assert not different(found[stage], wanted[stage]), f"after {stage}, killed at {deaths}"
    assert set(operator.made("secrets").values()) == {1}, "a password was made twice"


def sample(calls):
    """Some of the calls that were carried out, of each verb and to either cluster; each time the same ones."""
    told = sorted({call for call, status in calls if status < 400})
    chance, chosen = random.Random(SEED), []
    for verb, number in KILLS.items():
        such = [call for call in told if call.startswith(f"{verb} ")]
        assert len(such) > 5, f"the path has become suspiciously short: {told}"
        chosen += chance.sample(such, number)
    return chosen


def golden_path(fleet, way_there):
    """Two regions, peered, one scaled, a password rotated, everything deleted; what was there at three stages."""
    fleet.start(way_there)
    stages = {}
    settled(fleet)
    stages["making"], first = at_rest(lambda: state(fleet)), secrets(fleet)

    fleet.patch("region", WEST, {"spec": {"managementServer": {"managed": {"replicas": 2}}}})
    fleet.until_ready(WEST)
    fleet.patch("secret", f"{WEST}-database", {"stringData": {"agent-password": "fresh password"}})
    fleet.request_reconcile(WEST, token="rotate")
    until("agent_a is locked", lambda: "agent_a locked" in database_users(fleet, WEST))
    settled(fleet)
    stages["changing"], then = at_rest(lambda: state(fleet)), secrets(fleet)
    anew = {name for name, value in first.items() if then.get(name) != value}
    assert all(name.startswith(f"{WEST}-database/agent-") for name in anew), anew

    fleet("delete", "regionpeering", f"{WEST}-{EAST}", "--timeout=240s")
    fleet.delete_regions(EAST, WEST)
    stages["deleting"] = objects(fleet)
    assert set(stages["deleting"]) == RETAINED | {f"Secret/{name}" for name in FLEET_SECRETS}
    return stages


def settled(fleet):
    for name in (WEST, EAST):
        fleet.until_ready(name)
        fleet.until_told(name, "Reconciling", "False")
    fleet.until_told(f"{WEST}-{EAST}", "InSync", "True", kind="regionpeering")
    # A busy machine puts off the scan that a join ends with, for some minutes at most.
    fleet.until_told(f"{WEST}-{EAST}", "Ready", "True", kind="regionpeering")


def at_rest(look, *, for_s=5, within_s=60):
    """What is seen once it stays the same: what is done may be told before it is cleared away."""
    seen, since, end = look(), time.monotonic(), time.monotonic() + within_s
    while time.monotonic() - since < for_s and time.monotonic() < end:
        time.sleep(0.5)
        if (now := look()) != seen:
            seen, since = now, time.monotonic()
    return seen


# --- what is compared -------------------------------------------------------------------------------------------------


def state(fleet):
    """All that a path leads to, but for what is random, given by Kubernetes, or a time."""
    return {
        **objects(fleet),
        **{f"conditions of {name}": conditions(fleet, "region", name) for name in (WEST, EAST)},
        "conditions of the peering": conditions(fleet, "regionpeering", f"{WEST}-{EAST}"),
        **{f"database users of {name}": database_users(fleet, name) for name in (WEST, EAST)},
    }


def different(found, wanted):
    return {name: (found.get(name), wanted.get(name)) for name in found | wanted if found.get(name) != wanted.get(name)}


def conditions(fleet, kind, name):
    body = fleet.get(kind, name)
    told = {item["type"]: (item["status"], item["reason"]) for item in body["status"]["conditions"]}
    return told, body["metadata"]["finalizers"]


def database_users(fleet, name):
    locked = "IF(JSON_VALUE(priv, '$.account_locked'), 'locked', 'open')"
    query = f"SELECT CONCAT(user, ' ', {locked}) FROM mysql.global_priv ORDER BY 1"
    return clouds.Region(name, None, fleet.of[name]).sql(query, schema="mysql")


def secrets(fleet):
    """A hash of every secret value, by Secret and key; certificates among them."""
    found = [*(item for _, item in fleet.items("secrets")), *(fleet.get("secret", name) for name in FLEET_SECRETS)]
    return {
        f"{item['metadata']['name']}/{key}": hashlib.sha256(value.encode()).hexdigest()[:12]
        for item in found
        for key, value in item["data"].items()
    }


def objects(fleet):
    kinds = "deployments,statefulsets,jobs,services,configmaps,secrets,pvc,networkpolicies,poddisruptionbudgets"
    found = [*fleet.items(kinds), *(("", fleet.get("secret", name)) for name in FLEET_SECRETS)]
    by_name = collections.defaultdict(list)
    for place, item in found:
        if "deletionTimestamp" not in item["metadata"]:
            name, essence = normalised(item, fleet.namespace)
            by_name[place + name].append(essence)
    return {name: sorted(essences) for name, essences in by_name.items()}


_GIVEN = {"clusterIP", "clusterIPs", "nodePort", "volumeName", "deployment.kubernetes.io/revision"}
_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\b")


def normalised(body, namespace):
    """Name and essence of an object: what was wanted of it; of a Secret only which keys it has."""
    meta = body["metadata"]
    essence = {key: meta.get(key) for key in ("labels", "annotations", "finalizers")}
    essence["spec"] = body.get("spec")
    essence["data"] = sorted(body.get("data") or {}) if body["kind"] == "Secret" else body.get("data")
    text = json.dumps(without(essence), sort_keys=True).replace(namespace, "fleet")
    return _RANDOM.sub("#", f"{body['kind']}/{meta['name']}"), _RANDOM.sub("#", text)


def without(value):
    if isinstance(value, dict):
        return {key: without(item) for key, item in value.items() if key not in _GIVEN}
    return [without(item) for item in value] if isinstance(value, list) else value
