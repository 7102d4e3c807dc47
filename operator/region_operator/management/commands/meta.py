"""The API about itself: which commands there are, and what this server can do."""

from collections.abc import Mapping
from typing import Any, Final

from region_operator.management.commands.call import Call
from region_operator.management.commands.declaration import (
    ANYBODY,
    EVERYONE,
    Body,
    Command,
    Field,
    Kind,
    Listing,
    Parameter,
    Role,
    Single,
)
from region_operator.management.commands.errors import InvalidParameter


def list_apis(call: Call) -> Body:
    """Only what the caller may call."""
    name = call.arguments.optional_text("name")
    allowed = [command for command in call.services.commands.values() if may_call(call.caller.role, command)]
    chosen = [command for command in allowed if name is None or command.name.lower() == name.lower()]
    if not chosen:
        raise InvalidParameter(f"The API {name} does not exist or is not available for the caller")
    return {"total": len(chosen), "items": [_described(command) for command in chosen]}


def may_call(role: Role, command: Command) -> bool:
    return command.roles == ANYBODY or bool(role & command.roles)


def list_capabilities(call: Call) -> Body:
    return {
        "cloudstackversion": call.services.version,
        "dynamicrolesenabled": False,
        "securitygroupsenabled": False,
        "regionsecondaryenabled": False,
        "projectinviterequired": False,
        "allowusercreateprojects": False,
        "userpublictemplateenabled": False,
        "supportELB": "false",
    }


def _described(command: Command) -> Body:
    return {
        "name": command.name,
        "description": command.description,
        "isasync": command.asynchronous is not None,
        "related": "",
        **({"since": command.since} if command.since else {}),
        "params": [
            {
                "name": parameter.name.lower(),
                "description": parameter.description,
                "type": parameter.kind.value,
                "length": parameter.length,
                "required": parameter.required,
            }
            for parameter in command.all_parameters
            if not parameter.unsupported
        ],
        "response": [_described_field(field) for field in command.answer.fields],
    }


def _described_field(field: Field) -> Mapping[str, Any]:
    described: dict[str, Any] = {"name": field.name, "description": field.description, "type": field.type}
    if field.fields:
        described["response"] = [_described_field(nested) for nested in field.fields]
    return described


COMMANDS: Final = (
    Command(
        name="listApis",
        description="lists all available apis on the server",
        roles=EVERYONE,
        parameters=(Parameter("name", Kind.STRING, "API name"),),
        answer=Listing(
            "api",
            (
                Field("name", "string", "the name of the api command"),
                Field("description", "string", "description of the api"),
                Field("isasync", "boolean", "true if api is asynchronous"),
                Field("since", "string", "version of CloudStack the api was introduced in"),
                Field("related", "string", "comma separated related apis"),
                Field("params", "set", "the list params the api accepts"),
                Field("response", "set", "api response fields"),
            ),
            paged=False,
        ),
        handler=list_apis,
    ),
    Command(
        name="listCapabilities",
        description="Lists capabilities",
        roles=EVERYONE,
        parameters=(),
        answer=Single(
            "capability",
            (
                Field("cloudstackversion", "string", "version of the cloud stack"),
                Field("dynamicrolesenabled", "boolean", "true if dynamic role-based api checker is enabled"),
                Field("securitygroupsenabled", "boolean", "true if security groups support is enabled"),
                Field("regionsecondaryenabled", "boolean", "true if region wide secondary is enabled"),
                Field("projectinviterequired", "boolean", "If invitation confirmation is required"),
                Field("allowusercreateprojects", "boolean", "true if regular user is allowed to create projects"),
                Field(
                    "userpublictemplateenabled", "boolean", "true if user and domain admins can set templates to shared"
                ),
                Field("supportELB", "string", "true if region supports elastic load balancer on basic zones"),
            ),
        ),
        handler=list_capabilities,
    ),
)
