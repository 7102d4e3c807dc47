"""Manifests of typical Regions, as committed YAML: what a change of a builder does to users is read in the diff.

``UPDATE_GOLDEN=1 pytest tests/unit/controller/plan/test_golden.py`` writes them anew.
"""

import os
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from unit.controller.plan.regions import SPECS, region
from unit.controller.plan.world import World

GOLDEN = Path(__file__).parent / "golden"
RANDOM_ANNOTATIONS = ("region-operator.io/certificate",)


def manifests(name: str) -> list[dict]:
    world = World(region(name, labels={"team": "identity", "argocd.argoproj.io/instance": "app"}))
    world.settle()
    return [normalised(item) for item in world.manifests() if item["kind"] != "PersistentVolumeClaim"]


def rendered(name: str) -> str:
    items = manifests(name)
    if name != "minimal":  # the labels are the same everywhere, one file that shows them is enough
        for item in items:
            del item["metadata"]["labels"]
    return yaml.dump_all(items, Dumper=Compact, default_flow_style=None, width=160)


class Compact(yaml.SafeDumper):
    """Short YAML: innermost lists and maps on one line, texts of several lines as such, no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


Compact.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def normalised(manifest: dict) -> dict:
    """Without what is random: uids, values of Secrets, digests of certificates."""
    item = deepcopy(manifest)
    del item["metadata"]["uid"]
    if item["kind"] == "Secret":
        item["data"] = sorted(item["data"])
        return item
    annotations = item.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
    for key in annotations:
        if key in RANDOM_ANNOTATIONS:
            annotations[key] = "<digest>"
    return item


@pytest.mark.rule("OPERATOR 22")
@pytest.mark.parametrize("name", SPECS)
def test_the_manifests_are_those_that_were_reviewed(name):
    path, text = GOLDEN / f"{name}.yaml", rendered(name)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", SPECS)
def test_equal_input_makes_equal_manifests(name):
    assert manifests(name) == manifests(name)
