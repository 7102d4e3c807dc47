"""What a value must be before it is stored, where more than one command asks the same; with CloudStack's texts."""

import re
import uuid
from typing import Final

from region_operator.management.commands.errors import InvalidParameter, PermissionDenied
from region_operator.management.store.users import User

UUID_LENGTH: Final = 40  # of the column; CloudStack takes any text as a given uuid

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)\Z")


def given_or_new_uuid(given: str | None) -> str:
    return given.strip() if given and given.strip() else str(uuid.uuid4())


def checked_network_domain(text: str | None) -> str | None:
    """The network domain; an empty text means none."""
    if not text:
        return None
    if len(text) > 190 or not all(_LABEL.match(label) for label in text.split(".")):
        raise InvalidParameter(
            "Invalid network domain. Total length shouldn't exceed 190 chars. Each domain label must be between 1 and "
            "63 characters long, can contain ASCII letters 'a' through 'z', the digits '0' through '9', and the hyphen "
            "('-'); can't start or end with \"-\""
        )
    return text


def not_empty(text: str, message: str) -> str:
    """``text`` without white space around it."""
    if not text.strip():
        raise InvalidParameter(message)
    return text.strip()


def not_system_user(user: User) -> None:
    if user.is_system:
        raise PermissionDenied(f"user id : {user.uuid} is system account, update is not allowed")
