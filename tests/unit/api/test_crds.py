import argparse
from pathlib import Path

import pytest
import yaml
from pydantic import Field

from region_operator.api import crds
from region_operator.api.schema import Manifest
from region_operator.api.structural import NotStructural, structural

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("directory", ["crds", "charts/region-operator/templates/crds"])
def test_the_committed_definitions_are_those_of_the_models(tmp_path, directory):
    crds.main(argparse.Namespace(directory=[str(tmp_path / directory)]))
    made = {file.name: file.read_text() for file in (tmp_path / directory).iterdir()}
    assert made == {file.name: file.read_text() for file in (ROOT / directory).iterdir()}, "run `make crds`"


def test_the_committed_schema_of_chart_values_is_that_of_the_models(tmp_path):
    (tmp_path / "Chart.yaml").touch()
    crds.main(argparse.Namespace(directory=[str(tmp_path)]))
    committed = (ROOT / "charts/region/values.schema.json").read_text()
    assert (tmp_path / "values.schema.json").read_text() == committed, "run `make crds`"


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.name)
def test_a_definition_fits_into_the_annotation_of_client_side_apply(kind):
    assert len(crds.plain(kind).encode()) < 256 * 1024


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.name)
def test_only_spec_has_defaults_and_scans_have_none(kind):
    parts = crds.schema(kind)["properties"]
    assert "default" not in yaml.dump(parts["status"], Dumper=yaml.CSafeDumper).replace("default ", "")
    scan = parts["spec"]["properties"].get("scan", {})
    assert "default:" not in yaml.safe_dump(scan)


@pytest.mark.rule("OPERATOR 25")
@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.name)
def test_a_definition_carries_the_hash_of_its_schema(kind):
    annotations = yaml.load(crds.plain(kind), yaml.CSafeLoader)["metadata"]["annotations"]
    assert annotations["region-operator.io/schema-hash"] == crds.schema_hash(kind)
    assert len({crds.schema_hash(other) for other in crds.KINDS}) == len(crds.KINDS)


@pytest.mark.rule("OPERATOR 1")
@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.name)
def test_the_category_is_no_name_of_a_kind(kind):
    names = crds.definition(kind)["spec"]["names"]
    assert names["categories"] == ["region-operator"]
    assert not {"region-operator", "all"} & {names["plural"], names["singular"], *names["shortNames"]}


def rewrite(model):
    return structural(model.model_json_schema(by_alias=True), defaults=True)


class Described(Manifest):
    inner: bool = Field(default=True, description="d")


class Optional(Manifest):
    part: Described | None = Field(default=None, description="beside wins")
    given: Described = Field(default_factory=Described, description="d")


def test_null_branches_references_and_titles_disappear():
    inner = {"type": "object", "properties": {"inner": {"type": "boolean", "description": "d", "default": True}}}
    assert rewrite(Optional)["properties"] == {
        "part": inner | {"description": "beside wins"},
        "given": inner | {"description": "d", "default": {"inner": True}},
    }


class Unlimited(Manifest):
    text: str = Field(description="d")


class Unmerged(Manifest):
    numbers: tuple[int, ...] = Field(max_length=3, description="d")


class Undescribed(Manifest):
    flag: bool


class Union(Manifest):
    either: bool | Described = Field(description="d")


class Recursive(Manifest):
    again: "Recursive | None" = Field(default=None, description="d")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Unlimited, "text: has no maxLength"),
        (Unmerged, "numbers"),
        (Undescribed, "flag: has no description"),
        (Union, "either: a union of shapes"),
        (Recursive, "refers to itself"),
    ],
)
def test_what_a_definition_cannot_say_is_found_when_it_is_generated(model, says):
    with pytest.raises(NotStructural, match=says):
        rewrite(model)
