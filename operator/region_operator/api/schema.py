"""How a manifest is declared once and judged twice.

A model's limits and its `Cel` rules become the CustomResourceDefinition, so the API server refuses bad input before it
is stored; the same limits, and the Python twin of each rule that needs no old object, are checked again by `parse`,
because objects stored under an older definition must not surprise us.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from region_operator.errors import InvalidInput

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True)
class Cel:
    """A rule of the API server's expression language on one object.

    Attributes:
        rule: the expression; `self` is the object, `oldSelf` what it was before.
        message: names the field and says what to write.
        holds: the same rule over the parsed model; absent when it compares with `oldSelf`.
    """

    rule: str
    message: str
    holds: Callable[[Any], bool] | None = None

    def schema(self) -> dict[str, str]:
        return {"rule": self.rule, "message": self.message}

    def check(self, value: Any) -> Any:
        if self.holds is not None and not self.holds(value):
            raise ValueError(self.message)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As metadata of `Annotated`, the rule stands on that one field."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        schema.setdefault(VALIDATIONS, []).append(self.schema())
        return schema


class Manifest(BaseModel):
    """Base of all objects in spec and status; unknown fields are ignored, the API server has pruned or refused them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    cel: ClassVar[tuple[Cel, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in self.cel:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        if cls.cel:
            schema[VALIDATIONS] = [rule.schema() for rule in cls.cel]
        return schema

    def wire(self) -> dict[str, Any]:
        """The object as it is written in a manifest: camelCase, nothing that is absent."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class ObjectMeta(Manifest):
    """The part of metadata that decides something; left out of the generated definitions."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Resource(Manifest):
    """Base of the three kinds."""

    metadata: ObjectMeta

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read an object as the API server returned it.

        A status that cannot be read is dropped: it is rebuilt from observation anyway.

        Raises:
            InvalidInput: the spec cannot be used; names the first field that is wrong.
        """
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            wrong = [entry for entry in error.errors() if entry["loc"][:1] != ("status",)]
            if not wrong:
                return cls.parse({key: value for key, value in body.items() if key != "status"})
            raise invalid_input(wrong[0]) from None


def invalid_input(error: Mapping[str, Any]) -> InvalidInput:
    """One entry of pydantic's errors, in the words of the project."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"]).lstrip(".")
    problem = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if isinstance(given, str | int | float | bool):
        problem += f" (given: {str(given)[:80]!r})"
    return InvalidInput(field=path or "spec", problem=problem, remedy="correct it and apply the manifest again")


ListKind = Literal["atomic", "set", "map"]


def listed(kind: ListKind, *keys: str) -> dict[str, Any]:
    """How server-side apply merges a list, as `json_schema_extra`; keys are those of the wire."""
    extra: dict[str, Any] = {"x-kubernetes-list-type": kind}
    return extra | {"x-kubernetes-list-map-keys": list(keys)} if keys else extra
