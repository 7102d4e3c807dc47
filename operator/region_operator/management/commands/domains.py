"""Domains: the tree that accounts hang in."""

from typing import Final

from region_operator.management.commands.answers import DOMAIN_FIELDS, domain_body
from region_operator.management.commands.call import Call
from region_operator.management.commands.declaration import (
    ADMINS,
    ROOT_ONLY,
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
from region_operator.management.commands.rules import UUID_LENGTH, checked_network_domain, given_or_new_uuid
from region_operator.management.store import accounts, domains
from region_operator.management.store.connection import DuplicateKey
from region_operator.management.store.domains import Domain
from region_operator.management.store.identities import Entity
from region_operator.management.store.query import Scope
from region_operator.management.store.schema import ROOT_DOMAIN_ID


def create_domain(call: Call) -> Body:
    name = _checked_name(call.arguments.text("name"))
    network_domain = checked_network_domain(call.arguments.optional_text("networkdomain"))
    parent_id = call.arguments.optional_number("parentdomainid") or ROOT_DOMAIN_ID
    parent = domains.lock(call.transaction, parent_id)
    if parent is None or parent.removed is not None:
        raise InvalidParameter(f"Unable to create domain {name}, parent domain {parent_id} not found.")
    call.caller.check_domain(parent)
    if parent.state != domains.ACTIVE:
        raise InvalidParameter(f"The domain cannot be created as the parent domain {parent.name} is being deleted")
    if domains.child(call.transaction, parent.id, name):
        raise InvalidParameter(f"Domain with name {name} already exists for the parent id={parent.uuid}")
    _check_path_length(len(parent.path) + len(name) + 1)
    uuid = given_or_new_uuid(call.arguments.optional_text("domainid"))
    try:
        domain_id = domains.add(
            call.transaction,
            parent,
            uuid=uuid,
            name=name,
            owner_id=call.caller.account_id,
            network_domain=network_domain,
        )
    except DuplicateKey:
        raise InvalidParameter(f"Domain with uuid {uuid} already exists") from None
    return domain_body(_existing(call, domain_id))


def list_domains(call: Call) -> Body:
    """Root admins see all; other admins the own one, and with ``listall`` those below it."""
    caller, id_ = call.caller, call.arguments.optional_number("id")
    recursive = call.arguments.flag("listall") or id_ is not None
    scope = Scope() if caller.is_root_admin else Scope(domain_path=caller.domain_path, recursive=recursive)
    wanted = domains.Filter(
        id=id_,
        name=call.arguments.optional_text("name"),
        level=call.arguments.optional_number("level"),
        keyword=call.arguments.optional_text("keyword"),
    )
    found = domains.page(call.transaction, call.arguments.page, scope, wanted)
    return {"total": found.total, "items": [domain_body(domain) for domain in found.items]}


def update_domain(call: Call) -> Body:
    domain_id = call.arguments.number("id")
    domain = _existing(call, domain_id)
    call.caller.check_domain(domain)
    name, network_domain = call.arguments.optional_text("name"), call.arguments.optional_text("networkdomain")
    if name is not None and name != domain.name:
        _rename(call, domain, _checked_name(name))
    if network_domain is not None:
        domains.set_network_domain(call.transaction, domain_id, checked_network_domain(network_domain))
    return domain_body(_existing(call, domain_id))


def _rename(call: Call, domain: Domain, name: str) -> None:
    if domain.parent_id is None:
        raise InvalidParameter("ROOT domain can not be edited with a new name")
    domains.lock(call.transaction, domain.parent_id)
    locked = domains.lock(call.transaction, domain.id)
    twin = domains.child(call.transaction, domain.parent_id, name)
    if locked is None or (twin is not None and twin.id != domain.id):
        raise InvalidParameter(
            f"Failed to update specified domain id with name '{name}' since it already exists in the system"
        )
    _check_path_length(domains.longest_path_below(call.transaction, locked) + len(name) - len(locked.name))
    domains.rename(call.transaction, locked, name)


def delete_domain(call: Call) -> Body:
    domain = domains.lock(call.transaction, call.arguments.number("id"))
    if domain is None or domain.removed is not None:
        raise InvalidParameter("Failed to delete domain, it does not exist")
    _delete(call, domain, cleanup=call.arguments.flag("cleanup"))
    return {}


def _delete(call: Call, domain: Domain, *, cleanup: bool) -> None:
    below, owners = domains.children(call.transaction, domain.id), accounts.of_domain(call.transaction, domain.id)
    if not cleanup and (below or owners):
        raise InternalError(
            f"Delete failed on domain {domain.name} (id: {domain.uuid}); Please make sure all users and sub domains "
            "have been removed from the domain before deleting"
        )
    for child in below:
        domains.lock(call.transaction, child.id)
        _delete(call, child, cleanup=True)
    for account in owners:
        accounts.remove(call.transaction, account.id)
    domains.remove(call.transaction, domain)


def _deletion_target(call: Call) -> Target:
    domain = _existing(call, call.arguments.number("id"))
    if domain.is_root:
        raise PermissionDenied("Can't delete ROOT domain")
    call.caller.check_domain(domain)
    return Target("Domain", domain.id)


def _existing(call: Call, domain_id: int) -> Domain:
    domain = domains.by_id(call.transaction, domain_id)
    if domain is None or domain.removed is not None:
        raise InvalidParameter(f"Unable to find the specified domain id={domain.uuid if domain else domain_id}")
    return domain


def _checked_name(name: str) -> str:
    if not name.strip() or "/" in name:
        raise InvalidParameter(
            "Domain name contains one or more invalid characters.  Please enter a name without '/' characters."
        )
    return name.strip()


def _check_path_length(length: int) -> None:
    if length > domains.MAX_PATH:
        raise InvalidParameter(f"The path of the domain would be longer than {domains.MAX_PATH} characters")


COMMANDS: Final = (
    Command(
        name="createDomain",
        description="Creates a domain",
        roles=ROOT_ONLY,
        parameters=(
            Parameter("name", Kind.STRING, "creates domain with this name", required=True),
            Parameter("parentdomainid", Kind.UUID, "the parent domain, ROOT if not given", entity=Entity.DOMAIN),
            Parameter("networkdomain", Kind.STRING, "Network domain for networks in the domain"),
            Parameter(
                "domainid", Kind.STRING, "UUID of the new domain, to use that of another region", length=UUID_LENGTH
            ),
        ),
        answer=Single("domain", DOMAIN_FIELDS),
        handler=create_domain,
    ),
    Command(
        name="listDomains",
        description="Lists domains and provides detailed information for listed domains",
        roles=ADMINS,
        parameters=(
            Parameter("id", Kind.UUID, "List domain by domain ID.", entity=Entity.DOMAIN),
            Parameter("name", Kind.STRING, "List domain by domain name."),
            Parameter("level", Kind.INTEGER, "List domains by domain level."),
            Parameter("listall", Kind.BOOLEAN, "If set to true, list all domains that the caller may see"),
            Parameter("details", Kind.LIST, "accepted for clients that send it; all details are always given"),
        ),
        answer=Listing("domain", DOMAIN_FIELDS),
        handler=list_domains,
    ),
    Command(
        name="updateDomain",
        description="Updates a domain with a new name",
        roles=ROOT_ONLY,
        parameters=(
            Parameter("id", Kind.UUID, "ID of domain to update", required=True, entity=Entity.DOMAIN),
            Parameter("name", Kind.STRING, "updates domain with this name"),
            Parameter("networkdomain", Kind.STRING, "Network domain for the domain's networks; empty to clear it"),
        ),
        answer=Single("domain", DOMAIN_FIELDS),
        handler=update_domain,
    ),
    Command(
        name="deleteDomain",
        description="Deletes a specified domain",
        roles=ROOT_ONLY,
        parameters=(
            Parameter("id", Kind.UUID, "ID of domain to delete", required=True, entity=Entity.DOMAIN),
            Parameter("cleanup", Kind.BOOLEAN, "true to delete its sub-domains and accounts too"),
        ),
        answer=Success(),
        handler=delete_domain,
        asynchronous=Asynchronous(
            "org.apache.cloudstack.api.command.admin.domain.DeleteDomainCmd", target=_deletion_target
        ),
    ),
)
