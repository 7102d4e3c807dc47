"""Container images without Docker: the repository's own Dockerfile, built by buildah on a Debian base.

The base is made from Debian packages and holds Python and MariaDB's own programs, so it serves twice: under the
operator, and as ``mariadb:10.11``. Images are taken layer by layer out of buildah's store, so a cluster is given only
what it lacks.
"""

import fcntl
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from devcluster.progress import step
from devcluster.toolchain import CACHE, install_packages, require_root, run

REPOSITORY = Path(__file__).parents[2]
STORE = CACHE / "buildah"
INPUTS = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "operator")
OPERATOR = "localhost/region-operator"
MARIADB = "docker.io/library/mariadb:10.11"
SUITE = "bookworm"  # the Debian that has Python 3.11 and MariaDB 10.11
# As in the official image: the user, and the places that it may write to.
BASE = (
    "mmdebstrap",
    "--variant=minbase",
    "--include=ca-certificates,python3,python3-venv,mariadb-server-core,mariadb-client",
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")),
    '--customize-hook=chroot "$1" useradd --system --uid 999 --user-group --home-dir /var/lib/mysql mysql',
    '--customize-hook=chroot "$1" install --directory --mode=1777 --owner=999 --group=999 /run/mysqld /var/lib/mysql',
    '--customize-hook=rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*',
    SUITE,
)
BASE_DIGEST = hashlib.sha256(repr(BASE).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Images:
    """What to deploy: full references, usable with ``imagePullPolicy: IfNotPresent`` once loaded."""

    operator: str
    mariadb: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.operator, self.mariadb))


def references() -> Images:
    """What the images of the present source are called; the operator's tag is a hash of what goes into it."""
    return Images(operator=f"{OPERATOR}:{_digest()}", mariadb=MARIADB)


def build() -> Images:
    """Build what has changed and return its references."""
    images = references()
    with _exclusive():
        if images.operator not in _names():
            require_root()
            install_packages()
            base = _base()
            with step("building the operator's image", usually_s=8):
                bud = ["bud", "--isolation", "chroot", "--layers", "--build-arg", f"BASE_IMAGE={base}", *_trust()]
                _buildah(*bud, "--tag", images.operator, str(REPOSITORY))
    return images


def large_layers(ref: str) -> list[str]:
    """Digests of the layers that do not change with every edit of the program: all but the topmost."""
    digests = [digest for digest, _ in _layers(ref)]
    return digests[1:] or digests


def write_archive(out: IO[bytes], refs: Iterable[str], *, without: set[str]) -> None:
    """Write an OCI archive of ``refs``, leaving out layers whose digests are in ``without``."""
    entries = []
    written = set(without)
    with tarfile.open(fileobj=out, mode="w|") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        for ref in refs:
            manifest = _store("get-image-data", ref, "manifest").encode()
            parts = json.loads(manifest)
            config = _store("get-image-data", ref, parts["config"]["digest"]).encode()
            digests = [_add_blob(tar, content) for content in (manifest, config)]
            entry = {"mediaType": parts["mediaType"], "digest": digests[0], "size": len(manifest)}
            entries.append({**entry, "annotations": {"io.containerd.image.name": ref}})
            for digest, layer in _layers(ref):
                if digest not in written:
                    written.add(digest)
                    with tempfile.NamedTemporaryFile(dir=CACHE) as file:
                        _store("diff", "--uncompressed", "--file", file.name, layer)
                        tar.add(file.name, f"blobs/{digest.replace(':', '/')}")
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode())


def write_pause(program: Path, archive: Path) -> None:
    """The image that holds a Pod's namespaces: one static program."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(program, "pause")
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]}
    config = {"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/pause"]}, "rootfs": rootfs}
    manifest = [{"Config": "config.json", "RepoTags": ["devcluster.local/pause:1"], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        for name, content in (("config.json", json.dumps(config)), ("manifest.json", json.dumps(manifest))):
            _add(tar, name, content.encode())
        _add(tar, "layer.tar", layer.getvalue())


def _base() -> str:
    """The Debian base, made again when its recipe changes; also tagged as MariaDB's image."""
    ref = f"localhost/devcluster-base:{BASE_DIGEST}"
    if ref not in _names():
        rootfs = CACHE / f"rootfs.{os.getpid()}.tar"
        with step("making a Debian base image with Python and MariaDB, once", usually_s=40):
            try:
                run(*BASE, rootfs, *_mirror())
                container = _buildah("from", "scratch").strip()
                _buildah("add", container, str(rootfs), "/")
                _buildah("config", "--cmd", "mariadbd", container)
                _buildah("commit", "--rm", container, ref)
            finally:
                rootfs.unlink(missing_ok=True)
    _buildah("tag", ref, MARIADB)
    return ref


def _mirror() -> list[str]:
    """This machine's package sources if it runs the same Debian, else Debian's own."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    same = f"VERSION_CODENAME={SUITE}" in Path("/etc/os-release").read_text()
    return [str(sources)] if same and sources.exists() else []


def _trust() -> list[str]:
    """What makes pip work on this machine works during the build as well; nothing of it stays in the image."""
    paths = ("/etc/ssl/certs", "/etc/pip.conf")
    return [argument for path in paths if Path(path).exists() for argument in ("--volume", f"{path}:{path}:ro")]


def _buildah(*arguments: str) -> str:
    return run("buildah", "--root", STORE, "--runroot", f"{STORE}-run", *arguments)


def _store(command: str, *arguments: str) -> str:
    return run("containers-storage", command, "--graph", STORE, "--run", f"{STORE}-run", *arguments)


def _names() -> set[str]:
    """References of all images that were built; a store that was never used answers ``null``."""
    images = json.loads(_store("images", "--json") or "null") or []
    return {name for image in images for name in image.get("names") or ()}


def _layers(ref: str) -> Iterator[tuple[str, str]]:
    """Digest and id of each layer of an image, from the top down."""
    layer = json.loads(_store("image", "--json", ref))[0]["layer"]
    while layer:
        facts = json.loads(_store("layer", "--json", layer))[0]
        yield facts["diff-digest"], layer
        layer = facts.get("parent", "")


def _add_blob(tar: tarfile.TarFile, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    _add(tar, f"blobs/sha256/{digest}", content)
    return f"sha256:{digest}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _digest() -> str:
    """Hash of everything that the image is made of."""
    digest = hashlib.sha256(BASE_DIGEST.encode())
    for name in INPUTS:
        root = REPOSITORY / name
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def _exclusive() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
