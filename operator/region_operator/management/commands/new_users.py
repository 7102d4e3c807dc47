"""What createAccount and createUser share: a new user, with a name that is free in a domain that is not going."""

from typing import Final

from region_operator.management.commands.call import Call
from region_operator.management.commands.declaration import Kind, Parameter
from region_operator.management.commands.errors import InvalidParameter
from region_operator.management.commands.rules import UUID_LENGTH, given_or_new_uuid, not_empty
from region_operator.management.store import domains, users
from region_operator.management.store.connection import DuplicateKey
from region_operator.management.store.domains import Domain
from region_operator.management.store.passwords import hash_password
from region_operator.management.store.schema import ROOT_DOMAIN_ID
from region_operator.management.store.users import NewUser

TIMEZONE: Final = Parameter("timezone", Kind.STRING, "Specifies a timezone for this command", length=30)

NEW_USER_PARAMETERS: Final = (
    Parameter("username", Kind.STRING, "Unique username.", required=True),
    Parameter("password", Kind.STRING, "Clear text password", required=True),
    Parameter("firstname", Kind.STRING, "firstname", required=True),
    Parameter("lastname", Kind.STRING, "lastname", required=True),
    Parameter("email", Kind.STRING, "email", required=True),
    TIMEZONE,
    Parameter("userid", Kind.STRING, "User UUID, to use that of another region", length=UUID_LENGTH),
)


def locked_domain(call: Call, *, making: str) -> Domain:
    """The domain that ``domainid`` names, ROOT by default, locked, so that names that are free in it stay free."""
    domain_id = call.arguments.optional_number("domainid") or ROOT_DOMAIN_ID
    domain = domains.lock(call.transaction, domain_id)
    if domain is None or domain.removed is not None:
        raise InvalidParameter(
            f"The domain {domain.uuid if domain else domain_id} does not exist; unable to create {making}"
        )
    call.caller.check_domain(domain)
    if domain.state != domains.ACTIVE:
        raise InvalidParameter(f"The user cannot be created as domain {domain.name} is being deleted")
    return domain


def new_user(call: Call) -> NewUser:
    """The user that the request describes; hashing takes its time, so this comes before any lock."""
    arguments = call.arguments
    if not arguments.text("password"):
        raise InvalidParameter("Empty passwords are not allowed")
    return NewUser(
        uuid=given_or_new_uuid(arguments.optional_text("userid")),
        username=not_empty(arguments.text("username"), "Username is empty"),
        password=hash_password(arguments.text("password")),
        firstname=not_empty(arguments.text("firstname"), "Firstname is empty"),
        lastname=not_empty(arguments.text("lastname"), "Lastname is empty"),
        email=arguments.text("email"),
        timezone=arguments.optional_text("timezone") or None,
    )


def add_user(call: Call, user: NewUser, *, account_id: int, domain: Domain) -> int:
    """Insert the user; the caller of this function holds the lock of ``domain``."""
    if users.by_name(call.transaction, user.username, domain_id=domain.id):
        raise InvalidParameter(f"The user {user.username} already exists in domain {domain.uuid}")
    try:
        return users.add(call.transaction, user, account_id=account_id)
    except DuplicateKey:
        raise InvalidParameter(f"User with uuid {user.uuid} already exists") from None
