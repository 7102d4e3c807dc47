"""The API server itself judges our definitions and manifests: what it takes, what it refuses, and in which words."""

import json
import re
import subprocess
import uuid
from pathlib import Path

import pytest
import yaml

import kind_cases
import kind_rule_cases
from devcluster import toolchain
from kind_cases import Bad, changed
from region_operator.api import crds

ROOT = Path(__file__).parents[2]
LIMITS = kind_cases.limit_cases()
EXAMPLES = sorted(ROOT.glob("examples/*/*.yaml"))


@pytest.fixture(scope="module")
def kubectl(cluster):
    """kubectl in a namespace of this module, with the definitions installed; returns (status, stdout, stderr)."""

    def run(*arguments, stdin="", namespace=""):
        command = [toolchain.kubectl(), "--kubeconfig", cluster.kubeconfig, *(["-n", namespace] if namespace else [])]
        done = subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    namespace = f"kinds-{uuid.uuid4().hex[:8]}"
    status, _, problem = run("apply", "--server-side", "--force-conflicts", "-f", ROOT / "crds")
    assert status == 0, problem
    names = [f"crd/{kind.plural}.region-operator.io" for kind in crds.KINDS]
    status, _, problem = run("wait", "--for=condition=Established", *names, "--timeout=240s")
    assert status == 0, problem
    run("create", "namespace", namespace)
    yield lambda *arguments, stdin="": run(*arguments, stdin=stdin, namespace=namespace)
    run("delete", "namespace", namespace, "--wait=false")


def refusals(kubectl, verb, manifests):
    """What the API server says to each of many objects, by name; one call, since kubectl goes on after a refusal."""
    stdin = "\n".join(json.dumps(body) for body in manifests)
    _, _, problems = kubectl(verb, "--dry-run=server", "-f", "-", stdin=stdin)
    return {found[1]: line for line in problems.splitlines() if (found := re.search(r' "([^"]+)" is invalid', line))}


def named(bad: Bad, body, name):
    """The object under a name of its own, unless its name is what is wrong."""
    return body if bad.title.startswith("metadata.name") else changed(body, ("metadata", "name"), name)


@pytest.fixture(scope="module")
def refused(kubectl):
    bad = [*LIMITS, *kind_rule_cases.BAD_STATES]
    bodies = [named(case, case.manifest, f"case-{number}") for number, case in enumerate(bad)]
    said = refusals(kubectl, "create", bodies)
    return {case: said.get(body["metadata"]["name"], "") for case, body in zip(map(str, bad), bodies, strict=True)}


@pytest.mark.parametrize("bad", [*LIMITS, *kind_rule_cases.BAD_STATES], ids=str)
def test_a_bad_manifest_is_refused_naming_the_field(refused, bad):
    assert bad.says in refused[str(bad)]


@pytest.fixture(scope="module")
def refused_updates(kubectl):
    updates = kind_rule_cases.BAD_UPDATES
    names = [f"update-{number}" for number in range(len(updates))]
    before = [named(case, case.before, name) for case, name in zip(updates, names, strict=True)]
    status, _, problem = kubectl("create", "-f", "-", stdin="\n".join(json.dumps(body) for body in before))
    assert status == 0, problem
    said = refusals(
        kubectl, "replace", [named(case, case.manifest, name) for case, name in zip(updates, names, strict=True)]
    )
    return {str(case): said.get(name, "") for case, name in zip(updates, names, strict=True)}


@pytest.mark.parametrize("bad", kind_rule_cases.BAD_UPDATES, ids=str)
def test_a_bad_update_is_refused_naming_the_field(refused_updates, bad):
    assert bad.says in refused_updates[str(bad)]


@pytest.mark.parametrize(("before", "path", "value"), kind_rule_cases.GOOD_UPDATES, ids=lambda part: str(part)[:40])
def test_a_good_update_is_taken(kubectl, before, path, value):
    body = changed(before, ("metadata", "name"), f"good-{uuid.uuid4().hex[:8]}")
    assert kubectl("create", "-f", "-", stdin=json.dumps(body))[0] == 0
    status, _, problem = kubectl("replace", "-f", "-", stdin=json.dumps(changed(body, tuple(path.split(".")), value)))
    assert status == 0, problem


@pytest.mark.parametrize("good", kind_cases.GOOD, ids=lambda good: f"{good['kind']} {good['metadata']['name']}")
def test_a_good_manifest_is_taken_whole(kubectl, good):
    status, stored, problem = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(good))
    assert status == 0, problem
    assert set(kind_cases.given_paths(good["spec"])) <= set(kind_cases.given_paths(json.loads(stored)["spec"]))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_an_example_is_taken(kubectl, file):
    ours = [body for body in yaml.safe_load_all(file.read_text()) if "region-operator.io" in body.get("apiVersion", "")]
    for body in ours:
        body["metadata"].pop("namespace", None)
        status, _, problem = kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
        assert status == 0, problem


def test_a_release_of_the_chart_is_the_region_of_its_name(kubectl, cluster, helm, namespace, tmp_path):
    values = tmp_path / "eu-west.yaml"
    values.write_text(yaml.safe_dump({"region": kind_rule_cases.HERE["spec"]}))
    helm("install", "eu-west", ROOT / "charts/region", "-f", values, "-n", namespace)
    made = json.loads(cluster.kubectl("get", "region", "eu-west", "-n", namespace, "-o", "json"))
    assert made["spec"]["database"] == kind_rule_cases.HERE["spec"]["database"]
    helm("uninstall", "eu-west", "-n", namespace, "--wait")
    assert cluster.kubectl("get", "region", "-n", namespace, "-o", "name") == ""


@pytest.mark.parametrize(
    ("good", "path"),
    [
        (kind_rule_cases.HERE, "spec.novelty"),
        (kind_rule_cases.HERE, "spec.database.managed.storage.novelty"),
        (kind_rule_cases.PEERED, "spec.leave.novelty"),
        (kind_rule_cases.FULL_POLICY, "spec.scan.novelty"),
    ],
    ids=["region", "storage", "peering", "policy"],
)
def test_an_unknown_field_is_refused_by_name(kubectl, good, path):
    body = changed(good, tuple(path.split(".")), 1)
    status, _, problem = kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    assert status != 0
    assert f'unknown field "{path}"' in problem


@pytest.mark.rule("OPERATOR 1")
@pytest.mark.parametrize("short", [kind.short_name for kind in crds.KINDS] + ["region-operator"])
def test_short_names_and_the_category_find_our_kinds(kubectl, short):
    status, _, problem = kubectl("get", short)
    assert status == 0, problem


@pytest.mark.rule("OPERATOR 1")
def test_the_category_is_no_name_of_a_kind(kubectl):
    _, resources, _ = kubectl("api-resources", "--api-group=region-operator.io", "-o", "wide", "--no-headers")
    rows = [line.split() for line in resources.splitlines()]
    assert {row[-1] for row in rows} == {"region-operator"}
    assert len(rows) == len(crds.KINDS)


def test_status_is_written_apart_from_spec(kubectl):
    body = changed(kind_rule_cases.HERE, ("metadata", "name"), "status-apart")
    assert kubectl("create", "-f", "-", stdin=json.dumps(body | {"status": {"observedGeneration": 1}}))[0] == 0
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "",
        "lastTransitionTime": "2026-11-22T03:00:00Z",
    }
    patch = {"status": {"conditions": [condition]}, "spec": {"paused": True}}
    status, _, problem = kubectl(
        "patch", "region", "status-apart", "--subresource=status", "--type=merge", "-p", json.dumps(patch)
    )
    assert status == 0, problem
    stored = json.loads(kubectl("get", "region", "status-apart", "-o", "json")[1])
    assert stored["status"] == {"conditions": [condition]}
    assert stored["spec"]["paused"] is False
    assert "True" in kubectl("get", "region", "status-apart", "--no-headers")[1]
