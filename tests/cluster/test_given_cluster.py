"""A cluster that KUBECONFIG gives is used as it is, and left as it was: shown by a whole run of tests in one."""

import os
import re
import subprocess
import sys
from pathlib import Path

from devcluster.toolchain import Unavailable
from fleets import until

ROOT = Path(__file__).parents[2]
INSTALLS_THE_OPERATOR = (
    "tests/cluster/test_region_lifecycle.py::test_a_foreign_object_in_the_way_is_named_and_not_touched"
)
NEEDS_TWO = "tests/cluster/test_placement.py::test_an_account_crosses_the_wan"
COME_AND_GO = ("events", "certificatesigningrequests", "componentstatuses")
THE_CLUSTERS_OWN = re.compile(r" (kube-[a-z-]+|default)/")  # which may come later, as the Lease of a node


def test_a_given_cluster_is_left_as_it_was(second_cluster, second_images, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"  # elsewhere than where devcluster's own are known by
    kubeconfig.write_text(second_cluster.kubeconfig.read_text())
    before = held(second_cluster)
    assert "Namespace /kube-system" in before
    said = run_of_tests(
        INSTALLS_THE_OPERATOR,
        NEEDS_TWO,
        KUBECONFIG=str(kubeconfig),
        REGION_OPERATOR_IMAGE=second_images.operator,
        MARIADB_IMAGE=second_images.mariadb,
    )
    assert "1 passed, 1 skipped" in said
    until("nothing is left", lambda: nothing(held(second_cluster) - before))
    assert not {item for item in before - held(second_cluster) if " kube-system/" in item}


def run_of_tests(*names, **environment):
    """What a run by hand prints, which knows nothing of ours."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names]
    done = subprocess.run(
        command, cwd=ROOT, env={**known, **environment}, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


def nothing(new):
    left = sorted(item for item in new if not THE_CLUSTERS_OWN.search(item))
    if left:
        raise Unavailable(f"left: {left}")  # is told when it stays so
    return True


def held(cluster):
    """Every object by kind and name, but for those that clusters make and remove by themselves."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    lasting = ",".join(kind for kind in kinds if not kind.startswith(COME_AND_GO))
    line = '{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\\n"}{end}'
    return set(cluster.kubectl("get", lasting, "-A", "-o", f"jsonpath={line}").splitlines())
