"""Users: who signs in, by password or by API keys."""

import secrets
from typing import Any, Final

from region_operator.management.commands.answers import USER_FIELDS, present, user_body
from region_operator.management.commands.call import Call, check_account, check_user, visible_scope
from region_operator.management.commands.declaration import (
    ADMINS,
    EVERYONE,
    ROOT_ONLY,
    Asynchronous,
    Body,
    Command,
    Field,
    Kind,
    Listing,
    Parameter,
    Single,
    Success,
    Target,
)
from region_operator.management.commands.errors import InternalError, InvalidParameter, PermissionDenied
from region_operator.management.commands.new_users import NEW_USER_PARAMETERS, TIMEZONE, add_user, new_user
from region_operator.management.commands.rules import not_empty, not_system_user
from region_operator.management.store import accounts, domains, users
from region_operator.management.store.connection import DuplicateKey
from region_operator.management.store.encryption import MAX_SECRET_BYTES
from region_operator.management.store.identities import Entity
from region_operator.management.store.passwords import hash_password, verify_password
from region_operator.management.store.schema import ROOT_DOMAIN_ID
from region_operator.management.store.users import User

_KEY_BYTES: Final = 64  # 86 characters of URL-safe base64, as CloudStack's


def create_user(call: Call) -> Body:
    user, name = new_user(call), call.arguments.text("account")
    domain_id = call.arguments.optional_number("domainid") or ROOT_DOMAIN_ID
    domain = domains.lock(call.transaction, domain_id)
    if domain is None or domain.removed is not None:
        raise InvalidParameter(
            f"The domain {domain.uuid if domain else domain_id} does not exist; unable to create user"
        )
    call.caller.check_domain(domain)
    if domain.state != domains.ACTIVE:
        raise InvalidParameter(f"The user cannot be created as domain {domain.name} is being deleted")
    account = accounts.by_name(call.transaction, name, domain_id=domain.id)
    if account is None:
        raise InvalidParameter(f"Unable to find account {name} in domain id={domain.uuid} to create user")
    check_account(call.caller, account)
    if account.is_system:
        raise PermissionDenied(f"Account id : {account.uuid} is a system account, can't add a user to it")
    return user_body(_existing(call, add_user(call, user, account_id=account.id, domain=domain)), call.caller)


def get_user(call: Call) -> Body:
    user = users.by_api_key(call.transaction, call.arguments.text("userapikey"))
    if user is None or user.is_system:
        raise InvalidParameter("User with specified API key does not exist")
    return user_body(user, call.caller)


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
    user = _target(call)
    changes = _changed_names(call) | _changed_password(call, user) | _changed_keys(call, user)
    if "username" in changes:
        domains.lock(call.transaction, user.domain_id)
        twin = users.by_name(call.transaction, changes["username"], domain_id=user.domain_id)
        if twin is not None and twin.id != user.id:
            raise InvalidParameter(f"The user {changes['username']} already exists in domain {user.domain_uuid}")
    try:
        users.update(call.transaction, user.id, changes)
    except DuplicateKey:
        raise _key_taken(call, user, changes["api_key"]) from None
    return user_body(_existing(call, user.id), call.caller)


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


def _changed_keys(call: Call, user: User) -> dict[str, Any]:
    api_key, secret_key = (call.arguments.optional_text(name) for name in ("userapikey", "usersecretkey"))
    if not api_key and not secret_key:
        return {}
    if not api_key or not secret_key:
        raise InvalidParameter("Please provide an userApiKey/userSecretKey pair")
    if users.holder_of_api_key(call.transaction, api_key) not in (None, user.id):
        raise _key_taken(call, user, api_key)
    return {"api_key": api_key, "secret_key": call.services.cipher.encrypt(secret_key)}


def _key_taken(call: Call, user: User, api_key: str) -> InvalidParameter:
    # Whose key it is stays hidden from who could not look that user up.
    holder = users.holder_of_api_key(call.transaction, api_key)
    shown = holder if call.caller.is_root_admin and holder != user.id else "?"
    return InvalidParameter(
        f"The api key:{api_key} exists in the system for user id:{shown} ,please provide a unique key"
    )


def enable_user(call: Call) -> Body:
    return _set_state(call, accounts.ENABLED)


def disable_user(call: Call) -> Body:
    return _set_state(call, accounts.DISABLED)


def lock_user(call: Call) -> Body:
    user = _target(call)
    locked = users.lock(call.transaction, user.id)
    if locked is None or locked.state == accounts.DISABLED:
        raise InternalError("Failed to lock user: it is disabled; enable it first")
    return _set_state(call, accounts.LOCKED)


def _set_state(call: Call, state: str) -> Body:
    user = _target(call)
    users.lock(call.transaction, user.id)
    users.update(call.transaction, user.id, {"state": state})
    return user_body(_existing(call, user.id), call.caller)


def delete_user(call: Call) -> Body:
    user = _target(call)
    if user.is_default:
        raise InvalidParameter("The user is default and can't be removed")
    users.remove(call.transaction, user.id)
    return {}


def register_user_keys(call: Call) -> Body:
    """New keys; they replace both old ones at once."""
    user = _target(call)
    api_key, secret_key = secrets.token_urlsafe(_KEY_BYTES), secrets.token_urlsafe(_KEY_BYTES)
    changes = {"api_key": api_key, "secret_key": call.services.cipher.encrypt(secret_key)}
    users.update(call.transaction, user.id, changes)
    return {"apikey": api_key, "secretkey": secret_key}


def get_user_keys(call: Call) -> Body:
    user = _target(call)
    secret = call.services.cipher.decrypt(user.secret_key) if user.secret_key else None
    return present({"apikey": user.api_key, "secretkey": secret})


def _user_target(call: Call) -> Target:
    return Target("User", _target(call).id)


def _target(call: Call) -> User:
    """The user that ``id`` names and the caller may change."""
    user = _existing(call, call.arguments.number("id"))
    if not call.caller.is_admin and user.id != call.caller.user_id:
        raise PermissionDenied(f"{call.caller} does not have permission to operate with resource User[{user.uuid}]")
    check_user(call.caller, user)
    not_system_user(user)
    return user


def _existing(call: Call, user_id: int) -> User:
    user = users.by_id(call.transaction, user_id)
    if user is None or user.removed is not None or user.account_removed is not None:
        raise InvalidParameter("The specified user doesn't exist in the system")
    return user


_ID = Parameter("id", Kind.UUID, "User uuid", required=True, entity=Entity.USER)
_USER = Single("user", USER_FIELDS)
_KEYS = Single(
    "userkeys",
    (
        Field("apikey", "string", "the api key of the registered user"),
        Field("secretkey", "string", "the secret key of the registered user"),
    ),
)

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
        name="getUser",
        description="Find user account by API key",
        roles=ROOT_ONLY,
        parameters=(Parameter("userapikey", Kind.STRING, "API key of the user", required=True),),
        answer=_USER,
        handler=get_user,
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
            _ID,
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
        parameters=(_ID,),
        answer=_USER,
        handler=enable_user,
    ),
    Command(
        name="disableUser",
        description="Disables a user account",
        roles=ADMINS,
        parameters=(_ID,),
        answer=_USER,
        handler=disable_user,
        asynchronous=Asynchronous("org.apache.cloudstack.api.command.admin.user.DisableUserCmd", target=_user_target),
    ),
    Command(
        name="lockUser",
        description="Locks a user account",
        roles=ADMINS,
        parameters=(_ID,),
        answer=_USER,
        handler=lock_user,
    ),
    Command(
        name="deleteUser",
        description="Deletes a user for an account",
        roles=ADMINS,
        parameters=(_ID,),
        answer=Success(),
        handler=delete_user,
    ),
    Command(
        name="registerUserKeys",
        description="Gives a user new keys for the developer API, returning a secret key and an API key.",
        roles=EVERYONE,
        parameters=(_ID,),
        answer=_KEYS,
        handler=register_user_keys,
    ),
    Command(
        name="getUserKeys",
        description="This command allows the user to query the secret and API keys for the account",
        roles=EVERYONE,
        parameters=(_ID,),
        answer=_KEYS,
        handler=get_user_keys,
    ),
)
