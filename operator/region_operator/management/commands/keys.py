"""API keys of users: the pair of an API key and a secret key that a request is signed with."""

import secrets
from typing import Any, Final

from region_operator.management.commands.answers import USER_FIELDS, present, user_body
from region_operator.management.commands.call import Call
from region_operator.management.commands.declaration import (
    EVERYONE,
    ROOT_ONLY,
    Body,
    Command,
    Field,
    Kind,
    Parameter,
    Single,
)
from region_operator.management.commands.errors import InvalidParameter
from region_operator.management.commands.named_users import USER_ID, named_user
from region_operator.management.store import users
from region_operator.management.store.users import User

_KEY_BYTES: Final = 64  # 86 characters of URL-safe base64, as CloudStack's


def get_user(call: Call) -> Body:
    user = users.by_api_key(call.transaction, call.arguments.text("userapikey"))
    if user is None or user.is_system:
        raise InvalidParameter("User with specified API key does not exist")
    return user_body(user, call.caller)


def changed_keys(call: Call, user: User) -> dict[str, Any]:
    api_key, secret_key = (call.arguments.optional_text(name) for name in ("userapikey", "usersecretkey"))
    if not api_key and not secret_key:
        return {}
    if not api_key or not secret_key:
        raise InvalidParameter("Please provide an userApiKey/userSecretKey pair")
    if users.holder_of_api_key(call.transaction, api_key) not in (None, user.id):
        raise key_taken(call, user, api_key)
    return {"api_key": api_key, "secret_key": call.services.cipher.encrypt(secret_key)}


def key_taken(call: Call, user: User, api_key: str) -> InvalidParameter:
    # Whose key it is stays hidden from who could not look that user up.
    holder = users.holder_of_api_key(call.transaction, api_key)
    shown = holder if call.caller.is_root_admin and holder != user.id else "?"
    return InvalidParameter(
        f"The api key:{api_key} exists in the system for user id:{shown} ,please provide a unique key"
    )


def register_user_keys(call: Call) -> Body:
    """New keys; they replace both old ones at once."""
    user = named_user(call)
    api_key, secret_key = secrets.token_urlsafe(_KEY_BYTES), secrets.token_urlsafe(_KEY_BYTES)
    changes = {"api_key": api_key, "secret_key": call.services.cipher.encrypt(secret_key)}
    users.update(call.transaction, user.id, changes)
    return {"apikey": api_key, "secretkey": secret_key}


def get_user_keys(call: Call) -> Body:
    user = named_user(call)
    secret = call.services.cipher.decrypt(user.secret_key) if user.secret_key else None
    return present({"apikey": user.api_key, "secretkey": secret})


_KEYS = Single(
    "userkeys",
    (
        Field("apikey", "string", "the api key of the registered user"),
        Field("secretkey", "string", "the secret key of the registered user"),
    ),
)

COMMANDS: Final = (
    Command(
        name="getUser",
        description="Find user account by API key",
        roles=ROOT_ONLY,
        parameters=(Parameter("userapikey", Kind.STRING, "API key of the user", required=True),),
        answer=Single("user", USER_FIELDS),
        handler=get_user,
    ),
    Command(
        name="registerUserKeys",
        description="Gives a user new keys for the developer API, returning a secret key and an API key.",
        roles=EVERYONE,
        parameters=(USER_ID,),
        answer=_KEYS,
        handler=register_user_keys,
    ),
    Command(
        name="getUserKeys",
        description="This command allows the user to query the secret and API keys for the account",
        roles=EVERYONE,
        parameters=(USER_ID,),
        answer=_KEYS,
        handler=get_user_keys,
    ),
)
