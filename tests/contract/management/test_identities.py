"""Domains, accounts and users through the PyPI client ``cs``."""

import re

import pytest
from cs import CloudStack

from contract.management.conftest import Replica
from contract.management.test_regions import refusal

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000")
JANE = {"username": "jane", "password": "pässword", "firstname": "Jane", "lastname": "Doe", "email": "jane@example.com"}


@pytest.fixture
def api(cloud: Replica) -> CloudStack:
    return cloud.admin


def names(answer: dict, key: str, field: str = "name") -> list[str]:
    return [item[field] for item in answer.get(key, [])]


def root(api: CloudStack) -> dict:
    return api.listDomains(name="ROOT")["domain"][0]


def test_domains_form_a_tree(api: CloudStack) -> None:
    a = api.createDomain(name="a", networkdomain="a.example")["domain"]
    b = api.createDomain(name="b", parentdomainid=a["id"], domainid="domain1-8PK4M1")["domain"]
    assert UUID.fullmatch(a["id"])
    assert MOMENT.fullmatch(a["created"])
    assert (a["path"], a["level"], a["haschild"], a["networkdomain"]) == ("ROOT/a", 1, False, "a.example")
    assert b["id"] == "domain1-8PK4M1"
    assert (b["path"], b["level"], b["parentdomainid"], b["parentdomainname"]) == ("ROOT/a/b", 2, a["id"], "a")
    listed = api.listDomains(listall=True)
    assert listed["count"] == 3
    assert names(listed, "domain", "path") == ["ROOT", "ROOT/a", "ROOT/a/b"]
    assert api.listDomains(id=a["id"])["domain"][0]["haschild"]
    assert names(api.listDomains(level=2), "domain") == ["b"]


def test_a_renamed_domain_takes_its_subdomains_along(api: CloudStack) -> None:
    a = api.createDomain(name="a_")["domain"]
    api.createDomain(name="b", parentdomainid=a["id"])
    api.createDomain(name="ab")
    assert api.updateDomain(id=a["id"], name="new", networkdomain="")["domain"]["path"] == "ROOT/new"
    assert names(api.listDomains(), "domain", "path") == ["ROOT", "ROOT/ab", "ROOT/new", "ROOT/new/b"]


def test_domain_refusals_are_in_cloudstacks_words(api: CloudStack) -> None:
    api.createDomain(name="a")
    assert "already exists for the parent id=" in refusal(api.createDomain, name="A")["errortext"]
    assert "without '/' characters" in refusal(api.createDomain, name="a/b")["errortext"]
    assert "without '/' characters" in refusal(api.createDomain, name=" ")["errortext"]
    assert "Invalid network domain" in refusal(api.createDomain, name="n", networkdomain="-x.y")["errortext"]
    assert refusal(api.updateDomain, id=root(api)["id"], name="x")["errortext"] == (
        "ROOT domain can not be edited with a new name"
    )
    assert refusal(api.deleteDomain, id=root(api)["id"]) == {
        "uuidList": [],
        "errorcode": 531,
        "cserrorcode": 4365,
        "errortext": "Can't delete ROOT domain",
    }


def test_a_path_never_outgrows_its_column(api: CloudStack) -> None:
    a = api.createDomain(name="a" * 120)["domain"]
    b = api.createDomain(name="b" * 120, parentdomainid=a["id"])["domain"]
    assert "longer than 255" in refusal(api.createDomain, name="c" * 20, parentdomainid=b["id"])["errortext"]
    assert "longer than 255" in refusal(api.updateDomain, id=a["id"], name="a" * 140)["errortext"]


def test_an_account_is_created_with_its_first_user(api: CloudStack) -> None:
    domain = api.createDomain(name="d")["domain"]
    account = api.createAccount(
        **JANE, accounttype=0, domainid=domain["id"], networkdomain="j.example", timezone="Europe/Berlin", userid="u-1"
    )["account"]
    assert UUID.fullmatch(account["id"])
    (user,) = account["user"]
    assert {
        name: account[name] for name in ("name", "accounttype", "domain", "domainid", "state", "networkdomain")
    } == {
        "name": "jane",
        "accounttype": 0,
        "domain": "d",
        "domainid": domain["id"],
        "state": "enabled",
        "networkdomain": "j.example",
    }
    assert (account["roletype"], account["isdefault"], account["groups"]) == ("User", False, [])
    assert {name: user[name] for name in ("id", "username", "account", "accountid", "timezone", "usersource")} == {
        "id": "u-1",
        "username": "jane",
        "account": "jane",
        "accountid": account["id"],
        "timezone": "Europe/Berlin",
        "usersource": "native",
    }
    assert "apikey" not in user
    assert "password" not in str(account)
    assert api.listAccounts(name="jane", domainid=domain["id"])["account"] == [account]


def test_account_refusals_are_in_cloudstacks_words(api: CloudStack) -> None:
    api.createAccount(**JANE, account="acme", accounttype=0)
    other = {**JANE, "username": "other"}
    assert refusal(api.createAccount, **other, account="ACME", accounttype=0)["errortext"] == (
        "The specified account: ACME already exists"
    )
    taken = refusal(api.createAccount, **JANE, account="acme2", accounttype=0)["errortext"]
    assert taken == f"The user jane already exists in domain {root(api)['id']}"
    assert names(api.listAccounts(listall=True), "account") == ["admin", "acme"]  # nothing half made
    assert refusal(api.createAccount, **other)["errortext"] == "Neither account type and role ID are not provided"
    assert "Invalid account type 5" in refusal(api.createAccount, **other, accounttype=5)["errortext"]
    assert "roleid is not supported" in refusal(api.createAccount, **other, roleid="4")["errortext"]
    empty = refusal(api.createAccount, **{**other, "password": ""}, accounttype=0)["errortext"]
    assert empty == "Empty passwords are not allowed"
    assert refusal(api.createAccount, **{**other, "lastname": " "}, accounttype=0)["errortext"] == "Lastname is empty"
    domain = api.createDomain(name="d")["domain"]["id"]
    outside = refusal(api.createAccount, **other, accounttype=1, domainid=domain)["errortext"]
    assert outside == f"Invalid account type 1 given for an account in domain {domain}; unable to create user."
    assert (
        "Unable to find account by name nobody"
        in refusal(api.listAccounts, name="nobody", domainid=domain)["errortext"]
    )
    assert api.listAccounts(name="nobody") == {}


def test_listings_show_the_own_account_until_asked_for_more(api: CloudStack) -> None:
    domain = api.createDomain(name="d")["domain"]["id"]
    below = api.createDomain(name="e", parentdomainid=domain)["domain"]["id"]
    for number, place in enumerate((domain, below)):
        api.createAccount(**{**JANE, "username": f"u{number}"}, accounttype=0, domainid=place)
    assert names(api.listAccounts(), "account") == ["admin"]
    assert names(api.listAccounts(listall=True), "account") == ["admin", "u0", "u1"]
    assert names(api.listAccounts(domainid=domain), "account") == ["u0"]
    assert names(api.listAccounts(domainid=domain, isrecursive=True), "account") == ["u0", "u1"]
    assert names(api.listUsers(), "user", "username") == ["admin"]
    assert names(api.listUsers(listall=True), "user", "username") == ["admin", "u0", "u1"]
    assert names(api.listUsers(account="u1", domainid=below), "user", "username") == ["u1"]
    assert names(api.listUsers(listall=True, keyword="u1"), "user", "username") == ["u1"]
    assert len(api.listUsers(listall=True, fetch_list=True)) == 3
    assert api.listUsers(listall=True, page=3, pagesize=2) == {}


def test_users_are_added_to_an_account_and_changed(api: CloudStack) -> None:
    api.createAccount(**JANE, account="acme", accounttype=0)
    joe = api.createUser(**{**JANE, "username": "joe"}, account="acme")["user"]
    assert (joe["account"], joe["state"], joe["iscallerchilddomain"]) == ("acme", "enabled", False)
    changed = api.updateUser(id=joe["id"], username="joseph", email="", timezone="UTC")["user"]
    assert (changed["username"], changed["timezone"]) == ("joseph", "UTC")
    assert "email" not in changed
    assert changed["firstname"] == "Jane"
    assert refusal(api.updateUser, id=joe["id"], username="jane")["errortext"].startswith(
        "The user jane already exists"
    )
    assert refusal(api.updateUser, id=joe["id"], firstname="")["errortext"] == "Firstname is empty"
    assert refusal(api.createUser, **{**JANE, "username": "x"}, account="nope")["errortext"].startswith(
        "Unable to find account nope in domain id="
    )


def test_a_deleted_user_is_gone_but_its_id_still_lists_as_empty(api: CloudStack) -> None:
    api.createAccount(**JANE, account="acme", accounttype=0)
    joe = api.createUser(**{**JANE, "username": "joe"}, account="acme")["user"]["id"]
    assert api.deleteUser(id=joe) == {"success": True}
    assert api.listUsers(id=joe) == {}
    assert refusal(api.deleteUser, id=joe)["errortext"] == "The specified user doesn't exist in the system"
    again = api.createUser(**{**JANE, "username": "joe"}, account="acme")["user"]
    assert again["id"] != joe


def test_keys_are_registered_shown_and_replaced(cloud: Replica, api: CloudStack) -> None:
    user = api.createAccount(**JANE, accounttype=0)["account"]["user"][0]["id"]
    keys = api.registerUserKeys(id=user)["userkeys"]
    assert {len(keys["apikey"]), len(keys["secretkey"])} == {86}
    assert api.getUserKeys(id=user)["userkeys"] == keys
    assert api.getUser(userapikey=keys["apikey"])["user"]["username"] == "jane"
    old = cloud.client(keys["apikey"], keys["secretkey"])
    assert old.listUsers()["count"] == 1
    api.registerUserKeys(id=user)
    assert refusal(old.listUsers)["errorcode"] == 401
    assert refusal(api.getUser, userapikey=keys["apikey"])["errortext"] == (
        "User with specified API key does not exist"
    )


def test_keys_can_be_copied_from_another_region(cloud: Replica, api: CloudStack) -> None:
    user = api.createAccount(**JANE, accounttype=0)["account"]["user"][0]["id"]
    api.updateUser(id=user, userapikey="copied-key", usersecretkey="copied-secret")
    assert cloud.client("copied-key", "copied-secret").listUsers()["user"][0]["username"] == "jane"
    pair = refusal(api.updateUser, id=user, userapikey="x")["errortext"]
    assert pair == "Please provide an userApiKey/userSecretKey pair"
    admin = api.listUsers(username="admin", listall=True)["user"][0]["id"]
    taken = refusal(api.updateUser, id=admin, userapikey="copied-key", usersecretkey="s")["errortext"]
    assert re.fullmatch(
        r"The api key:copied-key exists in the system for user id:\d+ ,please provide a unique key", taken
    )


def test_the_system_user_is_hidden_and_cannot_be_changed(cloud: Replica, api: CloudStack) -> None:
    assert "system" not in names(api.listUsers(listall=True), "user", "username")
    assert "system" not in names(api.listAccounts(listall=True), "account")
    assert "errorcode" in refusal(api.getUser, userapikey="agent-key")
    (system,) = cloud.rows(
        "SELECT u.uuid AS user, a.uuid AS account FROM user u JOIN account a USING (id) WHERE id = 1"
    )
    assert api.listUsers(id=system["user"]) == {}
    for call in (api.registerUserKeys, api.deleteUser, api.getUserKeys, api.disableUser):
        assert refusal(call, id=system["user"])["errorcode"] == 531
    assert refusal(api.disableAccount, id=system["account"], lock=True)["errorcode"] == 531
    assert refusal(api.createUser, **JANE, account="system")["errorcode"] == 531


def test_default_rows_are_not_removed(api: CloudStack) -> None:
    admin = api.listAccounts()["account"][0]
    assert refusal(api.deleteUser, id=admin["user"][0]["id"])["errortext"] == "The user is default and can't be removed"
    assert refusal(api.deleteAccount, id=admin["id"])["errortext"] == "The account is default and can't be removed"


def test_an_account_is_renamed_by_id_or_by_name_and_domain(api: CloudStack) -> None:
    api.createAccount(**JANE, account="acme", accounttype=0)
    domain = root(api)["id"]
    assert api.updateAccount(account="acme", domainid=domain, newname="corp")["account"]["name"] == "corp"
    assert refusal(api.updateAccount, account="corp", newname="x")["errortext"] == (
        "Account name and domain id must be specified together"
    )
    assert (
        "There already exists an account with the name:admin"
        in (refusal(api.updateAccount, account="corp", domainid=domain, newname="admin")["errortext"])
    )
    assert (
        "Unable to find account by accountId: None OR by name: acme"
        in (refusal(api.enableAccount, account="acme", domainid=domain)["errortext"])
    )
