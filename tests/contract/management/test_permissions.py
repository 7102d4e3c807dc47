"""Who may touch whom: a domain admin inside the own tree, a user only itself, nobody upwards."""

from dataclasses import dataclass

import pytest
from cs import CloudStack

from contract.management.conftest import Replica
from contract.management.test_identities import JANE, names
from contract.management.test_regions import refusal


@dataclass(frozen=True)
class Tree:
    """ROOT / mine / below, and ROOT / theirs; in each a user; ``boss`` administers mine."""

    mine: str
    below: str
    theirs: str
    ids: dict[str, str]  # users by name
    root: CloudStack
    boss: CloudStack
    worker: CloudStack


@pytest.fixture
def tree(cloud: Replica) -> Tree:
    root = cloud.admin
    mine = root.createDomain(name="mine")["domain"]["id"]
    below = root.createDomain(name="below", parentdomainid=mine)["domain"]["id"]
    theirs = root.createDomain(name="mine2")["domain"]["id"]  # its path begins alike
    ids = {"admin": root.listUsers()["user"][0]["id"]}
    keys = {}
    for name, type_, domain in (("boss", 2, mine), ("worker", 0, mine), ("deep", 0, below), ("other", 0, theirs)):
        user = {**JANE, "username": name}
        ids[name] = root.createAccount(**user, accounttype=type_, domainid=domain)["account"]["user"][0]["id"]
        keys[name] = root.registerUserKeys(id=ids[name])["userkeys"]
    clients = {name: cloud.client(pair["apikey"], pair["secretkey"]) for name, pair in keys.items()}
    return Tree(mine, below, theirs, ids, root, clients["boss"], clients["worker"])


def test_a_domain_admin_sees_the_own_tree(tree: Tree) -> None:
    assert names(tree.boss.listDomains(), "domain") == ["mine"]
    assert names(tree.boss.listDomains(listall=True), "domain") == ["mine", "below"]
    assert names(tree.boss.listAccounts(listall=True), "account") == ["boss", "worker", "deep"]
    assert names(tree.boss.listUsers(domainid=tree.below), "user", "username") == ["deep"]
    assert tree.boss.listDomains(id=tree.theirs) == {}
    assert tree.boss.listUsers(id=tree.ids["other"]) == {}
    assert tree.boss.listAccounts(name="other") == {}
    assert refusal(tree.boss.listUsers, domainid=tree.theirs)["errorcode"] == 531


def test_a_domain_admin_works_in_the_own_tree_only(tree: Tree) -> None:
    new = {**JANE, "username": "new"}
    assert tree.boss.createAccount(**new, accounttype=0, domainid=tree.below)["account"]["domainid"] == tree.below
    assert tree.boss.updateUser(id=tree.ids["deep"], firstname="D")["user"]["firstname"] == "D"
    for call, arguments in (
        (tree.boss.createAccount, {**new, "accounttype": 0, "domainid": tree.theirs}),
        (tree.boss.createAccount, {**new, "accounttype": 0}),  # ROOT
        (tree.boss.createUser, {**new, "account": "other", "domainid": tree.theirs}),
        (tree.boss.updateUser, {"id": tree.ids["other"], "password": "mine now"}),
        (tree.boss.registerUserKeys, {"id": tree.ids["other"]}),
        (tree.boss.getUserKeys, {"id": tree.ids["admin"]}),
        (tree.boss.updateUser, {"id": tree.ids["admin"], "password": "mine now"}),
        (tree.boss.deleteUser, {"id": tree.ids["other"]}),
        (tree.boss.disableUser, {"id": tree.ids["other"]}),
        (tree.boss.disableAccount, {"account": "other", "domainid": tree.theirs, "lock": True}),
    ):
        assert refusal(call, **arguments)["errorcode"] == 531, arguments


@pytest.mark.parametrize("accounttype", [1, 3])
def test_a_domain_admin_makes_nobody_greater_than_itself(tree: Tree, accounttype: int) -> None:
    error = refusal(tree.boss.createAccount, **{**JANE, "username": "n"}, accounttype=accounttype, domainid=tree.mine)
    assert error["errorcode"] in (431, 531)


def test_an_admin_of_the_root_domain_cannot_take_over_a_root_admin(cloud: Replica, tree: Tree) -> None:
    user = tree.root.createAccount(**{**JANE, "username": "top"}, accounttype=2)["account"]["user"][0]["id"]
    keys = tree.root.registerUserKeys(id=user)["userkeys"]
    top = cloud.client(keys["apikey"], keys["secretkey"])
    assert top.listAccounts(listall=True)["count"] == 6
    for call in (top.registerUserKeys, top.getUserKeys, top.disableUser, top.lockUser, top.deleteUser):
        assert refusal(call, id=tree.ids["admin"])["errorcode"] == 531
    assert refusal(top.updateUser, id=tree.ids["admin"], password="mine now")["errorcode"] == 531
    assert refusal(top.createUser, **{**JANE, "username": "n"}, account="admin")["errorcode"] == 531


def test_a_user_sees_and_changes_only_itself(tree: Tree) -> None:
    assert names(tree.worker.listUsers(listall=True), "user", "username") == ["worker"]
    assert names(tree.worker.listAccounts(listall=True), "account") == ["worker"]
    assert tree.worker.listUsers(id=tree.ids["boss"]) == {}
    assert refusal(tree.worker.listUsers, domainid=tree.below)["errorcode"] == 531
    assert refusal(tree.worker.listUsers, account="boss")["errorcode"] == 531
    assert tree.worker.updateUser(id=tree.ids["worker"], firstname="W")["user"]["firstname"] == "W"
    for name in ("boss", "deep", "other", "admin"):
        assert refusal(tree.worker.updateUser, id=tree.ids[name], firstname="X")["errorcode"] == 531
        assert refusal(tree.worker.registerUserKeys, id=tree.ids[name])["errorcode"] == 531
        assert refusal(tree.worker.getUserKeys, id=tree.ids[name])["errorcode"] == 531
