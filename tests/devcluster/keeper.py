"""Keeps a cluster: starts its node, and removes every trace when the node ends or anybody kills anything.

Two processes watch each other. The inner one starts the node, which dies with it (parent-death signals); the outer one
only waits for the inner one. Whichever survives cleans up; if both are killed at once, the next command does.
"""

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from devcluster import network
from devcluster.cluster import Cluster
from devcluster.layout import Layout
from devcluster.toolchain import Unavailable

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arguments: the run directory, the listening socket that the API is reached by, the process to end with or 0."""
    layout, listener, owner = Layout.load(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    with (layout.directory / "alive").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        if os.fork():
            os._exit(0)  # whoever started us goes on; the lock stays with the child
        os.setsid()
        inner = os.fork()
        if inner:
            signal.signal(signal.SIGTERM, lambda *_: os.kill(inner, signal.SIGTERM))
            os.waitpid(inner, 0)
            _end(layout)
        else:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())
            try:
                _keep(layout, listener, owner)
            finally:
                _end(layout)


def _keep(layout: Layout, listener: int, owner: int) -> None:
    ending = [os.pidfd_open(owner)] if owner else []  # becomes readable when the owner ends
    unshare = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
    node = [sys.executable, "-m", "devcluster.node", str(layout.directory), str(listener)]
    outer = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *unshare, *node], pass_fds=[listener])
    os.close(listener)
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while outer.poll() is None and not (pid := children.read_text().strip()):
        time.sleep(0.01)
    (layout.directory / "init.pid").write_text(pid)
    (layout.directory / "keeper.pid").write_text(str(os.getpid()))
    cluster = Cluster(layout)
    while outer.poll() is None:
        with suppress(Unavailable):  # an API that does not answer right now: the cuts stay as they are
            network.refresh(cluster)
        if any(select.select(ending, [], [], 1)):
            return


def _end(layout: Layout) -> None:
    """End the node's first process, which ends all others; then remove what is left."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(OSError, ValueError):  # it never came up, or is gone
        os.kill(layout.pid("init"), signal.SIGKILL)
    layout.remove()


if __name__ == "__main__":
    main()
