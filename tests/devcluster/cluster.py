"""One devcluster, seen from the machine that it runs on: up, down, and what one does with it in between."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any

from devcluster import images, preload, toolchain
from devcluster.layout import API_PORT, DNS_READY_PORT, MAX_CLUSTERS, Layout, registry
from devcluster.pki import Authority
from devcluster.programs import write_configuration
from devcluster.progress import step
from devcluster.toolchain import Unavailable, run, until


class Cluster:
    """A cluster that runs."""

    masquerades = False

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.name = layout.name
        self.directory = layout.directory
        self.kubeconfig = layout.kubeconfig
        self.peer_kubeconfig = layout.peer_kubeconfig
        self.node_address = layout.node_address
        self.pods = layout.pods

    @classmethod
    def find(cls, name: str) -> "Cluster":
        """The running cluster of this name."""
        layout = _living(name)
        if not layout:
            raise Unavailable(f"no cluster named {name} is running: python -m devcluster up {name}")
        return cls(layout)

    other = find

    @classmethod
    def up(cls, name: str, *, owner: int = 0) -> "Cluster":
        """Start a cluster unless it runs, and wait until it is ready; it ends with process ``owner``, if given."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name):
            raise Unavailable(
                f"cluster name {name!r}: at most 30 lower-case letters, digits and dashes, a letter first"
            )
        toolchain.require_root()
        toolchain.install_packages()
        programs = toolchain.node_programs()
        with step(f"cluster {name}: starting Kubernetes", usually_s=8):
            with registry() as living:
                layout = next((one for one in living if one.name == name), None) or _start(
                    name, living, programs, owner
                )
            cluster = cls(layout)
            with (layout.directory / "log/node.log").open() as log:  # can be read even when the cluster is gone again
                cluster._wait_until_ready(log)
        return cluster

    def down(self) -> None:
        down(self.name)

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        return run(toolchain.kubectl(), "--kubeconfig", self.kubeconfig, *arguments, input=stdin)

    def in_node(self, *command: str, stdin: str = "") -> str:
        """Run one of this machine's programs in the network of the node."""
        return run(*self._entering("--net"), *command, input=stdin)

    def kill(self, container: str) -> None:
        """SIGKILL to a container, by the id that its Pod's status tells; the kubelet starts another."""
        run(*self._entering("--mount"), "ctr", "--namespace", "k8s.io", "tasks", "kill", "-s", "SIGKILL", container)

    def spawn(self, *command: str, **options: Any) -> "subprocess.Popen[str]":
        """Start one of this machine's programs in the network of the node."""
        return subprocess.Popen([*self._entering("--net"), *command], **options)

    def beside_pods(self) -> list[str]:
        """What to put before a command of this machine, so that it reaches Pods, and Services by their names."""
        file = self.directory / "resolv.conf"
        file.write_text(f"nameserver {self.node_address}\nsearch svc.cluster.local cluster.local\noptions ndots:5\n")
        names = f'mount --bind "{file}" /etc/resolv.conf && exec "$@"'
        return [*self._entering("--net"), "unshare", "--mount", "sh", "-c", names, "sh"]

    def _entering(self, *namespaces: str) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self._layout.pid("init")), *namespaces, "--")

    def link(self, other: "Cluster", *, megabits: int = 0) -> None:
        """Join two clusters by a virtual WAN: Pods of one reach Pods and the node (its node ports) of the other."""
        ours, theirs = self._layout, other._layout
        if theirs.wan in self.in_node("ip", "-brief", "link"):
            self.unlink(other)
        ends = f"{theirs.wan} netns {ours.pid('init')} type veth peer name {ours.wan} netns {theirs.pid('init')}"
        run("ip", "link", "add", *ends.split())
        for near, far in ((self, other), (other, self)):
            device, gateway = far._layout.wan, far.node_address
            near.in_node("ip", "link", "set", device, "up")
            near.in_node("ip", "route", "replace", gateway, "dev", device, "src", near.node_address)
        for near, far in ((self, other), (other, self)):
            device, gateway = far._layout.wan, far.node_address
            near.in_node("ip", "route", "replace", far.pods, "via", gateway, "dev", device, "onlink")
            if megabits:
                shape = f"tc qdisc replace dev {device} root tbf rate {megabits}mbit burst 128kb latency 100ms"
                near.in_node(*shape.split())

    def unlink(self, other: "Cluster") -> None:
        """Take the virtual WAN away; one end takes the other with it."""
        self.in_node("ip", "link", "delete", other._layout.wan)

    def build(self) -> images.Images:
        return preload.build()

    def load(self, *refs: str) -> None:
        """Make images that were built usable by Pods (``imagePullPolicy: IfNotPresent``); only what is new is moved."""
        ctr = (*self._entering("--mount"), "ctr", "--namespace", "k8s.io")
        present = set(run(*ctr, "content", "ls", "--quiet").split())
        command = [*ctr, "images", "import", "-"]
        with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE) as loading:
            assert loading.stdin and loading.stderr
            with suppress(BrokenPipeError):  # it ended early, and says why
                images.write_archive(loading.stdin, refs, without=present)
                loading.stdin.close()
            problem = loading.stderr.read().decode()
        if loading.returncode:
            raise Unavailable(f"loading {', '.join(refs)} into {self.name}: {problem}")

    def _wait_until_ready(self, log: IO[str]) -> None:
        dns = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{DNS_READY_PORT}/ready', timeout=2)"
        checks: tuple[Callable[[], str], ...] = (
            lambda: self.kubectl("wait", "--for=condition=Ready", f"node/{self.name}", "--timeout=60s"),
            lambda: self.in_node(sys.executable, "-c", dns),
            lambda: self.kubectl("get", "storageclass/standard", "serviceaccount/default"),
        )
        try:
            for check in checks:
                until(check, timeout_s=60, while_true=self._layout.alive)
        except (Unavailable, OSError) as problem:
            words = f"{log.read()}\n{logs(self._layout)}"
            raise Unavailable(f"cluster {self.name} did not become ready: {problem}\n{words}") from None


def down(name: str) -> bool:
    """End a cluster and remove every trace of it; false when there was none."""
    layout = _living(name)  # removes the remains of a dead one on the way
    if not layout:
        return False
    os.kill(layout.pid("keeper"), 15)
    deadline = time.monotonic() + 30
    while layout.alive() or layout.directory.exists():
        if time.monotonic() > deadline:
            raise Unavailable(f"cluster {name} does not end; see {layout.directory}/log")
        time.sleep(0.02)
    return True


def status() -> list[Layout]:
    with registry() as living:
        return living


def logs(layout: Layout) -> str:
    """The last words of each program."""
    files = sorted((layout.directory / "log").glob("*.log"))
    return "\n".join(f"--- {file.stem}\n{file.read_text(errors='replace')[-1500:]}" for file in files)


def _living(name: str) -> Layout | None:
    return next((layout for layout in status() if layout.name == name), None)


def _start(name: str, living: list[Layout], programs: Path, owner: int) -> Layout:
    used = {layout.number for layout in living}
    number = next((number for number in range(1, MAX_CLUSTERS + 1) if number not in used), 0)
    if not number:
        raise Unavailable(f"{MAX_CLUSTERS} clusters are running already")
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        layout = Layout(name=name, number=number, port=listener.getsockname()[1])
        shutil.rmtree(layout.directory, ignore_errors=True)
        (layout.directory / "log").mkdir(parents=True)
        layout.save()
        _write_credentials(layout)
        write_configuration(layout)
        for program, file in (("node", "node"), ("kubectl", "node"), ("forward", "forward")):
            os.link(programs / file, layout.directory / program)
        preload.give(layout.directory / "files/var-lib/containerd")
        images.write_pause(programs / "pause", layout.directory / "pause.tar")
        os.set_inheritable(listener.fileno(), True)
        keeper = [sys.executable, "-m", "devcluster.keeper", str(layout.directory), str(listener.fileno()), str(owner)]
        path = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }
        with (layout.directory / "log/node.log").open("ab") as log:
            subprocess.run(
                keeper,
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=log,
                stdin=DEVNULL,
                env=path,
                check=True,
            )
    return layout


def _write_credentials(layout: Layout) -> None:
    authority = Authority(layout.directory / "pki")
    inside = f"https://127.0.0.1:{API_PORT}"
    service = layout.services.replace(".0.0/16", ".0.1")
    names = ("localhost", "127.0.0.1", layout.node_address, service, "kubernetes.default", "kubernetes.default.svc")
    authority.write("apiserver", authority.issue("kube-apiserver", names=names))
    authority.write("tokens", authority.issue("service-accounts"))
    authority.write("kubelet-client", authority.issue("kube-apiserver", group="system:masters"))
    for program in ("kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns"):
        file = layout.directory / f"system:{program}.kubeconfig"
        authority.write_kubeconfig(file, server=inside, pair=authority.issue(f"system:{program}"))
    node = f"system:node:{layout.name}"
    authority.write_kubeconfig(
        layout.directory / f"{node}.kubeconfig", server=inside, pair=authority.issue(node, group="system:nodes")
    )
    admin = authority.issue("admin", group="system:masters")
    authority.write_kubeconfig(layout.kubeconfig, server=f"https://127.0.0.1:{layout.port}", pair=admin)
    authority.write_kubeconfig(layout.peer_kubeconfig, server=f"https://{layout.node_address}:{API_PORT}", pair=admin)
