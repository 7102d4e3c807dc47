"""Domains, accounts and users as CloudStack stores them.

Region-only columns never travel: zones, login attempts, second factors, registration tokens, clean-up marks. Of the
system account and user nothing travels, of the default admin everything but what lets one sign in.

Roles: 1 to 4 are the roles that every installation has under the same numbers, so they travel as they are. Numbers of
custom roles are local; such an account arrives without a role, and the cloud then goes by the type of the account.
Project accounts (type 5) belong to projects and are no accounts here.
"""

from typing import Final

from region_operator.replication.catalog.entity import (
    Cascade,
    Column,
    Entity,
    Field,
    RowFilter,
    Tree,
    Unique,
    WellKnown,
)
from region_operator.replication.model.rules import Rule

ROOT_DOMAIN: Final = "well-known:domain:ROOT"
SYSTEM_ACCOUNT: Final = "well-known:account:system"
ADMIN_ACCOUNT: Final = "well-known:account:admin"
SYSTEM_USER: Final = "well-known:user:system"
ADMIN_USER: Final = "well-known:user:admin"

PROJECT_ACCOUNT_TYPE: Final = 5
DEFAULT_ROLES: Final = (1, 2, 3, 4)
STATE_SEVERITY: Final = ("removed", "disabled", "locked", "enabled")


def _text(name: str, length: int, *, nullable: bool = True) -> Field:
    return Field(name, (Column(name, nullable=nullable, max_length=length),))


def _state(length: int, *, severity: tuple[str, ...], rule: Rule | None) -> Field:
    return Field("state", (Column("state", nullable=False, max_length=length),), rule=rule, severity=severity)


def _reference(
    column: str, entity: str, *, nullable: bool = False, deferred: bool = False, placeholder: str | None = None
) -> Field:
    columns = (Column(column, "int", nullable=nullable),)
    return Field(column, columns, reference=entity, deferred=deferred, placeholder=placeholder)


def _created(*, nullable: bool = True) -> Field:
    return Field("created", (Column("created", "datetime", nullable=nullable),), rule=Rule.MIN, quiet=True)


_REMOVED = Field("removed", (Column("removed", "datetime"),), rule=Rule.MIN, fixed_rule=True, quiet=True)

DOMAIN: Final = Entity(
    name="domain",
    table="domain",
    fields=(
        _text("name", 255),
        _reference("parent", "domain", nullable=True),
        _reference("owner", "account", deferred=True, placeholder=SYSTEM_ACCOUNT),
        _state(32, severity=("Inactive", "Active"), rule=None),
        _text("network_domain", 255),
        _text("type", 255, nullable=False),
        _created(nullable=False),
        _REMOVED,
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
        _text("account_name", 100),
        Field("type", (Column("type", "int", nullable=False),)),
        Field("role_id", (Column("role_id", "int"),), shared=DEFAULT_ROLES),
        _reference("domain_id", "domain", nullable=True),
        _state(10, severity=STATE_SEVERITY, rule=Rule.MOST_RESTRICTIVE),
        _text("network_domain", 255),
        _created(nullable=False),
        _REMOVED,
    ),
    removed="removed",
    excluded=("cleanup_needed", "default_zone_id", "default", "api_key_access"),
    row_filter=RowFilter("type", (PROJECT_ACCOUNT_TYPE,)),
    well_known=(
        WellKnown(SYSTEM_ACCOUNT, {"account_name": "system", "domain_id": ROOT_DOMAIN}, synced=False),
        WellKnown(ADMIN_ACCOUNT, {"account_name": "admin", "domain_id": ROOT_DOMAIN}),
    ),
    cascades=(Cascade("data_center", "default_zone_id", "Delete"),),
    unique=(Unique(("account_name", "domain_id")),),
)

USER: Final = Entity(
    name="user",
    table="user",
    fields=(
        _text("username", 255, nullable=False),
        Field("password", (Column("password", nullable=False, max_length=255),), secret=True),
        _reference("account_id", "account"),
        _text("firstname", 255),
        _text("lastname", 255),
        _text("email", 255),
        _state(10, severity=STATE_SEVERITY, rule=Rule.MOST_RESTRICTIVE),
        Field("api_keys", (Column("api_key", max_length=255), Column("secret_key", max_length=255)), secret=True),
        _text("timezone", 30),
        _text("source", 40, nullable=False),
        _created(nullable=False),
        _REMOVED,
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
