"""The user that a command names by ``id``: whether it is there, and whether the caller may deal with it."""

from typing import Final

from region_operator.management.commands.call import Call, check_user
from region_operator.management.commands.declaration import Kind, Parameter
from region_operator.management.commands.errors import InvalidParameter, PermissionDenied
from region_operator.management.commands.rules import not_system_user
from region_operator.management.store import users
from region_operator.management.store.identities import Entity
from region_operator.management.store.users import User

USER_ID: Final = Parameter("id", Kind.UUID, "User uuid", required=True, entity=Entity.USER)


def named_user(call: Call) -> User:
    """The user that ``id`` names and the caller may change."""
    user = existing_user(call, call.arguments.number("id"))
    if not call.caller.is_admin and user.id != call.caller.user_id:
        raise PermissionDenied(f"{call.caller} does not have permission to operate with resource User[{user.uuid}]")
    check_user(call.caller, user)
    not_system_user(user)
    return user


def existing_user(call: Call, user_id: int) -> User:
    user = users.by_id(call.transaction, user_id)
    if user is None or user.removed is not None or user.account_removed is not None:
        raise InvalidParameter("The specified user doesn't exist in the system")
    return user
