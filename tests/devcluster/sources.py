"""What a cluster is taken from, the first that is there: one given by KUBECONFIG, Docker with kind, else devcluster."""

import os
from pathlib import Path

from devcluster import images, kind, preload, toolchain
from devcluster.cluster import Cluster
from devcluster.kind import KindCluster
from devcluster.layout import CLUSTERS
from devcluster.toolchain import Unavailable, run


class GivenCluster:
    """A cluster that somebody else runs: used as it is, so there is no access to its nodes."""

    masquerades = True
    node_address = pods = ""

    def __init__(self, kubeconfig: Path) -> None:
        self.name = "given"
        self.kubeconfig = self.peer_kubeconfig = kubeconfig
        self.directory = kubeconfig.parent

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        return run(toolchain.kubectl(), "--kubeconfig", self.kubeconfig, *arguments, input=stdin)

    def in_node(self, *command: str, stdin: str = "") -> str:
        raise Unavailable("links are cut inside nodes, and a cluster given by KUBECONFIG gives no access to them")

    def kill(self, container: str) -> None:
        raise Unavailable(
            "containers are killed inside nodes, and a cluster given by KUBECONFIG gives no access to them"
        )

    def other(self, name: str) -> "GivenCluster":
        raise Unavailable(f"no cluster {name} beside one that is given by KUBECONFIG")

    def build(self) -> images.Images:
        """What the cluster itself can pull."""
        ref = os.environ.get("REGION_OPERATOR_IMAGE")
        if not ref:
            raise Unavailable("with KUBECONFIG, name an image that the cluster can pull in REGION_OPERATOR_IMAGE")
        return images.Images(operator=ref, mariadb=os.environ.get("MARIADB_IMAGE", images.MARIADB))

    def load(self, *refs: str) -> None:
        """Nothing to do: the cluster pulls."""

    def down(self) -> None:
        """Nothing to do: it is not ours."""


AnyCluster = Cluster | KindCluster | GivenCluster


def given() -> GivenCluster | Cluster | None:
    """The cluster of KUBECONFIG; where that is one of ours, with all that ours can do."""
    path = Path(os.environ.get("KUBECONFIG", "").split(":")[0]).absolute()
    if not os.environ.get("KUBECONFIG"):
        return None
    return Cluster.find(path.parent.name) if path.parent.parent == CLUSTERS else GivenCluster(path)


def start(name: str, *, owner: int = 0) -> Cluster | KindCluster:
    """A cluster of our own, which ends with process ``owner`` if that is given."""
    return KindCluster.up(name, owner=owner) if kind.works() else Cluster.up(name, owner=owner)


def prepare() -> None:
    """Do everything that takes long the first time; quick when nothing is missing."""
    if not given() and not kind.works():
        toolchain.require_root()
        toolchain.install_packages()
        toolchain.node_programs()
        preload.build()
    toolchain.helm()


if __name__ == "__main__":
    try:
        prepare()
    except Unavailable as problem:
        raise SystemExit(str(problem)) from None
