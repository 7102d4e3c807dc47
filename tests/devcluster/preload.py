"""containerd's store with the images' large layers in it, made once and given to each new cluster as hard links.

Importing half a gigabyte into each cluster would be most of its start; linking it takes a second. Nothing in the store
is ever changed in place but its two databases, and these are copied.
"""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

from devcluster import images
from devcluster.progress import step
from devcluster.toolchain import CACHE, Unavailable, run

DATABASES = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db")
# In namespaces of its own, so that whatever ends it takes containerd and its mounts along.
IMPORT = """\
cd "$1"
echo 'disabled_plugins = ["io.containerd.grpc.v1.cri"]' > config
containerd --config config --root "$1/store" --state "$1/state" --address "$1/socket" < /dev/null > log 2>&1 &
until ctr --address socket version > /dev/null 2>&1; do sleep 0.1; kill -0 $! || exit; done
ctr --address socket --namespace k8s.io images import - > /dev/null
status=$?
kill $! && wait $!
exit $status
"""


def build() -> images.Images:
    """Build the images, and a store with them unless there is one that lacks no more than their topmost layers."""
    refs = images.build()
    with _locked(fcntl.LOCK_EX):  # others may be making the same store, or linking to the one that would be removed
        _make_store(refs)
    return refs


def _make_store(refs: images.Images) -> None:
    layers = sorted({digest for ref in refs for digest in images.large_layers(ref)})
    store = CACHE / f"containerd-{hashlib.sha256(repr(layers).encode()).hexdigest()[:12]}"
    if store.exists():
        return
    with (
        step("unpacking the images for new clusters, once", usually_s=20),
        tempfile.TemporaryDirectory(dir=CACHE) as work,
    ):
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        command = [*apart, "sh", "-c", IMPORT, "sh", work]
        with subprocess.Popen(command, stdin=PIPE, stderr=PIPE) as importing:
            assert importing.stdin and importing.stderr
            images.write_archive(importing.stdin, refs, without=set())
            importing.stdin.close()
            problem = importing.stderr.read().decode()
        if importing.returncode:
            raise Unavailable(f"unpacking images: {problem}")
        for old in CACHE.glob("containerd-*"):
            shutil.rmtree(old)
        (Path(work) / "store").rename(store)


def give(target: Path) -> None:
    """Fill a new cluster's store, if there is something to give."""
    target.parent.mkdir(parents=True)
    with _locked(fcntl.LOCK_SH):
        for store in CACHE.glob("containerd-*"):
            run("cp", "--archive", "--link", store, target)
            for database in DATABASES:
                (target / database).unlink()
                shutil.copy2(store / database, target / database)


@contextmanager
def _locked(how: int) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "store.lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield
