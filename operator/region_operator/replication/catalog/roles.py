"""Roles and what they permit, as CloudStack (4.9 and newer) stores them.

The roles that an installation brings are there in every region, under uuids of their own and with permissions that the
cloud's own upgrades maintain: nothing of them travels but references to them, by name. Custom roles travel whole. Newer
columns (``state``, ``public_role``) stay in their region: not every version has them, and fields are the fleet's.
"""

from typing import Final

from region_operator.replication.catalog.columns import REMOVED, number, reference, text
from region_operator.replication.catalog.entity import Cascade, Entity, Unique, WellKnown

DEFAULT_ROLES: Final = ("Root Admin", "Resource Admin", "Domain Admin", "User")
"""In the order of their numbers, 1 to 4."""

NEWER_DEFAULT_ROLES: Final = (
    "Read-Only Admin - Default",
    "Read-Only User - Default",
    "Support Admin - Default",
    "Support User - Default",
)


def default_role(name: str) -> str:
    """The key of a role that every installation has."""
    return f"well-known:role:{name}"


ROLE: Final = Entity(
    name="role",
    table="roles",
    fields=(
        text("name", 255),
        text("role_type", 255, nullable=False),
        text("description", 65535),
        REMOVED,
    ),
    removed="removed",
    excluded=("is_default", "public_role", "state"),
    well_known=(
        *(WellKnown(default_role(name), {"name": name}, synced=False) for name in DEFAULT_ROLES),
        *(WellKnown(default_role(name), {"name": name}, synced=False, optional=True) for name in NEWER_DEFAULT_ROLES),
    ),
    unique=(
        Unique(("name",)),
        Unique(("name", "role_type"), live_only=False, indexed=True),
    ),
)

ROLE_PERMISSION: Final = Entity(
    name="role_permission",
    table="role_permissions",
    fields=(
        reference("role_id", "role"),
        text("rule", 255, nullable=False),
        text("permission", 255, nullable=False),
        text("description", 65535),
        number("sort_order"),
    ),
    part_of="role_id",
    cascades=(Cascade("roles", "role_id", "Delete"),),
    unique=(Unique(("role_id", "rule"), live_only=False, indexed=True),),
)
