"""Domains, accounts with their details, and users as CloudStack stores them.

Region-only columns never travel: zones, login attempts, second factors, registration tokens, clean-up marks. Of the
system account and user nothing travels, of the default admin everything but what lets one sign in.

An account's role travels as the role's key (`roles`) and comes before the account: without it the cloud would go by the
type of the account, which may permit more. Project accounts (type 5) are accounts like others; their name holds the
number that their domain has where they were made, and keeps it.

Details of accounts have no uuid: account and name are their key. Their values may be secrets that the cloud has
encrypted with the database key, which all regions of a fleet share.
"""

from typing import Final

from region_operator.replication.catalog.columns import REMOVED, created, number, reference, state, text
from region_operator.replication.catalog.entity import Cascade, Entity, Tree, Unique, WellKnown
from region_operator.replication.catalog.fields import Column, Field
from region_operator.replication.model.rules import Rule

ROOT_DOMAIN: Final = "well-known:domain:ROOT"
SYSTEM_ACCOUNT: Final = "well-known:account:system"
ADMIN_ACCOUNT: Final = "well-known:account:admin"
SYSTEM_USER: Final = "well-known:user:system"
ADMIN_USER: Final = "well-known:user:admin"

STATE_SEVERITY: Final = ("removed", "disabled", "locked", "enabled")

DOMAIN: Final = Entity(
    name="domain",
    table="domain",
    fields=(
        text("name", 255),
        reference("parent", "domain", nullable=True),
        reference("owner", "account", deferred=True, placeholder=SYSTEM_ACCOUNT),
        state(32, severity=("Inactive", "Active")),
        text("network_domain", 255),
        text("type", 255, nullable=False),
        created(nullable=False),
        REMOVED,
    ),
    removed="removed",
    well_known=(WellKnown(ROOT_DOMAIN, {"parent": None}),),
    unique=(
        Unique(("parent", "name")),
        Unique(("parent", "name", "removed"), live_only=False, indexed=True),  # NULL `removed` makes it toothless
    ),
    tree=Tree("parent", "name", "path", "level", "child_count", "next_child_seq"),
)

ACCOUNT: Final = Entity(
    name="account",
    table="account",
    fields=(
        text("account_name", 100),
        number("type"),
        reference("role_id", "role", nullable=True),
        reference("domain_id", "domain", nullable=True),
        state(10, severity=STATE_SEVERITY, rule=Rule.MOST_RESTRICTIVE),
        text("network_domain", 255),
        created(nullable=False),
        REMOVED,
    ),
    removed="removed",
    excluded=("cleanup_needed", "default_zone_id", "default", "api_key_access"),
    well_known=(
        WellKnown(SYSTEM_ACCOUNT, {"account_name": "system", "domain_id": ROOT_DOMAIN}, synced=False),
        WellKnown(ADMIN_ACCOUNT, {"account_name": "admin", "domain_id": ROOT_DOMAIN}),
    ),
    cascades=(Cascade("data_center", "default_zone_id", "Delete"),),
    unique=(Unique(("account_name", "domain_id")),),
)

ACCOUNT_DETAIL: Final = Entity(
    name="account_detail",
    table="account_details",
    fields=(
        reference("account_id", "account"),
        text("name", 255, nullable=False),
        text("value", 255, nullable=False, secret=True),
    ),
    key_column=None,
    key_fields=("account_id", "name"),
    part_of="account_id",
    cascades=(Cascade("account", "account_id", "Delete"),),
)

USER: Final = Entity(
    name="user",
    table="user",
    fields=(
        text("username", 255, nullable=False),
        Field("password", (Column("password", nullable=False, max_length=255),), secret=True),
        reference("account_id", "account"),
        text("firstname", 255),
        text("lastname", 255),
        text("email", 255),
        state(10, severity=STATE_SEVERITY, rule=Rule.MOST_RESTRICTIVE),
        Field("api_keys", (Column("api_key", max_length=255), Column("secret_key", max_length=255)), secret=True),
        text("timezone", 30),
        text("source", 40, nullable=False),
        created(nullable=False),
        REMOVED,
    ),
    removed="removed",
    excluded=(
        "registration_token",
        "is_registered",
        "incorrect_login_attempts",
        "default",
        "external_entity",
        "is_user_2fa_enabled",
        "user_2fa_provider",
        "key_for_2fa",
        "api_key_access",
    ),
    well_known=(
        WellKnown(SYSTEM_USER, {"username": "system", "account_id": SYSTEM_ACCOUNT}, synced=False),
        WellKnown(
            ADMIN_USER,
            {"username": "admin", "account_id": ADMIN_ACCOUNT},
            local_fields=frozenset({"password", "api_keys"}),
        ),
    ),
    cascades=(Cascade("account", "account_id", "Delete"),),
    unique=(
        Unique(("username", "account_id.domain_id")),
        Unique(("api_key",), live_only=False, indexed=True),
    ),
)
