"""Projects and who works in them, as CloudStack stores them.

What a project owns belongs to its account of type 5, which travels with the accounts. Memberships have no uuid:
project, account and (4.15 and newer) user are their key. ``project_role_id`` names a role within one project, by a
number of this region; such roles and invitations, which hold a token, stay in their region.
"""

from typing import Final

from region_operator.replication.catalog.columns import REMOVED, created, reference, state, text
from region_operator.replication.catalog.entity import Cascade, Entity, Unique
from region_operator.replication.model.rules import Rule

PROJECT: Final = Entity(
    name="project",
    table="projects",
    fields=(
        text("name", 255),
        text("display_text", 255),
        reference("project_account_id", "account"),
        reference("domain_id", "domain"),
        state(255, severity=("Disabled", "Suspended", "Active"), rule=Rule.MOST_RESTRICTIVE),
        created(),
        REMOVED,
    ),
    removed="removed",
    cascades=(
        Cascade("account", "project_account_id", "Delete"),
        Cascade("domain", "domain_id", "Delete"),
    ),
    unique=(Unique(("name", "domain_id")),),
)

PROJECT_MEMBER: Final = Entity(
    name="project_member",
    table="project_account",
    fields=(
        reference("project_id", "project"),
        reference("account_id", "account"),
        reference("user_id", "user", nullable=True),
        reference("project_account_id", "account"),
        text("account_role", 255, nullable=False),
        created(),
    ),
    key_column=None,
    key_fields=("project_id", "account_id", "user_id"),
    excluded=("project_role_id",),
    part_of="project_id",
    cascades=(
        Cascade("account", "account_id", "Delete"),
        Cascade("account", "project_account_id", "Delete"),
        Cascade("projects", "project_id", "Delete"),
        Cascade("user", "user_id", "Delete"),
    ),
)
