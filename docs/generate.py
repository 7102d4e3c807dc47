"""Writes docs/api.md from the models of the three kinds: `make crds`.

The descriptions are those of the CustomResourceDefinitions, so `kubectl explain` says the same. A test compares.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from region_operator.api.crds import KINDS, Kind, definition
from region_operator.api.reasons import NEGATIVE, REASONS

PAGE = Path(__file__).parent / "api.md"

_HEAD = """\
# The three kinds: every field

<!-- Written by `make crds` from operator/region_operator/api; do not edit. -->

`region-operator.io/v1alpha1`, namespaced; a namespace is one fleet, and no reference leaves it. Lengths and patterns of
texts are in the definitions ([crds/](../crds)); what their rules refuse is said below each kind. What a field means in
daily work is in [operations.md](operations.md), what reasons mean in [conditions.md](conditions.md).
"""


@dataclass(frozen=True)
class Field:
    """One row of a table."""

    path: str
    type: str
    default: str
    description: str
    rules: tuple[str, ...]


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_section(kind) for kind in KINDS)


def _section(kind: Kind) -> str:
    body = definition(kind)["spec"]["versions"][0]
    schema = body["schema"]["openAPIV3Schema"]
    spec, status = (list(_fields(schema["properties"][part], part)) for part in ("spec", "status"))
    rules = [*_rules(schema), *_rules(schema["properties"]["spec"])]
    rules += [f"`{field.path}`: {rule}" for field in spec for rule in field.rules]
    columns = ", ".join(column.name.upper() + (" (wide)" if column.wide else "") for column in kind.columns)
    conditions = ", ".join(f"`{name}`{'*' if name in NEGATIVE else ''}" for name in REASONS[kind.name])
    return "\n".join(
        [
            f"\n## {kind.name}\n",
            f"{schema['description']} Short name `{kind.short_name}`. Columns of `kubectl get`: {columns}.\n",
            f"Conditions (those with * are False when all is well): {conditions}.\n",
            "### Spec\n",
            _table(spec),
            "Refused:\n",
            *(f"- {rule}" for rule in rules),
            "\n### Status\n",
            _table(status),
        ]
    )


def _table(fields: list[Field]) -> str:
    lines = ["| field | type | default | description |", "|---|---|---|---|"]
    lines += [f"| `{item.path}` | {item.type} | {item.default} | {item.description} |" for item in fields]
    return "\n".join(lines) + "\n"


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[Field]:
    """Everything below `schema`, parents before their members."""
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        default = "required" if name in required and path.startswith("spec") else _default(part)
        yield Field(here, _type(part), default, _cell(part.get("description", "")), tuple(_rules(part)))
        yield from _fields(part, here)
        members = part.get("items") or part.get("additionalProperties") or {}
        yield from _fields(members, f"{here}[]" if "items" in part else f"{here}.*")


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    kind = str(schema.get("format") or schema["type"]).replace("date-time", "time")
    if kind == "array":
        bounds = _bounds(schema.get("minItems"), schema.get("maxItems"))
        return f"list of {_type(schema['items'])}{bounds}"
    if kind == "object" and "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}{_bounds(None, schema.get('maxProperties'))}"
    return kind + _bounds(schema.get("minimum"), schema.get("maximum"))


def _bounds(least: int | None, most: int | None) -> str:
    most = None if most in (2**31 - 1, 2**63 - 1) else most
    if least is not None and most is not None:
        return f", {least}" if least == most else f", {least} to {most}"
    if most is not None:
        return f", at most {most}"
    return f", at least {least}" if least else ""


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if default is None or isinstance(default, dict | list):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`" if default != "" else ""


def _rules(schema: Mapping[str, Any]) -> list[str]:
    return [str(rule["message"]) for rule in schema.get("x-kubernetes-validations", ())]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
