"""What the documents name is there: files, headings, make targets, annotations, reasons, metrics, tests, fields."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from region_operator import naming
from region_operator.api.crds import KINDS, definition
from region_operator.api.reasons import REASONS

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "docs/decisions", *ROOT.glob("examples/*"))
    for path in folder.glob("*.md")
)
CODE = "\n".join(path.read_text() for path in sorted((ROOT / "operator").rglob("*.py")))
MODULES = [str(path) for part in ("operator", "tests", "bench", "docs") for path in (ROOT / part).rglob("*.py")]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


SCHEMAS = [definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for kind in KINDS]


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def page(request):
    return request.param


def anchors(path):
    """Headings as GitHub links to them."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


def missing_files(text):
    """Names of files and folders of this repository that are not there; placeholders and generic names aside."""
    pattern = r"(?<![\w./-])((?:operator|charts|crds|docs|examples|tests|bench|demo)/[\w./-]*\w/?)"
    for name in re.findall(pattern, text):
        if not (ROOT / name).exists():
            yield name


def unknown_targets(text):
    """Targets of `make` in code."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    for target in re.findall(r"(?:^|[`\s])make ([a-z][a-z-]*)", "\n".join(code), re.MULTILINE):
        if target not in TARGETS:
            yield target


def unknown_names(text):
    """Annotations and labels that nothing in the code knows."""
    for name in re.findall(rf"{re.escape(naming.GROUP)}/([a-z][a-z-]+[a-z])", text):
        if not re.search(rf"(GROUP\}}|{re.escape(naming.GROUP)})/{name}\b", CODE) and name != naming.VERSION:
            yield name


def test_every_link_leads_somewhere(page):
    assert list(broken_links(page, page.read_text())) == []


def test_every_file_that_is_named_is_there(page):
    assert list(missing_files(page.read_text())) == []


def test_every_make_target_that_is_named_is_there(page):
    assert list(unknown_targets(page.read_text())) == []


def test_every_annotation_that_is_named_is_known(page):
    assert list(unknown_names(page.read_text())) == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (lambda text: broken_links(ROOT / "README.md", text), "see [it](docs/nowhere.md)"),
        (lambda text: broken_links(ROOT / "README.md", text), "see [it](README.md#no-such-heading)"),
        (missing_files, "in `operator/region_operator/nowhere.py`"),
        (unknown_targets, "run `make coffee`"),
        (unknown_names, "annotate region-operator.io/make-coffee=1"),
    ],
)
def test_what_is_not_there_is_found(check, text):
    assert len(list(check(text))) == 1


def test_the_reference_of_fields_is_that_of_the_models():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (ROOT / "docs/api.md").read_text() == generate.page(), "run `make crds`"


def declared():
    """(kind, condition, status, reason) of everything that the kinds can say."""
    return {
        (kind, condition, status, reason)
        for kind, conditions in REASONS.items()
        for condition, statuses in conditions.items()
        for status, reasons in statuses.items()
        for reason in reasons
    }


def explained():
    """The same, of the tables in docs/conditions.md."""
    text = (ROOT / "docs/conditions.md").read_text()
    found = []
    for title, section in re.findall(r"^## ([\w ]+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL):
        rows = re.findall(r"^\| (?:`(\w+)`|(any)) \| (\w+) \| `(\w+)` \|", section, re.MULTILINE)
        kinds = list(REASONS) if title == "Every kind" else [title]
        for kind in kinds:
            for named, every, status, reason in rows:
                conditions = list(REASONS[kind]) if every else [named]
                found += [(kind, condition, status, reason) for condition in conditions]
    return found


def test_every_reason_is_explained_once():
    found = explained()
    assert {row for row in found if found.count(row) > 1} == set()
    assert declared() - set(found) == set()


def test_no_reason_is_explained_that_nobody_can_give():
    assert set(explained()) - declared() == set()


def parked_for():
    """The reasons for which the engine parks rows, read from where it says so."""
    engine = ROOT / "operator/region_operator/replication"
    says = {
        "store/*.py": r'\bReason\(\s*"(\w+)"',
        "store/intake.py": r'_fault\(.*"(\w+)"\)$',
        "store/parked.py": r'^[A-Z_]+: Final = "(\w+)"$',
        "store/reuse.py": r'^[A-Z_]+ = "(\w+)"$',
        "model/codec.py": r'reason="(\w+)"\)$',
        "model/merge.py": r'^    reason = "(\w+)"$',
    }
    found = {
        reason
        for files, pattern in says.items()
        for path in engine.glob(files)
        for reason in re.findall(pattern, path.read_text(), re.MULTILINE)
    }
    return found - {"MergeRefused"}  # of the base of the two that are raised


def test_every_reason_for_which_a_row_is_parked_is_explained_once_and_no_other():
    table = (ROOT / "docs/operations.md").read_text().partition("| reason | the row |")[2].partition("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    explained = [name for cell in firsts for name in re.findall(r"`(\w+)`", cell)]
    assert len(explained) > 15
    assert sorted(explained) == sorted(parked_for())


def test_every_metric_that_is_named_is_exported():
    table = (ROOT / "docs/operations.md").read_text().partition("## Metrics")[2].partition("## Rights")[0]
    names = re.findall(r"`([a-z_]+_[a-z_]+)`", table)
    names = [re.sub(r"^region_operator_(agent_|management_)?", "", name).removesuffix("_total") for name in names]
    names = [name for name in names if name]
    assert len(names) > 20
    assert [name for name in names if not re.search(rf'[_"]{name}(_total)?"', CODE)] == []


def test_every_test_that_is_named_exists():
    text = "\n".join(path.read_text() for path in PAGES)
    named = re.findall(r"`(test_\w+)`", text)
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert [name for name in named if not re.search(rf"def {name}\b", tests)] == []


def test_every_module_that_is_named_exists(page):
    if "decisions" in page.parts:  # dated, and told as it was
        return
    named = set(re.findall(r"`([\w/]+\.py)`", page.read_text()))
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in MODULES)] == []


def test_every_part_has_its_place_in_the_architecture():
    text = (ROOT / "docs/architecture.md").read_text()
    package = ROOT / "operator/region_operator"
    folders = {path.parent.relative_to(package) for path in package.rglob("*.py")} - {Path()}
    assert [f"{folder}/" for folder in sorted(folders) if f"`{folder}/`" not in text] == []


def test_every_layer_contract_is_told_in_its_own_words():
    text = (ROOT / "docs/architecture.md").read_text()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in contracts if f"**{contract['name']}**" not in text] == []


def test_every_decision_is_in_the_index_and_dated():
    index = (ROOT / "docs/decisions/README.md").read_text()
    for path in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"]({path.name})" in index, path.name
        assert re.match(rf"# {path.name[:4]} .+\n\n20\d\d-\d\d-\d\d\n", path.read_text()), path.name


def test_every_field_that_is_named_is_one_of_a_kind(page):
    if page.name == "CHANGELOG.md":
        return
    named = set(
        re.findall(r"`(?:Region\.|RegionPeering\.|SyncPolicy\.)?((?:spec|status)(?:\.\w+(?:\[\])?)+)", page.read_text())
    )
    assert [path for path in sorted(named) if not any(leads(root, path.split(".")) for root in SCHEMAS)] == []


def leads(schema, steps):
    """Whether a path leads to a field; what is below a map may have any name."""
    for step in steps:
        name = step.removesuffix("[]")
        if name not in schema.get("properties", {}):
            return "additionalProperties" in schema
        schema = schema["properties"][name]
        schema = schema["items"] if step.endswith("[]") and "items" in schema else schema
    return True
