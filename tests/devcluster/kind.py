"""The same as :mod:`devcluster.cluster`, on kind: for machines with Docker."""

import subprocess
from pathlib import Path

from devcluster import images, toolchain
from devcluster.progress import step
from devcluster.toolchain import CACHE, Unavailable, run

DIRECTORY = CACHE / "kind"


def works() -> bool:
    """Is there a Docker that answers?"""
    try:
        return not subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=20).returncode
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


class KindCluster:
    """A kind cluster of one node."""

    masquerades = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = DIRECTORY / name
        self.kubeconfig = self.directory / "kubeconfig"
        self.peer_kubeconfig = self.directory / "peer.kubeconfig"
        self._node = f"{name}-control-plane"
        self.pods = (self.directory / "pods").read_text()
        address = "{{.NetworkSettings.Networks.kind.IPAddress}}"
        self.node_address = run("docker", "inspect", "--format", address, self._node).strip()

    @classmethod
    def up(cls, name: str, *, owner: int = 0) -> "KindCluster":
        """Start a cluster with ranges of its own; ``owner`` is ignored: kind clusters outlive who started them."""
        del owner
        running = run(toolchain.kind(), "get", "clusters").split()
        if name not in running:
            used = {path.read_text() for path in DIRECTORY.glob("*/pods") if path.parent.name in running}
            number = next(number for number in range(1, 50) if f"10.{100 + number}.0.0/16" not in used)
            directory = DIRECTORY / name
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "pods").write_text(f"10.{100 + number}.0.0/16")
            ranges = f'{{podSubnet: "10.{100 + number}.0.0/16", serviceSubnet: "10.{160 + number}.0.0/16"}}'
            config = f"kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnetworking: {ranges}\n"
            create = ("create", "cluster", "--name", name, "--wait", "120s", "--config", "-", "--kubeconfig")
            with step(f"cluster {name}: starting kind", usually_s=40):
                run(toolchain.kind(), *create, directory / "kubeconfig", input=config)
            internal = run(toolchain.kind(), "get", "kubeconfig", "--internal", "--name", name)
            (directory / "peer.kubeconfig").write_text(internal)
        cluster = cls(name)
        named = f"https://{cluster._node}:"
        text = cluster.peer_kubeconfig.read_text().replace(named, f"https://{cluster.node_address}:")
        cluster.peer_kubeconfig.write_text(text)
        return cluster

    def down(self) -> None:
        run(toolchain.kind(), "delete", "cluster", "--name", self.name)
        for path in self.directory.iterdir():
            path.unlink()
        self.directory.rmdir()

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        return run(toolchain.kubectl(), "--kubeconfig", self.kubeconfig, *arguments, input=stdin)

    def in_node(self, *command: str, stdin: str = "") -> str:
        return run("docker", "exec", "--interactive", self._node, *command, input=stdin)

    def kill(self, container: str) -> None:
        self.in_node("ctr", "--namespace", "k8s.io", "tasks", "kill", "-s", "SIGKILL", container)

    def other(self, name: str) -> "KindCluster":
        return KindCluster(name)

    def link(self, other: "KindCluster", *, megabits: int = 0) -> None:
        """Both nodes are on Docker's network ``kind`` already; Pods get a route."""
        if megabits:
            raise Unavailable("bandwidth of links is limited on devcluster only")
        for near, far in ((self, other), (other, self)):
            near.in_node("ip", "route", "replace", far.pods, "via", far.node_address)

    def build(self) -> images.Images:
        """Build with Docker; MariaDB is the official image."""
        refs = images.references()
        with step("building the operator's image with Docker", usually_s=60):
            run("docker", "build", "--quiet", "--tag", refs.operator, images.REPOSITORY)
            run("docker", "pull", "--quiet", refs.mariadb)
        return refs

    def load(self, *refs: str) -> None:
        run(toolchain.kind(), "load", "docker-image", "--name", self.name, *refs)
