"""From pydantic's JSON schema to the structural schema that a CustomResourceDefinition takes.

Kubernetes knows no references, no null, no titles and no unions of shapes, and it estimates the cost of a rule from the
limits of what the rule looks at. So everything is inlined, and what has no limit or no description is a mistake that is
found here, not by a user.
"""

from collections.abc import Mapping
from typing import Any

JsonSchema = dict[str, Any]

_FORBIDDEN = ("oneOf", "allOf", "not", "discriminator", "prefixItems", "const", "exclusiveMinimum", "exclusiveMaximum")
_DEEPEST = 20


class NotStructural(Exception):
    """A model says something that a CustomResourceDefinition cannot say, or leaves out what it must say."""


def structural(schema: JsonSchema, *, defaults: bool) -> JsonSchema:
    """Rewrite a whole schema with its `$defs`.

    Args:
        schema: what `model_json_schema` returned.
        defaults: whether defaults are kept; a status has none, since losing it must be harmless.

    Raises:
        NotStructural: naming the path of what is wrong.
    """
    return _rewrite(schema, schema.get("$defs", {}), path=schema.get("title", ""), defaults=defaults)


def _rewrite(schema: JsonSchema, definitions: Mapping[str, JsonSchema], *, path: str, defaults: bool) -> JsonSchema:
    if path.count(".") > _DEEPEST:
        raise NotStructural(f"{path}: a model refers to itself")
    flat = _without_references(schema, definitions, path)
    found = [word for word in _FORBIDDEN if word in flat]
    if found:
        raise NotStructural(f"{path}: {found[0]} cannot be said in a CustomResourceDefinition")
    result = {
        key: value for key, value in flat.items() if key not in ("title", "default", "$defs", "properties", "items")
    }
    if defaults and flat.get("default") not in (None, "", [], {}):
        result["default"] = flat["default"]
    if isinstance(flat.get("additionalProperties"), dict):
        inner = flat["additionalProperties"]
        result["additionalProperties"] = _rewrite(inner, definitions, path=f"{path}.*", defaults=defaults)
    if "items" in flat:
        result["items"] = _rewrite(flat["items"], definitions, path=f"{path}[]", defaults=defaults)
    if "properties" in flat:
        result["properties"] = {
            name: _property(name, value, flat, _rewrite(value, definitions, path=f"{path}.{name}", defaults=defaults))
            for name, value in flat["properties"].items()
        }
        for name, value in result["properties"].items():
            if "description" not in value:
                raise NotStructural(f"{path}.{name}: has no description")
    _require_limits(result, path)
    return result


def _property(name: str, original: JsonSchema, parent: JsonSchema, rewritten: JsonSchema) -> JsonSchema:
    """Give an object that may be left out its members' defaults, else those would not apply.

    They are written out: the API server checks the rules of the object on its default as it stands.
    """
    optional = name not in parent.get("required", ()) and "anyOf" not in original
    members = rewritten.get("properties", {}).items()
    inner = {member: value["default"] for member, value in members if "default" in value}
    return rewritten | {"default": inner} if optional and inner else rewritten


def _without_references(schema: JsonSchema, definitions: Mapping[str, JsonSchema], path: str) -> JsonSchema:
    """Inline a reference and drop a null branch; what stands beside them wins."""
    flat = dict(schema)
    while True:
        if "$ref" in flat:
            flat = {**definitions[flat.pop("$ref").removeprefix("#/$defs/")], **flat}
        elif "anyOf" in flat and not flat.get("x-kubernetes-int-or-string"):
            branches = [branch for branch in flat.pop("anyOf") if branch != {"type": "null"}]
            if len(branches) != 1:
                raise NotStructural(f"{path}: a union of shapes cannot be said in a CustomResourceDefinition")
            flat = {**branches[0], **flat}
        else:
            return flat


def _require_limits(schema: JsonSchema, path: str) -> None:
    kind = schema.get("type")
    missing = {
        "string": "enum" not in schema and "maxLength" not in schema and "maxLength",
        "array": "maxItems" not in schema and "maxItems",
        "object": "additionalProperties" in schema and "maxProperties" not in schema and "maxProperties",
        "integer": "minimum" not in schema and "minimum",
    }.get(str(kind))
    if missing:
        raise NotStructural(f"{path}: has no {missing}")
    if kind == "array" and "x-kubernetes-list-type" not in schema:
        raise NotStructural(f"{path}: does not say how the list is merged")
    if kind is None and not schema.get("x-kubernetes-int-or-string"):
        raise NotStructural(f"{path}: has no type")
