"""Where a cluster keeps what, on which addresses; known to the machine's side and to the node's side alike."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster.toolchain import CACHE

CLUSTERS = CACHE / "clusters"
INSIDE = Path("/run/devcluster")  # the run directory, as seen in the node
MAX_CLUSTERS = 50
API_PORT = 6443
DNS_READY_PORT = 8181


@dataclass(frozen=True)
class Layout:
    """One cluster's name, its number (which its address ranges come from) and its API's port on this machine."""

    name: str
    number: int
    port: int

    @property
    def directory(self) -> Path:
        return CLUSTERS / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def peer_kubeconfig(self) -> Path:
        """A kubeconfig that Pods of this and of linked clusters can use: it names the node's own address."""
        return self.directory / "peer.kubeconfig"

    @property
    def cgroup(self) -> str:
        return f"devcluster-{self.name}"

    @property
    def node_address(self) -> str:
        return f"10.89.{self.number}.1"

    @property
    def pods(self) -> str:
        return f"10.{100 + self.number}.0.0/16"

    @property
    def services(self) -> str:
        return f"10.{160 + self.number}.0.0/16"

    @property
    def wan(self) -> str:
        """Name of the network device by which other clusters are linked to this one."""
        return f"wan-{self.number}"

    def save(self) -> None:
        (self.directory / "cluster.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, directory: Path) -> "Layout":
        return cls(**json.loads((directory / "cluster.json").read_text()))

    def pid(self, process: str) -> int:
        """Process id of ``init`` (first process of the node) or ``keeper``, as this machine counts."""
        return int((self.directory / f"{process}.pid").read_text())

    def alive(self) -> bool:
        """The keepers hold a lock on this file as long as one of them lives, however they end."""
        try:
            with (self.directory / "alive").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def remove(self) -> None:
        """Remove what outlives a cluster's processes, which have been killed: cgroups and files."""
        for _ in range(200):
            try:
                for group in self.cgroups():
                    group.rmdir()
                shutil.rmtree(self.directory, ignore_errors=True)
                if not self.directory.exists():
                    return
            except OSError:  # its last processes are still being ended by the kernel
                pass
            time.sleep(0.05)

    def cgroups(self) -> list[Path]:
        """The cluster's cgroups in every hierarchy, deepest first."""
        roots = [*Path("/sys/fs/cgroup").glob(f"*/{self.cgroup}"), Path("/sys/fs/cgroup") / self.cgroup]
        # os.walk, because it passes over groups that the kernel removes meanwhile.
        found = [Path(path) for root in roots for path, _, _ in os.walk(root)]
        return sorted(found, key=lambda path: len(path.parts), reverse=True)


@contextmanager
def registry() -> Iterator[list[Layout]]:
    """The clusters that live, under a lock; remains of dead ones are removed on the way."""
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    with (CLUSTERS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        living = []
        for directory in (path.parent for path in sorted(CLUSTERS.glob("*/cluster.json"))):
            layout = Layout.load(directory)
            if layout.alive():
                living.append(layout)
            else:
                layout.remove()
        yield living
