"""devcluster keeps its word: a real cluster, links that can be cut, and nothing left behind however it ends."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from devcluster import kind, layout, network
from devcluster.cluster import Cluster, down
from devcluster.toolchain import run

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("KUBECONFIG")) or kind.works(),
    reason="the cluster is not taken from devcluster on this machine",
)


def manifests(name, image):
    """A web server on a volume, not as root, behind a node port."""
    labels = {"app": name}
    mount = [{"name": "data", "mountPath": "/data"}]
    server = {
        "name": "server", "image": image, "imagePullPolicy": "IfNotPresent", "volumeMounts": mount,
        "command": ["sh", "-c", f"echo {name} > /data/name && cd /data && exec python3 -m http.server 8000"],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
    }  # fmt: skip
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
            "containers": [server],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
        },
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    ports = [{"port": 80, "targetPort": 8000}]
    bodies = [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": claim},
        {"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort", "selector": labels, "ports": ports}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
    ]
    return json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [{**body, "metadata": {"name": name}} for body in bodies]}
    )


def deploy(cluster, namespace, name, image):
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifests(name, image))
    cluster.kubectl("rollout", "status", "-n", namespace, f"deployment/{name}", "--timeout=240s")


def node_port(cluster, namespace, name):
    port = cluster.kubectl("get", "service", "-n", namespace, name, "-o", "jsonpath={.spec.ports[0].nodePort}")
    return f"http://{cluster.node_address}:{port}"


def ask(cluster, namespace, name, url):
    """What a Pod hears from ``url``: the answer, or the name of the error."""
    program = (
        "import urllib.request as u\n"
        f"try: print(u.urlopen('{url}/name', timeout=4).read().decode().strip())\n"
        "except OSError as error: print(type(getattr(error, 'reason', error)).__name__)"
    )
    return cluster.kubectl("exec", "-n", namespace, f"deployment/{name}", "--", "python3", "-c", program).strip()


@pytest.fixture
def pair(cluster, namespace, images, wait_for):
    for name in ("left", "right"):
        deploy(cluster, namespace, name, images.mariadb)
    for name in ("left", "right"):  # a Service follows its Pods within a moment
        wait_for(lambda name=name: ask(cluster, namespace, "left", f"http://{name}") == name, 30)
    return namespace


def test_pods_find_each_other_by_name_and_write_to_volumes_without_being_root(cluster, pair):
    assert ask(cluster, pair, "left", "http://right") == "right"
    assert ask(cluster, pair, "right", f"http://left.{pair}.svc.cluster.local") == "left"


def test_a_program_of_this_machine_reaches_services_by_their_names(cluster, pair):
    look = f"import urllib.request as u; print(u.urlopen('http://left.{pair}/name', timeout=4).read().decode().strip())"
    assert run(*cluster.beside_pods(), sys.executable, "-c", look).strip() == "left"


def test_a_second_up_finds_the_cluster_that_runs(cluster):
    before = [one.pid("init") for one in layout_of(cluster)]
    again = Cluster.up(cluster.name)
    assert [one.pid("init") for one in layout_of(again)] == before
    assert again.kubeconfig == cluster.kubeconfig


def layout_of(cluster):
    with layout.registry() as living:
        return [one for one in living if one.name == cluster.name]


def test_a_cut_is_silence_and_a_healed_link_speaks_again(cluster, pair, links):
    links.cut(f"{pair}/app=left", f"{pair}/app=right")
    assert ask(cluster, pair, "left", "http://right") == "TimeoutError"
    assert ask(cluster, pair, "left", "http://left") == "left"
    links.heal()
    assert ask(cluster, pair, "left", "http://right") == "right"


def test_a_cut_in_one_direction_drops_only_packets_of_that_direction(cluster, pair, links):
    links.cut(f"{pair}/app=left", f"{pair}/app=right", direction="forward")
    dropped = cluster.in_node("nft", "list", "table", "inet", "devcluster")
    addresses = cluster.kubectl(
        "get", "pods", "-n", pair, "-o", "jsonpath={range .items[*]}{.metadata.labels.app}={.status.podIP} {end}"
    )
    address = dict(part.split("=") for part in addresses.split())
    assert f"ip saddr {address['left']} ip daddr {address['right']} drop" in dropped
    assert f"ip saddr {address['right']} ip daddr {address['left']} drop" not in dropped
    assert ask(cluster, pair, "left", "http://right") == "TimeoutError"


def test_a_cut_holds_for_pods_that_are_started_anew(cluster, pair, links, wait_for):
    links.cut(f"{pair}/app=left", f"{pair}/app=right")
    cluster.kubectl("rollout", "restart", "-n", pair, "deployment/right")
    cluster.kubectl("rollout", "status", "-n", pair, "deployment/right", "--timeout=240s")
    wait_for(lambda: ask(cluster, pair, "left", "http://right") == "TimeoutError", 15)


@pytest.fixture
def abroad(second_cluster, second_namespace, second_images, pair, cluster, wait_for):
    """A Pod in the linked cluster: that cluster, its namespace, and its and ``left``'s addresses, both reachable."""
    deploy(second_cluster, second_namespace, "abroad", second_images.mariadb)
    there, here = node_port(second_cluster, second_namespace, "abroad"), node_port(cluster, pair, "left")
    wait_for(lambda: ask(cluster, pair, "left", there) == "abroad", 30)  # a node port follows its Pods in a moment
    wait_for(lambda: ask(second_cluster, second_namespace, "abroad", here) == "left", 30)
    return second_cluster, second_namespace, there, here


def test_linked_clusters_reach_each_others_node_ports_until_the_cable_is_cut(cluster, pair, abroad, links):
    second, namespace, there, here = abroad
    links.cut(f"{pair}/app=left", f"{second.name}:{namespace}/app=abroad")
    assert ask(cluster, pair, "left", there) == "TimeoutError"
    assert ask(second, namespace, "abroad", here) == "TimeoutError"
    assert ask(cluster, pair, "right", there) == "abroad"
    links.heal()
    assert ask(cluster, pair, "left", there) == "abroad"


def test_the_image_runs_without_root_on_a_read_only_file_system(cluster, namespace, images):
    context = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True}
    overrides = {
        "spec": {
            "containers": [{"name": "help", "image": images.operator, "args": ["--help"], "securityContext": context}]
        }
    }
    start = (
        "run",
        "help",
        "-n",
        namespace,
        "--image",
        images.operator,
        "--restart=Never",
        f"--overrides={json.dumps(overrides)}",
    )
    cluster.kubectl(*start)
    cluster.kubectl("wait", "-n", namespace, "pod/help", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=240s")
    assert "Many clouds, one identity" in cluster.kubectl("logs", "-n", namespace, "help")


def test_a_program_of_the_node_that_dies_is_started_again(cluster, wait_for):
    scheduler = ["pgrep", "--full", "--ns", str(layout_of(cluster)[0].pid("init")), "kube-scheduler"]
    (before,) = run(*scheduler).split()
    os.kill(int(before), signal.SIGKILL)
    wait_for(lambda: run(*scheduler).split() not in ([], [before]), 15)


@pytest.fixture
def victim():
    """A cluster of its own with one Pod's worth of processes, mounts and cgroups."""
    name = f"victim-{uuid.uuid4().hex[:6]}"
    before = machine()
    cluster = Cluster.up(name)
    cluster.kubectl("run", "pause", "--image", "devcluster.local/pause:1")
    cluster.kubectl("wait", "pod/pause", "--for=condition=Ready", "--timeout=240s")
    yield cluster, before
    down(name)


def machine():
    """What a cluster would leave on this machine's side if its namespaces leaked; other programs do not touch these."""
    devices = [line.split()[0] for line in run("ip", "-brief", "link").splitlines()]
    places = (
        "/var/lib/cni",
        "/var/lib/kubelet",
        "/tmp/hostpath_pv",
        "/etc/cni/net.d",
        "/run/devcluster",
        "/run/containerd",
    )
    return (
        [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(layout.CLUSTERS) in line],
        sorted(name for name in devices if name.startswith(("node", "wan-", "cni"))),
        [line for line in run("nft", "list", "tables").splitlines() if "kube" in line or "devcluster" in line],
        sorted(path for place in places for path in Path(place).glob("*")),
    )


def remains(one, *, space=None):
    """Processes (by what they were started with, or by their process namespace), cgroups and files of a cluster."""
    started = subprocess.run(["pgrep", "--full", f"{one.directory}( |$)"], capture_output=True, text=True, check=False)
    inside = [path for path in Path("/proc").glob("[0-9]*/ns/pid") if space and link(path) == space]
    return [*started.stdout.split(), *inside, *one.cgroups(), *one.directory.parent.glob(one.name)]


def test_down_leaves_nothing(victim, wait_for):
    cluster, before = victim
    (one,) = layout_of(cluster)
    space = Path(f"/proc/{one.pid('init')}/ns/pid").readlink()
    assert len(remains(one, space=space)) > 10
    assert down(cluster.name)
    assert not down(cluster.name)
    wait_for(lambda: not remains(one, space=space), 30)  # who removed it ends last
    assert machine() == before


@pytest.mark.parametrize("killed", ["watcher", "keeper", "outer process", "first process"])
def test_whatever_is_killed_nothing_is_left(victim, killed, wait_for):
    cluster, before = victim
    (one,) = layout_of(cluster)
    keeper, init = one.pid("keeper"), one.pid("init")
    space = Path(f"/proc/{init}/ns/pid").readlink()
    assert one.cgroups()
    assert len(remains(one, space=space)) > 10
    os.kill(
        {"watcher": parent(keeper), "keeper": keeper, "outer process": parent(init), "first process": init}[killed],
        signal.SIGKILL,
    )
    wait_for(lambda: not remains(one, space=space), 30)
    assert machine() == before


def test_remains_of_keepers_killed_at_once_are_removed_by_the_next_command(victim, wait_for):
    cluster, before = victim
    (one,) = layout_of(cluster)
    keeper = one.pid("keeper")
    for process in (parent(keeper), keeper):
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: layout_of(cluster) == [], 20)
    assert remains(one) == []
    assert machine() == before


def test_a_cluster_ends_with_its_owner(wait_for):
    owner = subprocess.Popen(["sleep", "infinity"])
    try:
        cluster = Cluster.up(f"owned-{uuid.uuid4().hex[:6]}", owner=owner.pid)
        (one,) = layout_of(cluster)
    finally:
        owner.kill()
        owner.wait()
    wait_for(lambda: not remains(one), 20)


def parent(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def link(path):
    try:
        return path.readlink()
    except OSError:  # it ended in this moment
        return None


def test_a_direction_that_does_not_exist_is_refused(cluster):
    with pytest.raises(ValueError, match="none of both, forward, backward"):
        network.cut(cluster, "a/b", "a/c", direction="sideways")
