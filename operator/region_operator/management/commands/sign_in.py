"""Sessions for people: login and logout."""

import secrets
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from region_operator.management.commands.answers import present
from region_operator.management.commands.call import Call, can_sign_in
from region_operator.management.commands.declaration import (
    ANYBODY,
    Body,
    Command,
    Field,
    Flat,
    Kind,
    Parameter,
    SessionEnded,
    SessionOpened,
)
from region_operator.management.commands.errors import AuthenticationFailed, Unauthorized
from region_operator.management.store import domains, identities, sessions, users
from region_operator.management.store.domains import Domain
from region_operator.management.store.identities import Entity
from region_operator.management.store.passwords import hash_password, verify_password
from region_operator.management.store.users import User

_TOKEN_BYTES: Final = 32


@cache
def _nobodys_password() -> str:
    """Compared with when there is no such user, so that the time of the answer does not tell."""
    return hash_password(secrets.token_urlsafe(_TOKEN_BYTES))


def login(call: Call) -> SessionOpened:
    arguments = call.arguments
    domain = _domain(call)
    username = arguments.text("username")
    user = users.by_name(call.transaction, username, domain_id=domain.id)
    matches = verify_password(arguments.text("password"), user.password if user else _nobodys_password())
    if user is None or not matches or not can_sign_in(user):
        raise AuthenticationFailed(
            f"Failed to authenticate user {username} in domain {domain.id}; please provide valid credentials"
        )
    session_id, session_key = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    sessions.open_session(call.transaction, session_id=session_id, session_key=session_key, user_id=user.id)
    return SessionOpened(_login_body(user, session_key), session_id, session_key)


def logout(call: Call) -> SessionEnded:
    if call.session_id is not None:
        sessions.end_session(call.transaction, call.session_id)
    return SessionEnded({"description": "success"})


def _domain(call: Call) -> Domain:
    """``domainId`` (a uuid or a local id) wins over the path in ``domain``; neither means ROOT."""
    given = call.arguments.optional_text("domainId")
    if given:
        local_id = identities.local_id(call.transaction, Entity.DOMAIN, given)
        if local_id is None and given.isascii() and given.isdigit() and len(given) < 19:
            local_id = int(given)
        domain = domains.by_id(call.transaction, local_id) if local_id is not None else None
        if domain is None or domain.removed is not None:
            raise Unauthorized("Invalid domain id entered, please enter a valid one")
        return domain
    path = f"/{(call.arguments.optional_text('domain') or '').strip('/')}/".replace("//", "/")
    domain = domains.by_path(call.transaction, path)
    if domain is None:
        raise AuthenticationFailed(f"Unable to find the domain from the path {path}")
    return domain


def _login_body(user: User, session_key: str) -> Body:
    zone = user.timezone or "UTC"
    return present(
        {
            "username": user.username,
            "userid": user.uuid,
            "domainid": user.domain_uuid,
            "timeout": sessions.TIMEOUT_S,
            "account": user.account_name,
            "firstname": user.firstname,
            "lastname": user.lastname,
            "type": str(user.account_type),
            "timezone": zone,
            "timezoneoffset": _offset_hours(zone),
            "registered": "true" if user.is_registered else "false",
            "sessionkey": session_key,
            "is2faenabled": "false",
            "is2faverified": "true",
        }
    )


def _offset_hours(zone: str) -> str | None:
    try:
        offset = datetime.now(UTC).astimezone(ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the user's text is not checked when it is stored
        return None
    return None if offset is None else str(offset.total_seconds() / 3600)


COMMANDS: Final = (
    Command(
        name="login",
        description="Logs a user in; a JSESSIONID cookie and a session key stand for the user in later calls.",
        roles=ANYBODY,
        parameters=(
            Parameter("username", Kind.STRING, "Username", required=True),
            Parameter("password", Kind.STRING, "Clear text password", required=True),
            Parameter("domain", Kind.STRING, "Path of the domain that the user belongs to, ROOT if not given"),
            Parameter("domainId", Kind.STRING, "The id of the domain that the user belongs to; wins over domain"),
        ),
        answer=Flat(
            tuple(
                Field(name, kind, description)
                for name, kind, description in (
                    ("username", "string", "Username"),
                    ("userid", "string", "User ID"),
                    ("domainid", "string", "Domain ID that the user belongs to"),
                    ("timeout", "integer", "the time period before the session has expired, in seconds"),
                    ("account", "string", "the account name the user belongs to"),
                    ("firstname", "string", "first name of the user"),
                    ("lastname", "string", "last name of the user"),
                    ("type", "string", "the account type"),
                    ("timezone", "string", "user time zone"),
                    ("timezoneoffset", "string", "user time zone offset from UTC, in hours"),
                    ("registered", "string", "Is user registered"),
                    ("sessionkey", "string", "Session key that can be passed in subsequent Query command calls"),
                    ("is2faenabled", "string", "Is two factor authentication enabled"),
                    ("is2faverified", "string", "Is two factor authentication verified"),
                )
            )
        ),
        handler=login,
        post_only=True,
    ),
    Command(
        name="logout",
        description="Logs out the user",
        roles=ANYBODY,
        parameters=(),
        answer=Flat((Field("description", "string", "Response description"),)),
        handler=logout,
    ),
)
