"""Accounts: who owns things. An account is created together with its first user."""

from typing import Final

from region_operator.management.commands.answers import ACCOUNT_FIELDS, account_body
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
from region_operator.management.commands.new_accounts import NAME_LENGTH, add_account
from region_operator.management.commands.new_users import NEW_USER_PARAMETERS
from region_operator.management.commands.rules import UUID_LENGTH, checked_network_domain, not_empty
from region_operator.management.store import accounts, domains, users
from region_operator.management.store.accounts import Account
from region_operator.management.store.identities import Entity
from region_operator.management.store.query import Scope


def create_account(call: Call) -> Body:
    return _body(call, add_account(call))


def list_accounts(call: Call) -> Body:
    arguments = call.arguments
    id_, name = arguments.optional_number("id"), arguments.optional_text("name")
    scope = _listed_scope(call, id_, name)
    if scope is None:
        return {"total": 0, "items": []}
    wanted = accounts.Filter(
        id=id_,
        name=name,
        type=arguments.optional_number("accounttype"),
        state=arguments.optional_text("state"),
        keyword=arguments.optional_text("keyword"),
        cleanup_needed=arguments.optional_flag("iscleanuprequired"),
    )
    found = accounts.page(call.transaction, arguments.page, scope, wanted)
    of_account: dict[int, list[users.User]] = {account.id: [] for account in found.items}
    for user in users.of_accounts(call.transaction, list(of_account)):
        of_account[user.account_id].append(user)
    items = [account_body(account, of_account[account.id], call.caller) for account in found.items]
    return {"total": found.total, "items": items}


def _listed_scope(call: Call, id_: int | None, name: str | None) -> Scope | None:
    domain_id = call.arguments.optional_number("domainid")
    scope = visible_scope(call, account=None, object_id=id_)
    if name is not None and domain_id is not None and scope is not None and not scope.recursive:
        if accounts.by_name(call.transaction, name, domain_id=domain_id) is None:
            raise InvalidParameter(f"Unable to find account by name {name} in domain {domain_id}")
    elif name is not None and call.caller.is_admin and domain_id is None and id_ is None:
        # A name alone is looked for wherever the caller may look.
        return Scope() if call.caller.is_root_admin else Scope(domain_path=call.caller.domain_path, recursive=True)
    return scope


def update_account(call: Call) -> Body:
    account = _target(call)
    name, network_domain = call.arguments.optional_text("newname"), call.arguments.optional_text("networkdomain")
    if name is not None and name.strip() != account.name:
        _rename(call, account, not_empty(name, "Account name is empty"))
    if network_domain is not None:
        accounts.set_network_domain(call.transaction, account.id, checked_network_domain(network_domain))
    return _body(call, account.id)


def _rename(call: Call, account: Account, name: str) -> None:
    domains.lock(call.transaction, account.domain_id)
    twin = accounts.by_name(call.transaction, name, domain_id=account.domain_id)
    if twin is not None and twin.id != account.id:
        raise InvalidParameter(
            f"There already exists an account with the name:{name} in the domain:{account.domain_uuid} "
            f"with existing account id:{twin.uuid}"
        )
    accounts.rename(call.transaction, account.id, name)


def enable_account(call: Call) -> Body:
    account = _target(call)
    accounts.lock(call.transaction, account.id)
    accounts.set_state(call.transaction, account.id, accounts.ENABLED)
    return _body(call, account.id)


def disable_account(call: Call) -> Body:
    if call.arguments.flag("lock"):
        return lock_account(call)
    account = _target(call)
    accounts.lock(call.transaction, account.id)
    accounts.set_state(call.transaction, account.id, accounts.DISABLED)
    return _body(call, account.id)


def lock_account(call: Call) -> Body:
    """A disabled account is not locked, since that would let its users see it again."""
    account = accounts.lock(call.transaction, _target(call).id)
    if account is None or account.state == accounts.DISABLED:
        raise InternalError("Failed to lock account: it is disabled; enable it first")
    accounts.set_state(call.transaction, account.id, accounts.LOCKED)
    return _body(call, account.id)


def delete_account(call: Call) -> Body:
    account = accounts.lock(call.transaction, _target(call).id)
    if account is not None:
        accounts.remove(call.transaction, account.id)
    return {}


def _account_target(call: Call) -> Target:
    return Target("Account", _target(call).id)


def _deletion_target(call: Call) -> Target:
    account = _target(call)
    if account.is_default:
        raise InvalidParameter("The account is default and can't be removed")
    return Target("Account", account.id)


def _target(call: Call) -> Account:
    """The account that ``id``, or ``account`` and ``domainid``, names and the caller may change."""
    id_, name, domain_id = (call.arguments.get(parameter) for parameter in ("id", "account", "domainid"))
    account = None
    if id_ is not None:
        account = accounts.by_id(call.transaction, id_)
    elif name is not None and domain_id is not None:
        account = accounts.by_name(call.transaction, name, domain_id=domain_id)
    elif name is not None:
        raise InvalidParameter("Account name and domain id must be specified together")
    if account is None or account.removed is not None or account.type == accounts.PROJECT:
        raise InvalidParameter(f"Unable to find account by accountId: {id_} OR by name: {name} in domain {domain_id}")
    check_account(call.caller, account)
    if account.is_system:
        raise PermissionDenied(f"Account {account.uuid} is a system account, update is not allowed")
    return account


def _body(call: Call, account_id: int) -> Body:
    account = accounts.by_id(call.transaction, account_id)
    assert account is not None, "it was just written in this transaction"
    return account_body(account, users.of_accounts(call.transaction, [account_id]), call.caller)


_ID = Parameter("id", Kind.UUID, "Account id", entity=Entity.ACCOUNT)
_REQUIRED_ID = Parameter("id", Kind.UUID, "Account id", required=True, entity=Entity.ACCOUNT)
_NAME = Parameter("account", Kind.STRING, "Name of the account, together with domainid", length=NAME_LENGTH)
_DOMAIN = Parameter("domainid", Kind.UUID, "Domain of the account", entity=Entity.DOMAIN)
_NETWORK_DOMAIN = Parameter(
    "networkdomain", Kind.STRING, "Network domain for the account's networks; empty to clear it"
)
_DETAILS = Parameter(
    "accountdetails", Kind.MAP, "details for account used to store specific parameters", unsupported=True
)
_CLASSES: Final = "org.apache.cloudstack.api.command.admin.account"

COMMANDS: Final = (
    Command(
        name="createAccount",
        description="Creates an account",
        roles=ADMINS,
        parameters=(
            *NEW_USER_PARAMETERS,
            Parameter("account", Kind.STRING, "Name of the account, the user's name if not given", length=NAME_LENGTH),
            Parameter("accountid", Kind.STRING, "Account UUID, to use that of another region", length=UUID_LENGTH),
            Parameter("accounttype", Kind.SHORT, "0 user, 1 root admin, 2 domain admin, 3 resource admin"),
            Parameter(
                "domainid", Kind.UUID, "Creates the account in this domain, ROOT if not given", entity=Entity.DOMAIN
            ),
            _NETWORK_DOMAIN,
            Parameter("roleid", Kind.STRING, "Role of the account; give accounttype instead", unsupported=True),
            _DETAILS,
        ),
        answer=Single("account", ACCOUNT_FIELDS),
        handler=create_account,
    ),
    Command(
        name="listAccounts",
        description="Lists accounts and provides detailed account information for listed accounts",
        roles=EVERYONE,
        parameters=(
            Parameter("id", Kind.UUID, "List account by account ID", entity=Entity.ACCOUNT),
            Parameter("name", Kind.STRING, "List account by account name"),
            Parameter("accounttype", Kind.LONG, "List accounts by account type"),
            Parameter("state", Kind.STRING, "List accounts by state: enabled, disabled, locked"),
            Parameter("iscleanuprequired", Kind.BOOLEAN, "List accounts by cleanuprequired attribute"),
            Parameter("domainid", Kind.UUID, "List only accounts of this domain", entity=Entity.DOMAIN),
            Parameter("isrecursive", Kind.BOOLEAN, "With domainid: also of the domains below it"),
            Parameter("listall", Kind.BOOLEAN, "If set to true, list all accounts that the caller may see"),
        ),
        answer=Listing("account", ACCOUNT_FIELDS),
        handler=list_accounts,
    ),
    Command(
        name="updateAccount",
        description="Updates account information for the authenticated user",
        roles=ADMINS,
        parameters=(
            _ID,
            _NAME,
            _DOMAIN,
            Parameter("newname", Kind.STRING, "new name for the account", length=NAME_LENGTH),
            _NETWORK_DOMAIN,
            _DETAILS,
        ),
        answer=Single("account", ACCOUNT_FIELDS),
        handler=update_account,
    ),
    Command(
        name="enableAccount",
        description="Enables an account",
        roles=ADMINS,
        parameters=(_ID, _NAME, _DOMAIN),
        answer=Single("account", ACCOUNT_FIELDS),
        handler=enable_account,
    ),
    Command(
        name="disableAccount",
        description="Disables an account",
        roles=ADMINS,
        parameters=(
            _ID,
            _NAME,
            _DOMAIN,
            Parameter("lock", Kind.BOOLEAN, "If true, only lock the account; else disable the account", required=True),
        ),
        answer=Single("account", ACCOUNT_FIELDS),
        handler=disable_account,
        asynchronous=Asynchronous(f"{_CLASSES}.DisableAccountCmd", target=_account_target),
    ),
    Command(
        name="lockAccount",
        description="Locks an account; disableAccount with lock=true does the same",
        roles=ADMINS,
        parameters=(
            Parameter("account", Kind.STRING, "Name of the account", required=True, length=NAME_LENGTH),
            Parameter("domainid", Kind.UUID, "Domain of the account", required=True, entity=Entity.DOMAIN),
        ),
        answer=Single("account", ACCOUNT_FIELDS),
        handler=lock_account,
    ),
    Command(
        name="deleteAccount",
        description="Deletes a account, and all users associated with this account",
        roles=ADMINS,
        parameters=(_REQUIRED_ID,),
        answer=Success(),
        handler=delete_account,
        asynchronous=Asynchronous(f"{_CLASSES}.DeleteAccountCmd", target=_deletion_target),
    ),
)
