"""The chart's policy refuses DELETE of a protected Region: shown by the API server itself, without an operator."""

import json
import subprocess
import time
import uuid
from pathlib import Path

import pytest

import kind_rule_cases
from devcluster import toolchain
from kind_cases import changed

ROOT = Path(__file__).parents[2]
TEMPLATE = "templates/deletion-protection.yaml"


@pytest.fixture
def kubectl(cluster):
    def run(*arguments, stdin=""):
        command = [toolchain.kubectl(), "--kubeconfig", cluster.kubeconfig, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def namespace(kubectl):
    name = f"protected-{uuid.uuid4().hex[:8]}"
    assert kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))[0] == 0
    assert kubectl("create", "namespace", name)[0] == 0
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def policy(kubectl):
    """The policy as the chart renders it, under a name of its own."""
    arguments = ["template", f"p{uuid.uuid4().hex[:8]}", ROOT / "charts/region-operator", "--show-only", TEMPLATE]
    made = subprocess.run([toolchain.helm(), *arguments], capture_output=True, text=True, check=True).stdout
    status, said = kubectl("apply", "-f", "-", stdin=made)
    assert status == 0, said
    yield
    kubectl("delete", "-f", "-", stdin=made)


def until(look, *, within_s=30.0):
    """The API server compiles a new policy within seconds of being told."""
    end = time.monotonic() + within_s
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


@pytest.mark.rule("OPERATOR 9")
def test_a_protected_region_is_deleted_only_after_protection_is_lifted(kubectl, namespace, policy):
    region = changed(kind_rule_cases.HERE, ("spec", "deletionProtection"), True)
    assert kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(region))[0] == 0
    delete = ("-n", namespace, "delete", "region", region["metadata"]["name"], "--timeout=10s")
    refused = until(lambda: (said := kubectl(*delete, "--dry-run=server"))[0] != 0 and said[1])
    assert "spec.deletionProtection is true: set it to false" in refused

    lift = json.dumps({"spec": {"deletionProtection": False}})
    assert kubectl("-n", namespace, "patch", "region", region["metadata"]["name"], "--type=merge", "-p", lift)[0] == 0
    status, said = kubectl(*delete)
    assert status == 0, said
