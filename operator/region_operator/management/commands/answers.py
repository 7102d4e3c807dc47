"""What regions, domains, accounts and users look like in answers, and the declaration of those fields beside it.

Absent values are left out, never null. Limits and counts of resources (``vmlimit``, ``iptotal``, ...) are left out
too: this server keeps identities and no resources.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from region_operator.management.commands.call import Caller, role_of
from region_operator.management.commands.declaration import Body, Field, Role
from region_operator.management.store.accounts import Account
from region_operator.management.store.domains import Domain
from region_operator.management.store.regions import Region
from region_operator.management.store.users import User

_ROLES: Final = {  # name and type of CloudStack's default roles
    Role.ROOT_ADMIN: ("Root Admin", "Admin"),
    Role.RESOURCE_ADMIN: ("Resource Admin", "ResourceAdmin"),
    Role.DOMAIN_ADMIN: ("Domain Admin", "DomainAdmin"),
    Role.USER: ("User", "User"),
}


def present(fields: Mapping[str, Any]) -> Body:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def moment(value: datetime | None) -> str | None:
    """A time of the database (UTC) as CloudStack writes it."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%S+0000")


def shown_path(path: str) -> str:
    """``/a/b/`` as ``ROOT/a/b``."""
    return f"ROOT{path.rstrip('/')}"


REGION_FIELDS: Final = (
    Field("id", "integer", "the ID of the region"),
    Field("name", "string", "the name of the region"),
    Field("endpoint", "string", "the end point of the region"),
    Field("gslbserviceenabled", "boolean", "true if GSLB service is enabled in the region, false otherwise"),
    Field("portableipserviceenabled", "boolean", "true if portable IP service is enabled in the region"),
)


def region_body(region: Region) -> Body:
    return {
        "id": region.id,
        "name": region.name,
        "endpoint": region.endpoint,
        "gslbserviceenabled": bool(region.gslb_enabled),
        "portableipserviceenabled": bool(region.portable_ip_enabled),
    }


DOMAIN_FIELDS: Final = (
    Field("id", "string", "the ID of the domain"),
    Field("name", "string", "the name of the domain"),
    Field("level", "integer", "the level of the domain"),
    Field("parentdomainid", "string", "the domain ID of the parent domain"),
    Field("parentdomainname", "string", "the domain name of the parent domain"),
    Field("haschild", "boolean", "whether the domain has one or more sub-domains"),
    Field("networkdomain", "string", "the network domain"),
    Field("path", "string", "the path of the domain"),
    Field("state", "string", "the state of the domain"),
    Field("created", "date", "the date when this domain was created"),
)


def domain_body(domain: Domain) -> Body:
    return present(
        {
            "id": domain.uuid,
            "name": domain.name,
            "level": domain.level,
            "parentdomainid": domain.parent_uuid,
            "parentdomainname": domain.parent_name,
            "haschild": domain.child_count > 0,
            "networkdomain": domain.network_domain,
            "path": shown_path(domain.path),
            "state": domain.state,
            "created": moment(domain.created),
        }
    )


USER_FIELDS: Final = (
    Field("id", "string", "the user ID"),
    Field("username", "string", "the user name"),
    Field("firstname", "string", "the user firstname"),
    Field("lastname", "string", "the user lastname"),
    Field("email", "string", "the user email address"),
    Field("created", "date", "the date and time the user account was created"),
    Field("state", "string", "the user state"),
    Field("account", "string", "the account name of the user"),
    Field("accountid", "string", "the account ID of the user"),
    Field("accounttype", "short", "the account type of the user"),
    Field("rolename", "string", "the name of the role"),
    Field("roletype", "string", "the type of the role"),
    Field("domain", "string", "the domain name of the user"),
    Field("domainid", "string", "the domain ID of the user"),
    Field("timezone", "string", "the timezone user was created in"),
    Field("apikey", "string", "the api key of the user"),
    Field("usersource", "string", "the source type of the user in lowercase, such as native, ldap, saml2"),
    Field("isdefault", "boolean", "true if user is default, false otherwise"),
    Field(
        "iscallerchilddomain",
        "boolean",
        "the boolean value representing if the updating target is in caller's child domain",
    ),
)


def user_body(user: User, caller: Caller) -> Body:
    role_name, role_type = _ROLES[role_of(user.account_type)]
    return present(
        {
            "id": user.uuid,
            "username": user.username,
            "firstname": user.firstname,
            "lastname": user.lastname,
            "email": user.email,
            "created": moment(user.created),
            "state": user.state.lower(),
            "account": user.account_name,
            "accountid": user.account_uuid,
            "accounttype": user.account_type,
            "rolename": role_name,
            "roletype": role_type,
            "domain": user.domain_name,
            "domainid": user.domain_uuid,
            "timezone": user.timezone,
            "apikey": user.api_key,
            "usersource": user.source.lower(),
            "isdefault": bool(user.is_default),
            "iscallerchilddomain": user.domain_path != caller.domain_path
            and user.domain_path.startswith(caller.domain_path),
        }
    )


ACCOUNT_FIELDS: Final = (
    Field("id", "string", "the id of the account"),
    Field("name", "string", "the name of the account"),
    Field("accounttype", "short", "account type (admin, domain-admin, user)"),
    Field("rolename", "string", "the name of the role"),
    Field("roletype", "string", "the type of the role"),
    Field("domain", "string", "name of the domain the account belongs to"),
    Field("domainid", "string", "id of the domain the account belongs to"),
    Field("domainpath", "string", "path of the domain the account belongs to"),
    Field("state", "string", "the state of the account"),
    Field("networkdomain", "string", "the network domain"),
    Field("created", "date", "the date when this account was created"),
    Field("isdefault", "boolean", "true if account is default, false otherwise"),
    Field("iscleanuprequired", "boolean", "true if the account requires cleanup"),
    Field("groups", "list", "the list of acl groups that account belongs to"),
    Field("user", "list", "the list of users associated with account", USER_FIELDS),
)


def account_body(account: Account, users: Sequence[User], caller: Caller) -> Body:
    role_name, role_type = _ROLES[role_of(account.type)]
    return present(
        {
            "id": account.uuid,
            "name": account.name,
            "accounttype": account.type,
            "rolename": role_name,
            "roletype": role_type,
            "domain": account.domain_name,
            "domainid": account.domain_uuid,
            "domainpath": shown_path(account.domain_path),
            "state": account.state.lower(),
            "networkdomain": account.network_domain,
            "created": moment(account.created),
            "isdefault": bool(account.is_default),
            "iscleanuprequired": bool(account.cleanup_needed),
            "groups": [],
            "user": [user_body(user, caller) for user in users],
        }
    )
