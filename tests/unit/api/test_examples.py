import re
from pathlib import Path

import pytest
import yaml

from region_operator.api.conditions import Finding, is_declared
from region_operator.api.peering import RegionPeering
from region_operator.api.policy import SyncPolicy
from region_operator.api.reasons import REASONS
from region_operator.api.region import Region

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
MODELS = {"Region": Region, "RegionPeering": RegionPeering, "SyncPolicy": SyncPolicy}


def objects(example):
    return [body for file in sorted(example.glob("*.yaml")) for body in yaml.safe_load_all(file.read_text())]


def ours(example):
    return [body for body in objects(example) if body["kind"] in MODELS]


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.name)
def example(request):
    return request.param


def test_an_example_is_read(example):
    assert ours(example)
    for body in ours(example):
        MODELS[body["kind"]].parse(body)


def test_what_an_example_refers_to_is_in_it(example):
    there = {(body["kind"], body["metadata"]["name"]) for body in objects(example)}
    for body in ours(example):
        spec = body["spec"]
        wanted = {("SyncPolicy", spec["policyRef"]["name"])} if "policyRef" in spec else set()
        wanted |= {("Region", region["name"]) for region in spec.get("regions", ())}
        assert wanted <= there


def test_an_example_is_one_fleet(example):
    assert {body["metadata"]["namespace"] for body in ours(example)} == {"clouds"}
    ids = [body["spec"]["id"] for body in ours(example) if body["kind"] == "Region"]
    assert len(ids) == len(set(ids))


def test_every_object_of_an_example_has_its_expected_conditions(example):
    expected = yaml.safe_load((example / "expected/conditions.yaml").read_text())
    assert set(expected) == {f"{body['kind']}/{body['metadata']['name']}" for body in ours(example)}
    for name, conditions in expected.items():
        kind = name.split("/")[0]
        assert set(REASONS[kind]) <= set(conditions)
        for type_, told in conditions.items():
            assert is_declared(kind, Finding(type_, told["status"], told["reason"], "")), (name, type_, told)


def test_the_readme_of_an_example_names_its_files_as_they_are(example):
    readme = (example / "README.md").read_text()
    assert readme.startswith("# ")
    assert f"examples/{example.name}/" in readme
    for file in re.findall(r"`([\w-]+\.yaml)`", readme):
        assert (example / file).exists(), file
