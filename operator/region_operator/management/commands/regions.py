"""The regions that this one knows. Nothing is sent to them: who adds a region here adds this one there."""

from typing import Final

from region_operator.management.commands.answers import REGION_FIELDS, region_body
from region_operator.management.commands.call import Call
from region_operator.management.commands.declaration import (
    EVERYONE,
    ROOT_ONLY,
    Body,
    Command,
    Kind,
    Listing,
    Parameter,
    Single,
    Success,
)
from region_operator.management.commands.errors import InvalidParameter
from region_operator.management.commands.rules import not_empty
from region_operator.management.store import regions
from region_operator.management.store.connection import DuplicateKey
from region_operator.management.store.regions import Region


def add_region(call: Call) -> Body:
    id_ = call.arguments.number("id")
    if id_ < 1:
        raise InvalidParameter(f"Region id: {id_} is not valid, use a number from 1")
    name = not_empty(call.arguments.text("name"), "Region name is empty")
    endpoint = not_empty(call.arguments.text("endpoint"), "Region endpoint is empty")
    if regions.by_id(call.transaction, id_):
        raise InvalidParameter(f"Region with id: {id_} already exists")
    try:
        regions.add(call.transaction, id_=id_, name=name, endpoint=endpoint)
    except DuplicateKey:
        taken = f"id: {id_}" if regions.by_id(call.transaction, id_) else f"name: {name}"
        raise InvalidParameter(f"Region with {taken} already exists") from None
    return region_body(_existing(call, id_))


def update_region(call: Call) -> Body:
    id_ = call.arguments.number("id")
    region = _existing(call, id_)
    name, endpoint = call.arguments.optional_text("name"), call.arguments.optional_text("endpoint")
    name = region.name if name is None else not_empty(name, "Region name is empty")
    endpoint = region.endpoint if endpoint is None else not_empty(endpoint, "Region endpoint is empty")
    try:
        regions.update(call.transaction, id_, name=name, endpoint=endpoint)
    except DuplicateKey:
        raise InvalidParameter(f"Region with name: {name} already exists") from None
    return region_body(_existing(call, id_))


def remove_region(call: Call) -> Body:
    id_ = call.arguments.number("id")
    if not regions.remove(call.transaction, id_):
        raise InvalidParameter(f"Failed to delete Region: {id_}, Region not found")
    return {}


def list_regions(call: Call) -> Body:
    id_ = call.arguments.optional_number("id")
    found = regions.page(
        call.transaction,
        call.arguments.page,
        id_=id_,
        name=call.arguments.optional_text("name") if id_ is None else None,
        keyword=call.arguments.optional_text("keyword"),
    )
    return {"total": found.total, "items": [region_body(region) for region in found.items]}


def _existing(call: Call, id_: int) -> Region:
    region = regions.by_id(call.transaction, id_)
    if region is None:
        raise InvalidParameter(f"Region with id: {id_} does not exist")
    return region


COMMANDS: Final = (
    Command(
        name="addRegion",
        description="Adds a Region",
        roles=ROOT_ONLY,
        parameters=(
            Parameter("id", Kind.INTEGER, "Id of the Region", required=True),
            Parameter("name", Kind.STRING, "Name of the region", required=True),
            Parameter("endpoint", Kind.STRING, "Region service endpoint", required=True),
        ),
        answer=Single("region", REGION_FIELDS),
        handler=add_region,
    ),
    Command(
        name="updateRegion",
        description="Updates a region",
        roles=ROOT_ONLY,
        parameters=(
            Parameter("id", Kind.INTEGER, "Id of region to update", required=True),
            Parameter("name", Kind.STRING, "updates region with this name"),
            Parameter("endpoint", Kind.STRING, "updates region with this end point"),
        ),
        answer=Single("region", REGION_FIELDS),
        handler=update_region,
    ),
    Command(
        name="removeRegion",
        description="Removes specified region",
        roles=ROOT_ONLY,
        parameters=(Parameter("id", Kind.INTEGER, "ID of the region to delete", required=True),),
        answer=Success(),
        handler=remove_region,
    ),
    Command(
        name="listRegions",
        description="Lists Regions",
        roles=EVERYONE,
        parameters=(
            Parameter("id", Kind.INTEGER, "List Region by region ID."),
            Parameter("name", Kind.STRING, "List Region by region name."),
        ),
        answer=Listing("region", REGION_FIELDS),
        handler=list_regions,
    ),
)
