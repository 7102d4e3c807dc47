"""What createAccount checks and inserts: an account with a name that is free in its domain, and its first user."""

from typing import Final

from region_operator.management.commands.call import Call
from region_operator.management.commands.errors import InvalidParameter, PermissionDenied
from region_operator.management.commands.new_users import add_user, locked_domain, new_user
from region_operator.management.commands.rules import checked_network_domain, given_or_new_uuid
from region_operator.management.store import accounts
from region_operator.management.store.connection import DuplicateKey
from region_operator.management.store.domains import Domain

NAME_LENGTH: Final = 100  # of the column

_CREATABLE: Final = {accounts.NORMAL, accounts.ROOT_ADMIN, accounts.DOMAIN_ADMIN, accounts.RESOURCE_ADMIN}


def add_account(call: Call) -> int:
    """Insert the account and its first user; returns the account's id."""
    user = new_user(call)
    name = (call.arguments.optional_text("account") or "").strip() or user.username
    if len(name) > NAME_LENGTH:
        raise InvalidParameter(f"Value greater than max allowed length {NAME_LENGTH} for param: account")
    network_domain = checked_network_domain(call.arguments.optional_text("networkdomain"))
    domain = locked_domain(call, making="account")
    type_ = _checked_type(call, domain)
    if accounts.by_name(call.transaction, name, domain_id=domain.id):
        raise InvalidParameter(f"The specified account: {name} already exists")
    uuid = given_or_new_uuid(call.arguments.optional_text("accountid"))
    try:
        account_id = accounts.add(
            call.transaction, uuid=uuid, name=name, type_=type_, domain_id=domain.id, network_domain=network_domain
        )
    except DuplicateKey:
        raise InvalidParameter(f"Account with uuid {uuid} already exists") from None
    add_user(call, user, account_id=account_id, domain=domain)
    return account_id


def _checked_type(call: Call, domain: Domain) -> int:
    type_ = call.arguments.optional_number("accounttype")
    if type_ is None:
        raise InvalidParameter("Neither account type and role ID are not provided")
    outside_root = type_ == accounts.ROOT_ADMIN and not domain.is_root
    if type_ not in _CREATABLE or outside_root:
        raise InvalidParameter(
            f"Invalid account type {type_} given for an account in domain {domain.uuid}; unable to create user."
        )
    if type_ in (accounts.ROOT_ADMIN, accounts.RESOURCE_ADMIN) and not call.caller.is_root_admin:
        raise PermissionDenied(f"{call.caller} does not have permission to create an account of type {type_}")
    return type_
