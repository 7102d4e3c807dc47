"""What a handler is given: who calls, with which arguments, in which transaction; and who may touch what."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from region_operator.management.commands.arguments import Arguments
from region_operator.management.commands.declaration import Command, Role
from region_operator.management.commands.errors import InvalidParameter, PermissionDenied
from region_operator.management.store import accounts, domains
from region_operator.management.store.accounts import Account
from region_operator.management.store.connection import Transaction
from region_operator.management.store.domains import Domain
from region_operator.management.store.encryption import SecretKeyCipher
from region_operator.management.store.query import Scope
from region_operator.management.store.users import User

_ROLES = {
    accounts.NORMAL: Role.USER,
    accounts.ROOT_ADMIN: Role.ROOT_ADMIN,
    accounts.DOMAIN_ADMIN: Role.DOMAIN_ADMIN,
    accounts.RESOURCE_ADMIN: Role.RESOURCE_ADMIN,
}


def role_of(account_type: int) -> Role:
    """The role of an account's users; types that this server does not make get the least rights."""
    return _ROLES.get(account_type, Role.USER)


def can_sign_in(user: User) -> bool:
    """Whether the user may act at all now: user and account are enabled and not removed."""
    enabled = user.state == accounts.ENABLED and user.account_state == accounts.ENABLED
    return enabled and user.removed is None and user.account_removed is None


@dataclass(frozen=True)
class Caller:
    """The user who calls."""

    user_id: int
    user_uuid: str
    account_id: int
    account_uuid: str
    account_name: str
    account_type: int
    domain_id: int
    domain_path: str

    @classmethod
    def of(cls, user: User) -> "Caller":
        return cls(
            user_id=user.id,
            user_uuid=user.uuid,
            account_id=user.account_id,
            account_uuid=user.account_uuid,
            account_name=user.account_name,
            account_type=user.account_type,
            domain_id=user.domain_id,
            domain_path=user.domain_path,
        )

    @property
    def role(self) -> Role:
        return role_of(self.account_type)

    @property
    def is_root_admin(self) -> bool:
        return self.role is Role.ROOT_ADMIN

    @property
    def is_admin(self) -> bool:
        return self.role is not Role.USER

    def may_see_domain(self, path: str) -> bool:
        """Domains lie in their admin's own domain or below it; a user sees the own one."""
        if self.is_root_admin:
            return True
        return path.startswith(self.domain_path) if self.is_admin else path == self.domain_path

    def check_domain(self, domain: Domain) -> None:
        if not self.may_see_domain(domain.path):
            raise PermissionDenied(f"{self} does not have permission to operate within domain id={domain.uuid}")

    def check_account(self, *, account_id: int, account_type: int, domain_path: str, text: str) -> None:
        """Whether the caller may act on an account or its users; only root admins may on root admins."""
        if self.is_root_admin or account_id == self.account_id:
            return
        if not self.is_admin or account_type == accounts.ROOT_ADMIN or not self.may_see_domain(domain_path):
            raise PermissionDenied(f"{self} does not have permission to operate with resource {text}")

    def __str__(self) -> str:
        return f"Acct[{self.account_uuid}-{self.account_name}]"


@dataclass(frozen=True)
class Services:
    """What does not change from call to call."""

    cipher: SecretKeyCipher = field(repr=False)
    commands: Mapping[str, Command]
    version: str


@dataclass(frozen=True)
class Call:
    """One request, checked against the command's declaration.

    Attributes:
        identified: who calls; None only in commands that anybody may call.
        session_id: of the session that the request came with, if it did.
    """

    identified: Caller | None
    arguments: Arguments
    transaction: Transaction
    services: Services
    session_id: str | None = None

    @property
    def caller(self) -> Caller:
        assert self.identified is not None, "a command that needs a caller is declared with roles"
        return self.identified


def check_account(caller: Caller, account: Account) -> None:
    caller.check_account(
        account_id=account.id,
        account_type=account.type,
        domain_path=account.domain_path,
        text=f"Acct[{account.uuid}-{account.name}]",
    )


def check_user(caller: Caller, user: User) -> None:
    caller.check_account(
        account_id=user.account_id,
        account_type=user.account_type,
        domain_path=user.domain_path,
        text=f"User[{user.uuid}]",
    )


def visible_scope(call: Call, *, account: str | None, object_id: int | None) -> Scope | None:
    """Which rows a listing of what accounts own may show; None = none at all.

    The parameters ``domainid``, ``isrecursive`` and ``listall`` of the call are taken into account. A plain user sees
    the own account's; an admin too, unless ``domainid``, ``listall`` or the object's id is given.
    """
    caller, arguments = call.caller, call.arguments
    domain_id = arguments.optional_number("domainid")
    if not caller.is_admin:
        return _own_scope(call, account=account, domain_id=domain_id)
    if account is not None:
        return Scope(account_id=_named_account(call, account, domain_id).id)
    if domain_id is not None:
        domain = domains.by_id(call.transaction, domain_id)
        if domain is None or domain.removed is not None:
            return None
        caller.check_domain(domain)
        return Scope(domain_path=domain.path, recursive=arguments.flag("isrecursive"))
    if not arguments.flag("listall") and object_id is None:
        return Scope(account_id=caller.account_id)
    return Scope() if caller.is_root_admin else Scope(domain_path=caller.domain_path, recursive=True)


def _own_scope(call: Call, *, account: str | None, domain_id: int | None) -> Scope:
    caller = call.caller
    named_other = account is not None and account.lower() != caller.account_name.lower()
    if named_other or (domain_id is not None and domain_id != caller.domain_id):
        raise PermissionDenied(f"{caller} does not have permission to list what other accounts own")
    return Scope(account_id=caller.account_id)


def _named_account(call: Call, name: str, domain_id: int | None) -> Account:
    domain = domains.by_id(call.transaction, domain_id or call.caller.domain_id)
    if domain is None:
        raise InvalidParameter(f"could not find account {name}")
    call.caller.check_domain(domain)
    account = accounts.by_name(call.transaction, name, domain_id=domain.id)
    if account is None:
        raise InvalidParameter(f"could not find account {name} in domain {domain.uuid}")
    return account
