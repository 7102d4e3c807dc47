"""Two populated regions join while both are written to and all that it takes is killed in every stage; then drift.

One fleet serves all tests of this module, in their order. Each stage is held until what it takes was killed: Wired by a
cut cable, the copy by a low rate, the proof by load that keeps its scan away and then makes it pause.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest
import requests
from cs import CloudStackException

import clouds
from devcluster import toolchain
from fleets import Fleet, peering, region, until

pytestmark = pytest.mark.timeout(1800)  # the first test waits for a fleet and kills everything four times

WEST, EAST = "eu-west", "us-east"
PEERING, POLICY = f"{WEST}-{EAST}", "careful"
STAGES = ["Wired", "Copying", "CatchingUp", "Verifying", "InSync"]
BACK = {("CatchingUp", "Copying"), ("Verifying", "CatchingUp"), ("Verifying", "Copying")}
ROWS = 1000  # accounts, and as many users, of each region before they join
CHUNK_ROWS = 100
THREADS = 20  # mark of load
SLOWLY, QUICKLY = {"maxKilobytesPerSecond": 5}, {"maxKilobytesPerSecond": 0}
DETECT_S = 5


def policy(link, **scan):
    """Scans that rest for a second after each five chunks, because these are always too slow."""
    marks = {"skip": {"threadsRunning": THREADS}, "pause": {"threadsRunning": THREADS, "chunkLatencyPercent": 1}}
    spec = {
        "partition": {"detectAfterSeconds": DETECT_S, "recoverAfterSeconds": DETECT_S},
        "link": link,
        "scan": {"chunk": {"maxRows": CHUNK_ROWS}, "load": marks, **scan},
    }
    return {**region(), "kind": "SyncPolicy", "metadata": {"name": POLICY}, "spec": spec}


# --- what happens to it ---------------------------------------------------------------------------------------------


class Fault:
    """SIGKILL to the containers of a fleet and its operator."""

    def __init__(self, cluster, fleet, operator):
        self._cluster, self._fleet = cluster, fleet
        self._operator = clouds.Kubectl(str(cluster.kubeconfig), operator.namespace)

    def operator(self):
        """The rest of its Lease, which nobody renews any more, is not waited for."""
        self._kill(self._operator, "app.kubernetes.io/component=operator")
        nobody = json.dumps({"spec": {"holderIdentity": ""}})
        lease = ("-n", self._operator.namespace, "patch", "lease", "region-operator", "--type=merge", "--patch", nobody)
        self._operator(*lease)

    def agent(self, name):
        self._kill(self._fleet.kubectl, of(name, "agent"))

    def database(self, name):
        self._kill(self._fleet.kubectl, of(name, "database"))

    def _kill(self, kubectl, label):
        """The kubelet waits longer each time it starts a container anew; a Pod that takes over starts at once."""
        [pod] = until("one Pod runs", lambda: running(kubectl, label), within_s=120)
        [held] = pod["status"]["containerStatuses"]
        self._cluster.kill(held["containerID"].removeprefix("containerd://"))
        if held["restartCount"]:
            name = pod["metadata"]["name"]
            kubectl("delete", "pod", name, "-n", kubectl.namespace, "--force", "--grace-period=0", "--ignore-not-found")


def of(name, component):
    return f"app.kubernetes.io/component={component},region-operator.io/region-name={name}"


def running(kubectl, label):
    """Pods of which no container is on its way up or down."""
    pods = [pod for pod in kubectl.get("pods", "-l", label)["items"] if "deletionTimestamp" not in pod["metadata"]]
    states = [[next(iter(one["state"])) for one in pod["status"].get("containerStatuses", ())] for pod in pods]
    return [pod for pod, held in zip(pods, states, strict=True) if held == ["running"]]


class Writer:
    """Writes to one region all the time, in a thread; knows what was acknowledged, and what may have been done."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.made: dict[str, str] = {}  # id by name
        self.shown: dict[str, set[str]] = {}  # first names that a user may have now
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _work(self):
        number, last = 0, ""
        while not self._ended.wait(0.1):
            number += 1
            name = f"{self.cloud.name}-{number}"
            try:
                self.made[name] = create(self.cloud, name)
                self.shown[name] = {name}
                last, older = name, last
                self._rename(older)
            except (CloudStackException, requests.RequestException):
                continue  # nobody was promised anything

    def _rename(self, name):
        """Once, so that a write that was not acknowledged cannot come upon one that was."""
        if name:
            wanted = f"once {name}"
            self.shown[name].add(wanted)
            self.cloud.api.updateUser(id=self.made[name], firstname=wanted)
            self.shown[name] = {wanted}


def create(cloud, name):
    made = cloud.api.createAccount(
        account=name, accounttype=0, username=name, password="x" * 12, firstname=name, lastname="Example",
        email=f"{name}@example.net",
    )  # fmt: skip
    return made["account"]["user"][0]["id"]


@contextmanager
def threads_that_run(cloud: clouds.Region) -> Iterator[None]:
    """More of them than the mark allows, in a region's database, while the block runs."""
    client = 'mariadb --user="$user" --execute="SELECT SLEEP(3600)"'
    script = (
        f"read -r user; read -r MYSQL_PWD; export MYSQL_PWD; for i in $(seq {THREADS + 6}); do {client} & done; wait"
    )
    secret = cloud.kubectl.secret(f"{cloud.name}-database")
    known = f"{secret['admin-username']}\n{secret['admin-password']}\n"
    which = "FROM information_schema.processlist WHERE info = 'SELECT SLEEP(3600)'"
    place = ("exec", "--stdin", f"{cloud.name}-database-0", "-c", "mariadb", "--", "sh", "-c", script)
    with background(cloud.kubectl, *place, known=known):
        until("they run", lambda: int(cloud.sql(f"SELECT COUNT(*) {which}")[0]) > THREADS)
        try:
            yield
        finally:
            cloud.sql(";".join(cloud.sql(f"SELECT CONCAT('KILL ', id) {which}")))


@contextmanager
def background(
    kubectl: clouds.Kubectl, *arguments: str, known: str = "", output: int | IO[str] = subprocess.DEVNULL
) -> Iterator[None]:
    """kubectl, as long as the block runs."""
    command = [toolchain.kubectl(), "--kubeconfig", kubectl.kubeconfig, "-n", kubectl.namespace, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdin
            process.stdin.write(known)
            process.stdin.flush()
            yield
        finally:
            process.terminate()


@contextmanager
def stages_told(fleet: Fleet, file: Path) -> Iterator[Callable[[], list[str]]]:
    """Every stage of the join that is told while the block runs, in order."""
    stage = 'jsonpath={.status.join.stage}{"\\n"}'
    with file.open("w") as log, background(fleet.kubectl, "get", "rgp", PEERING, "--watch", "-o", stage, output=log):
        yield lambda: [told for told in file.read_text().split() if told != "Accepted"]


# --- what is there --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet(cluster, module_fleet):
    fleet = Fleet(cluster, module_fleet)
    fleet.apply(
        policy(SLOWLY), *(region(name, number, policyRef={"name": POLICY}) for number, name in ((1, WEST), (2, EAST)))
    )
    fleet.until_ready(WEST, EAST, within_s=240)
    yield fleet
    fleet("delete", "regionpeerings,regions,syncpolicies", "--all", "--timeout=180s")


@pytest.fixture(scope="module")
def both(fleet):
    with ExitStack() as stack:
        yield [stack.enter_context(clouds.region(fleet.kubectl, name)) for name in (WEST, EAST)]


@pytest.fixture
def kill(cluster, fleet, operator):
    return Fault(cluster, fleet, operator)


def populate(cloud):
    short = cloud.name
    cloud.sql(
        "START TRANSACTION;"  # nobody locks the accounts meanwhile
        f"INSERT INTO account (uuid, account_name, type, role_id, domain_id, created) SELECT UUID(),"
        f" CONCAT('{short}-old-', seq), 0, 4, 1, '2020-02-02' FROM seq_1_to_{ROWS};"
        f"INSERT INTO user (uuid, username, password, account_id, firstname, lastname, email, state, created)"
        f" SELECT UUID(), account_name, SHA2(account_name, 256), id, 'First', 'Last', 'a@example.net', 'enabled',"
        f" '2020-02-02' FROM account WHERE account_name LIKE '{short}-old-%';"
        "COMMIT"
    )


def differences(west, east):
    return {table: both for table in clouds.TABLES if (both := [west.rows(table), east.rows(table)])[0] != both[1]}


def status(fleet):
    """Empty until the operator has seen it."""
    return fleet.get("rgp", PEERING).get("status") or {}


def until_stage(fleet, stage):
    def told():
        shown = status(fleet)
        return shown if (shown.get("join") or {}).get("stage") == stage else None

    return until(f"the join is at {stage}", told, within_s=240)


def scan(fleet):
    return status(fleet).get("scan") or {}


def skipped(fleet):
    """The status, if it shows a scan that was skipped."""
    told = status(fleet)
    shown = told.get("scan") or {}
    return told if shown.get("state") == "Idle" and shown.get("last", {}).get("result") == "SkippedHighLoad" else None


def throttled(fleet):
    """The scan, if it pauses for the sake of threads."""
    return shown if (shown := scan(fleet)).get("throttledBy", {}).get("gauge") == "threadsRunning" else None


def ask_for_scan(fleet, request):
    fleet("annotate", "--overwrite", "rgp", PEERING, f"region-operator.io/scan-requested-at={request}")


def position(cloud):
    """Where the scan stands, as the coordinator keeps it, once there are rows behind it."""
    found = cloud.sql("SELECT position FROM scan WHERE JSON_VALUE(report, '$.state') <> 'Ended'", schema="region_sync")
    told = json.loads(found[0]) if found and found[0] != "NULL" else {"rows": 0}
    return told if told["rows"] else None


def events(fleet, reason):
    told = fleet.kubectl.get("events.events.k8s.io")["items"]
    return [one["note"] for one in told if one["reason"] == reason and one["regarding"]["name"] == PEERING]


# --- the join -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("OPERATOR 18")
def test_two_populated_regions_join_under_load_whatever_is_killed_in_any_stage(fleet, both, links, kill, tmp_path):
    west, east = both
    for cloud in both:
        populate(cloud)
    with ExitStack() as until_joined:
        writers = [until_joined.enter_context(Writer(cloud)) for cloud in both]
        links.cut(*(f"{fleet.namespace}/{of(name, 'agent')}" for name in (WEST, EAST)))
        fleet.apply(peering(WEST, EAST, policyRef={"name": POLICY}))
        stages = until_joined.enter_context(stages_told(fleet, tmp_path / "stages"))

        until_stage(fleet, "Wired")
        kill.operator(), kill.agent(WEST), kill.database(EAST)
        links.heal()

        told = until_stage(fleet, "Copying")
        copied = [one["copy"] for one in told["directions"] if "copy" in one]
        assert all(one["rows"] <= one["totalRows"] and one["percent"] <= 100 for one in copied)
        kill.operator(), kill.agent(WEST), kill.database(EAST)

        until_stage(fleet, "CatchingUp")
        kill.operator(), kill.agent(EAST), kill.database(WEST)
        until("both databases answer", lambda: [cloud.sql("SELECT 1") for cloud in both], within_s=120)

        with threads_that_run(east):
            fleet.patch("syncpolicy", POLICY, {"spec": {"link": QUICKLY}})
            until_stage(fleet, "Verifying")
            told = until("its scan was skipped", lambda: skipped(fleet), within_s=180)
            said = told["scan"]["last"]["message"]
            assert said.startswith("threadsRunning of region 2 is ")
            assert said.endswith(f", over {THREADS}")
            assert any(said in one["message"] for one in told["conditions"] if one["type"] == "JoinCompleted")
            until("an Event tells it", lambda: any(said in note for note in events(fleet, "FullScanSkippedHighLoad")))

        ask_for_scan(fleet, "quiet")
        before = until("the scan that was asked for is under way", lambda: position(west), within_s=180)
        with threads_that_run(east):
            shown = until("it pauses", lambda: throttled(fleet), within_s=120)
            assert (shown["state"], shown["throttledBy"]["region"]) == ("Throttled", EAST)
            assert shown["throttledBy"]["value"] > shown["throttledBy"]["limit"] == THREADS
            kill.operator(), kill.agent(WEST), kill.database(WEST)
            then = until("the database is back", lambda: position(west), within_s=120)
            assert then["rows"] >= before["rows"]
        told = until_stage(fleet, "InSync")
    assert told["scan"]["last"]["id"] == shown["id"], "the scan that was interrupted has proved it"
    proof = {one["name"]: one for one in told["verification"]["entities"]}
    assert all(one["equal"] and one["rows"][0] == one["rows"][1] and one["hash"] for one in proof.values())
    assert proof["user"]["rows"][0] > 2 * ROWS
    compared = told["scan"]["last"]["rowsCompared"]
    assert compared < sum(one["rows"][0] for one in proof.values()) + then["rows"], "it began at the start again"

    seen = stages()
    assert list(dict.fromkeys(seen)) == STAGES
    assert {(a, b) for a, b in pairwise(seen) if STAGES.index(a) > STAGES.index(b)} <= BACK
    until("both databases are equal", lambda: not differences(west, east), within_s=120)
    for writer in writers:
        assert len(writer.made) > 10, "too little load to prove anything"
        for cloud in both:
            assert_holds(cloud, writer)


def assert_holds(cloud, writer):
    """All that was acknowledged."""
    found = dict(line.split("\t") for line in cloud.sql("SELECT uuid, firstname FROM user"))
    assert not set(writer.made.values()) - set(found)
    assert not {name for name, wanted in writer.shown.items() if found[writer.made[name]] not in wanted}


# --- drift ----------------------------------------------------------------------------------------------------------


DRIFTED = f"{WEST}-old-1"


def emails(both):
    return [cloud.user(DRIFTED)["email"] for cloud in both]


def drift(cloud, email):
    """Written with triggers off, as nobody should."""
    cloud.sql(f"SET @region_sync_apply = 1; UPDATE user SET email = '{email}' WHERE username = '{DRIFTED}'")


def scanned(fleet, request):
    """How the scan that is asked for ends."""
    ask_for_scan(fleet, request)
    last = until(f"scan {request} ended", lambda: is_at_rest(fleet, request), within_s=240)["last"]
    return last["result"], last["differing"], last["repaired"]


def is_at_rest(fleet, request):
    """The scans, if that which was asked for last has ended."""
    told = scan(fleet)
    return told if told["lastHandledRequest"] == request and told["state"] == "Idle" else None


@pytest.mark.rule("ENGINE 28")
def test_what_was_changed_with_triggers_off_is_captured_or_put_back_as_the_policy_says(fleet, both):
    west, east = both
    until("no scan runs or is asked for", lambda: is_at_rest(fleet, "quiet"), within_s=240)
    fleet.apply(policy(QUICKLY, drift="Capture", chunk={"maxRows": 50_000}, load={"skip": {"threadsRunning": 1000}}))
    fleet.until_told(POLICY, "Accepted", "True", kind="syncpolicy")
    drift(east, "behind@example.net")
    assert scanned(fleet, "capture") == ("Repaired", 1, 1)
    until("it is a change of its region", lambda: emails(both) == ["behind@example.net"] * 2)

    fleet.patch("syncpolicy", POLICY, {"spec": {"scan": {"drift": "Revert"}}})
    fleet.until_told(POLICY, "Accepted", "True", kind="syncpolicy")
    drift(west, "again@example.net")
    assert scanned(fleet, "revert") == ("Repaired", 1, 1)
    assert emails(both) == ["behind@example.net"] * 2
    assert scanned(fleet, "clean") == ("Clean", 0, 0)
    assert not differences(west, east)
