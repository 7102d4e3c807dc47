"""The first process of a node: makes the inside of its namespaces a machine of its own, then runs Kubernetes there.

Everything is imported before the first mount: afterwards the machine's /tmp, /run, /var/lib and /var/log are hidden.
"""

import http.client
import os
import ssl
import sys
import time
from pathlib import Path

from devcluster.layout import API_PORT, INSIDE, Layout
from devcluster.programs import programs
from devcluster.toolchain import run, until

OWN = ("/var/lib", "/var/log", "/tmp")
# kubelet sets these for the whole machine unless they read so already.
SYSCTLS = {
    "vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}  # fmt: skip


def main() -> None:
    layout = Layout.load(Path(sys.argv[1]))
    os.chdir("/")
    isolate(layout)
    connect(layout)
    listener = int(sys.argv[2])
    os.set_inheritable(listener, False)
    supervise(layout, listener=listener)


def isolate(layout: Layout) -> None:
    run("hostname", layout.name)
    stage = layout.directory / "stage"  # becomes /run; built beside it because the run directory may lie below /run
    stage.mkdir()
    run("mount", "-n", "-t", "tmpfs", "-o", "mode=755", "tmpfs", stage)
    (stage / INSIDE.name).mkdir()
    run("mount", "-n", "--bind", layout.directory, stage / INSIDE.name)
    run("mount", "-n", "--move", stage, "/run")
    for target in OWN:
        own = INSIDE / "files" / target[1:].replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(Path(target).stat().st_mode)
        run("mount", "-n", "--bind", own, target)
    for name, value in SYSCTLS.items():
        file = Path("/run") / name.replace("/", ".")
        file.write_text(f"{value}\n")
        run("mount", "-n", "--bind", file, Path("/proc/sys") / name)
    for hierarchy in (path for path in Path("/sys/fs/cgroup").glob("*") if (path / "cgroup.procs").exists()):
        make_cgroup(hierarchy / layout.cgroup)
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        make_cgroup(Path("/sys/fs/cgroup") / layout.cgroup)


def make_cgroup(path: Path) -> None:
    path.mkdir(exist_ok=True)
    for setting in ("cpuset.cpus", "cpuset.mems"):  # cgroup v1: an empty set admits no process
        if path.parent.name == "cpuset":
            (path / setting).write_text((path.parent / setting).read_text())


def connect(layout: Layout) -> None:
    """The node's address, on a device that is up without any cable: one end of a veth pair."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node1")
    run("ip", "link", "set", "node1", "up")
    run("ip", "link", "set", "node0", "up")
    run("ip", "address", "add", f"{layout.node_address}/24", "dev", "node0")
    run("ip", "route", "add", "default", "dev", "node0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    bridged = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridged.exists():
        bridged.write_text("1")


def supervise(layout: Layout, *, listener: int) -> None:
    """Start the programs in an order in which none has to retry; start again whatever ends."""
    commands = programs(layout)
    running: dict[int, str] = {}

    def start(name: str) -> None:
        with (INSIDE / "log" / f"{name}.log").open("ab") as log:
            passed = {3: listener} if name == "forward" else {}
            running[spawn(commands[name], output=log.fileno(), passed=passed)] = name

    for name in ("containerd", "etcd", "kube-apiserver", "forward"):
        start(name)
    until(lambda: run("ctr", "-n", "k8s.io", "images", "import", INSIDE / "pause.tar"), timeout_s=30)
    until(lambda: ready("/readyz"), timeout_s=60)
    for name in ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns"):
        start(name)
    kubectl = (INSIDE / "kubectl", "--kubeconfig", INSIDE / "peer.kubeconfig")
    until(lambda: run(*kubectl, "apply", "-f", INSIDE / "addons.json"), timeout_s=30)
    while True:
        pid, status = os.wait()
        if name := running.pop(pid, ""):
            print(f"{name} ended with {os.waitstatus_to_exitcode(status)}, starting it again", flush=True)
            time.sleep(1)
            start(name)


def spawn(command: list[str], *, output: int, passed: dict[int, int]) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in passed.items()]
    return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)


def ready(path: str) -> None:
    unverified = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", API_PORT, context=unverified, timeout=5)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    if status != 200:
        raise ConnectionError(f"{path} answers {status}")


if __name__ == "__main__":
    main()
