"""Users: who signs in."""

from typing import Any, Final

from region_operator.management.commands.answers import USER_FIELDS, user_body
from region_operator.management.commands.call import Call, check_account, visible_scope
from region_operator.management.commands.declaration import (
    ADMINS,
    EVERYONE,
    Asynchronous,
    Body,
    Command,
    Kind,
    Listing,
    Parameter,
    Single,
    Success,
    Target,
)
from region_operator.management.commands.errors import InternalError, InvalidParameter, PermissionDenied
from region_operator.management.commands.keys import changed_keys, key_taken
from region_operator.management.commands.named_users import USER_ID, existing_user, named_user
from region_operator.management.commands.new_users import (
    NEW_USER_PARAMETERS,
    TIMEZONE,
    add_user,
    locked_domain,
    new_user,
)
from region_operator.management.commands.rules import not_empty
from region_operator.management.store import accounts, domains, users
from region_operator.management.store.connection import DuplicateKey
from region_operator.management.store.encryption import MAX_SECRET_BYTES
from region_operator.management.store.identities import Entity
from region_operator.management.store.passwords import hash_password, verify_password
from region_operator.management.store.users import User


def create_user(call: Call) -> Body:
    user, name = new_user(call), call.arguments.text("account")
    domain = locked_domain(call, making="user")
    account = accounts.by_name(call.transaction, name, domain_id=domain.id)
    if account is None:
        raise InvalidParameter(f"Unable to find account {name} in domain id={domain.uuid} to create user")
    check_account(call.caller, account)
    if account.is_system:
        raise PermissionDenied(f"Account id : {account.uuid} is a system account, can't add a user to it")
    return user_body(existing_user(call, add_user(call, user, account_id=account.id, domain=domain)), call.caller)


def list_users(call: Call) -> Body:
    arguments = call.arguments
    id_ = arguments.optional_number("id")
    scope = visible_scope(call, account=arguments.optional_text("account"), object_id=id_)
    if scope is None:
        return {"total": 0, "items": []}
    wanted = users.Filter(
        id=id_,
        username=arguments.optional_text("username"),
        account_type=arguments.optional_number("accounttype"),
        state=arguments.optional_text("state"),
        keyword=arguments.optional_text("keyword"),
    )
    found = users.page(call.transaction, arguments.page, scope, wanted)
    return {"total": found.total, "items": [user_body(user, call.caller) for user in found.items]}


def update_user(call: Call) -> Body:
    user = named_user(call)
    changes = _changed_names(call) | _changed_password(call, user) | changed_keys(call, user)
    if "username" in changes:
        domains.lock(call.transaction, user.domain_id)
        twin = users.by_name(call.transaction, changes["username"], domain_id=user.domain_id)
        if twin is not None and twin.id != user.id:
            raise InvalidParameter(f"The user {changes['username']} already exists in domain {user.domain_uuid}")
    try:
        users.update(call.transaction, user.id, changes)
    except DuplicateKey:
        raise key_taken(call, user, changes["api_key"]) from None
    return user_body(existing_user(call, user.id), call.caller)


def _changed_names(call: Call) -> dict[str, Any]:
    arguments = call.arguments
    changes: dict[str, Any] = {}
    for name, message in (
        ("username", "Username is empty"),
        ("firstname", "Firstname is empty"),
        ("lastname", "Lastname is empty"),
    ):
        value = arguments.optional_text(name)
        if value is not None:
            changes[name] = not_empty(value, message)
    for name in ("email", "timezone"):
        value = arguments.optional_text(name)
        if value is not None:
            changes[name] = value or None
    return changes


def _changed_password(call: Call, user: User) -> dict[str, Any]:
    password = call.arguments.optional_text("password")
    if password is None:
        return {}
    if not password:
        raise InvalidParameter("Empty passwords are not allowed")
    if not call.caller.is_admin:
        current = call.arguments.optional_text("currentpassword")
        if not current:
            raise InvalidParameter("To set a new password the current password must be provided.")
        if not verify_password(current, user.password):
            raise InvalidParameter("Current password is incorrect.")
    return {"password": hash_password(password)}


def enable_user(call: Call) -> Body:
    return _set_state(call, accounts.ENABLED)


def disable_user(call: Call) -> Body:
    return _set_state(call, accounts.DISABLED)


def lock_user(call: Call) -> Body:
    user = named_user(call)
    locked = users.lock(call.transaction, user.id)
    if locked is None or locked.state == accounts.DISABLED:
        raise InternalError("Failed to lock user: it is disabled; enable it first")
    return _set_state(call, accounts.LOCKED)


def _set_state(call: Call, state: str) -> Body:
    user = named_user(call)
    users.lock(call.transaction, user.id)
    users.update(call.transaction, user.id, {"state": state})
    return user_body(existing_user(call, user.id), call.caller)


def delete_user(call: Call) -> Body:
    user = named_user(call)
    if user.is_default:
        raise InvalidParameter("The user is default and can't be removed")
    users.remove(call.transaction, user.id)
    return {}


def _user_target(call: Call) -> Target:
    return Target("User", named_user(call).id)


_USER = Single("user", USER_FIELDS)
COMMANDS: Final = (
    Command(
        name="createUser",
        description="Creates a user for an account that already exists",
        roles=ADMINS,
        parameters=(
            *NEW_USER_PARAMETERS,
            Parameter("account", Kind.STRING, "Creates the user under the specified account.", required=True),
            Parameter("domainid", Kind.UUID, "Domain of the account, ROOT if not given", entity=Entity.DOMAIN),
        ),
        answer=_USER,
        handler=create_user,
    ),
    Command(
        name="listUsers",
        description="Lists user accounts",
        roles=EVERYONE,
        parameters=(
            Parameter("id", Kind.UUID, "List user by ID.", entity=Entity.USER),
            Parameter("username", Kind.STRING, "List user by the username"),
            Parameter("account", Kind.STRING, "List users of the account; with domainid unless in the own domain"),
            Parameter("accounttype", Kind.LONG, "List users by account type"),
            Parameter("state", Kind.STRING, "List users by state of the user account."),
            Parameter("domainid", Kind.UUID, "List only users of this domain", entity=Entity.DOMAIN),
            Parameter("isrecursive", Kind.BOOLEAN, "With domainid: also of the domains below it"),
            Parameter("listall", Kind.BOOLEAN, "If set to true, list all users that the caller may see"),
        ),
        answer=Listing("user", USER_FIELDS),
        handler=list_users,
    ),
    Command(
        name="updateUser",
        description="Updates a user account",
        roles=EVERYONE,
        parameters=(
            USER_ID,
            Parameter("username", Kind.STRING, "Unique username"),
            Parameter("password", Kind.STRING, "Clear text password"),
            Parameter("currentpassword", Kind.STRING, "Current password; needed by users who set their own"),
            Parameter("firstname", Kind.STRING, "first name"),
            Parameter("lastname", Kind.STRING, "last name"),
            Parameter("email", Kind.STRING, "email"),
            TIMEZONE,
            Parameter("userapikey", Kind.STRING, "The API key for the user; together with usersecretkey"),
            Parameter("usersecretkey", Kind.STRING, "The secret key for the user", length=MAX_SECRET_BYTES),
        ),
        answer=_USER,
        handler=update_user,
    ),
    Command(
        name="enableUser",
        description="Enables a user account",
        roles=ADMINS,
        parameters=(USER_ID,),
        answer=_USER,
        handler=enable_user,
    ),
    Command(
        name="disableUser",
        description="Disables a user account",
        roles=ADMINS,
        parameters=(USER_ID,),
        answer=_USER,
        handler=disable_user,
        asynchronous=Asynchronous("org.apache.cloudstack.api.command.admin.user.DisableUserCmd", target=_user_target),
    ),
    Command(
        name="lockUser",
        description="Locks a user account",
        roles=ADMINS,
        parameters=(USER_ID,),
        answer=_USER,
        handler=lock_user,
    ),
    Command(
        name="deleteUser",
        description="Deletes a user for an account",
        roles=ADMINS,
        parameters=(USER_ID,),
        answer=Success(),
        handler=delete_user,
    ),
)
