"""Regions elsewhere: in another namespace that consents, and in another cluster that may be lost and come back."""

import base64
import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

import clouds
from clouds import Kubectl
from fleets import Fleet, peering, region, until
from region_operator import naming

CHART = Path(__file__).parents[2] / "charts/region-operator"
HERE, THERE = "eu-west", "us-east"
PEERING = f"{HERE}-{THERE}"
OPERATOR = "region-operator/app.kubernetes.io/name=region-operator"
KUBECONFIG = f"{THERE}-cluster"


# --- another namespace ------------------------------------------------------------------------------------------------


@pytest.mark.rule("OPERATOR 6")
def test_a_region_runs_in_another_namespace_only_where_that_consents(cluster, operator, fleet, namespace):
    elsewhere = f"{namespace}-elsewhere"
    cluster.kubectl("create", "namespace", elsewhere)
    operator.allow(elsewhere)
    own = Fleet(cluster, fleet)
    try:
        own.apply(region(HERE, placement={"namespace": elsewhere}))
        own.until_told(HERE, "Stalled", "True", "PlacementNotPermitted")
        consent(cluster, elsewhere, to="somebody-else")
        own.request_reconcile(HERE, token="other-consent")
        own.until_handled(HERE, "other-consent")
        assert own.told(HERE, "PlacementReachable") == ("False", "PlacementNotPermitted")
        assert not own.children(HERE, namespace=elsewhere)

        consent(cluster, elsewhere, to=f"somebody-else, {fleet}")
        own.request_reconcile(HERE, token="consent")
        own.until_ready(HERE)
        assert f"StatefulSet/{HERE}-database" in own.children(HERE, namespace=elsewhere)
        assert not own.children(HERE)

        own.patch("region", HERE, {"spec": {"deletionPolicy": "Delete"}})
        own.delete_regions(HERE)
        until("nothing is left", lambda: not own.children(HERE, namespace=elsewhere))
    finally:
        operator.forget(elsewhere)
        cluster.kubectl("delete", "namespace", elsewhere, "--wait=false")


def consent(cluster, namespace, *, to):
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": naming.PLACEMENT_CONSENT_CONFIGMAP, "namespace": namespace},
        "data": {"from": to},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


# --- another cluster --------------------------------------------------------------------------------------------------


class Wan:
    """A fleet with one Region here and one in another cluster, peered."""

    def __init__(self, fleet, second, namespace, helm):
        self.fleet, self.second, self.namespace = fleet, second, namespace
        self.there = Kubectl(str(second.kubeconfig), namespace)
        self._helm = helm
        self.good = self.granted()

    def granted(self):
        """A kubeconfig with the rights in the other cluster that the chart gives, and nothing more."""
        rights = self._helm(
            "template", "region-operator", CHART, "-n", self.namespace, "--set", "remoteAccess.enabled=true"
        )
        self.second.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=rights)
        token = until("a token", lambda: self.there.secret("region-operator-token").get("token"))
        given = yaml.safe_load(self.second.peer_kubeconfig.read_text())
        found = given["clusters"][0]["cluster"]
        known = {key: found[key] for key in ("server", "certificate-authority-data")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "there",
            "contexts": [{"name": "there", "context": {"cluster": "there", "user": "operator"}}],
            "clusters": [{"name": "there", "cluster": known}],
            "users": [{"name": "operator", "user": {"token": token}}],
        }

    def use(self, content, *, token):
        """Put a kubeconfig into the Secret and have the Region looked at."""
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        data = {"kubeconfig": base64.b64encode(text.encode()).decode()}
        self.fleet.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": KUBECONFIG}, "data": data})
        if self.fleet.exists("region", THERE):
            self.fleet.request_reconcile(THERE, token=token)

    def heal(self):
        self.use(self.good, token="healed")
        self.fleet.until_ready(THERE)

    def start(self):
        self.use(self.good, token="")
        placement = {
            "namespace": self.namespace,
            "kubeconfigSecretRef": {"name": KUBECONFIG, "key": "kubeconfig"},
        }
        self.fleet.apply(
            region(HERE, 1, agent=on_a_node(self.fleet.cluster), deletionPolicy="Delete"),
            region(THERE, 2, agent=on_a_node(self.second), placement=placement, deletionPolicy="Delete"),
            peering(HERE, THERE),
        )
        self.fleet.until_ready(HERE, THERE)
        self.fleet.until_told(PEERING, "InSync", "True", kind="regionpeering")

    def cross(self, name):
        """An account made here is found there."""
        with clouds.region(self.fleet.kubectl, HERE) as west, clouds.region(self.there, THERE) as east:
            made = west.api.createAccount(account=name, accounttype=0, **person(name))["account"]
            found = until(f"user {name} is there", lambda: east.user(name))
        assert found["accountid"] == made["id"]

    def left(self):
        """What both clusters hold of the Regions."""
        labels = f"{naming.LABEL_REGION_NAMESPACE}={self.fleet.namespace}"
        kinds = "deployments,statefulsets,jobs,pods,services,configmaps,secrets,pvc,networkpolicies"
        clusters = (self.fleet.cluster, self.second)
        return [
            item for one in clusters for item in one.kubectl("get", kinds, "-A", "-l", labels, "-o", "name").split()
        ]


def on_a_node(cluster):
    return {"managed": {"expose": {"type": "NodePort", "host": cluster.node_address}}}


def person(name):
    known = {"username": name, "firstname": name, "lastname": "Example", "email": f"{name}@example.net"}
    return {**known, "password": "correct horse"}


@pytest.fixture(scope="module")
def there(second_cluster, second_images):
    """The other cluster, able to run a region."""
    return second_cluster


@pytest.fixture(scope="module")
def wan(cluster, there, module_fleet, helm):
    namespace = f"{module_fleet}-there"
    there.kubectl("create", "namespace", namespace)
    wan = Wan(Fleet(cluster, module_fleet), there, namespace, helm)
    wan.start()
    yield wan
    there.kubectl("delete", "namespace", namespace, "--wait=false")


def test_an_account_crosses_the_wan(wan):
    wan.cross("ada")


MANY = 2000


def test_a_thin_wan_carries_what_was_written_while_there_was_none(wan):
    """Of one megabit a second, for which what comes at once has to wait."""
    here = wan.fleet.cluster
    if not hasattr(here, "unlink"):
        pytest.skip("bandwidth of links is limited on devcluster only")
    count = "SELECT COUNT(*) FROM user WHERE username LIKE 'many-%'"
    with clouds.region(wan.fleet.kubectl, HERE) as west, clouds.region(wan.there, THERE) as east:
        here.unlink(wan.second)
        try:
            west.sql(
                "START TRANSACTION;"  # nobody locks the accounts meanwhile
                "INSERT INTO account (uuid, account_name, type, role_id, domain_id, created) SELECT UUID(),"
                f" CONCAT('many-', seq), 0, 4, 1, '2026-01-01' FROM seq_1_to_{MANY};"
                "INSERT INTO user (uuid, username, password, account_id, firstname, lastname, email, created)"
                " SELECT UUID(), account_name, SHA2(UUID(), 256), id, SHA2(UUID(), 256), SHA2(UUID(), 256),"
                " 'many@example.net', '2026-01-01' FROM account WHERE account_name LIKE 'many-%';"
                "COMMIT"
            )
            captured = "SELECT COUNT(*) FROM dirty"
            until("it is versioned", lambda: west.sql(captured, schema="region_sync") == ["0"], within_s=240)
            here.link(wan.second, megabits=1)
            until("all of it is there", lambda: east.sql(count) == [str(MANY)], within_s=240)
            assert waited_for_the_wan(here) > 0, "it was not thin"
        finally:
            here.link(wan.second)
    wan.fleet.until_told(PEERING, "Partitioned", "False", "Connected", kind="regionpeering")
    wan.cross("barbara")


def waited_for_the_wan(cluster):
    """How often something had to wait until it could be sent."""
    told = cluster.in_node("tc", "-statistics", "qdisc", "show")
    return sum(map(int, re.findall(r"qdisc tbf [^\n]*\n[^\n]*overlimits (\d+)", told)))


def with_user(good, **user):
    return {**good, "users": [{"name": "operator", "user": user}]}


REFUSED = {
    "no kubeconfig at all": (lambda good: "no kubeconfig at all", "kubeconfig"),
    "a program to run": (lambda good: with_user(good, exec={"command": "/bin/true"}), "exec"),
    "a file to read": (lambda good: with_user(good, tokenFile="/etc/passwd"), "tokenFile"),
}


@pytest.mark.rule("OPERATOR 4")
def test_a_kubeconfig_that_is_refused_is_told_by_the_key_and_mended_by_another(wan):
    for number, (name, (change, key)) in enumerate(REFUSED.items()):
        wan.use(change(wan.good), token=f"refused-{number}")
        wan.fleet.until_handled(THERE, f"refused-{number}")
        assert wan.fleet.told(THERE, "Stalled") == ("True", "KubeconfigRefused"), name
        assert key in wan.fleet.message(THERE, "PlacementReachable")
    assert wan.fleet.told(HERE) == ("True", "Ready")
    wan.cross("grace")
    wan.heal()


def test_a_kubeconfig_that_leads_to_another_cluster_is_not_followed(wan):
    before = wan.left()
    wan.fleet.cluster.kubectl("create", "namespace", wan.namespace)
    try:
        wan.use(wan.fleet.cluster.peer_kubeconfig.read_text(), token="another-cluster")
        wan.fleet.until_told(THERE, "PlacementReachable", "False", "ClusterChanged")
        assert wan.left() == before
    finally:
        wan.fleet.cluster.kubectl("delete", "namespace", wan.namespace, "--wait=false")
    wan.heal()


def test_a_revoked_token_is_told_and_a_new_one_is_enough(wan):
    wan.second.kubectl("delete", "secret", "region-operator-token", "-n", wan.namespace)
    try:
        tokens = itertools.count()
        until("the token is refused", lambda: token_is_refused(wan, f"revoked-{next(tokens)}"))
        assert wan.fleet.told(HERE) == ("True", "Ready")
        wan.cross("edsger")
    finally:
        wan.good = wan.granted()
        wan.heal()


def token_is_refused(wan, token):
    """As a new pass finds it: API servers believe a token for some seconds after its end."""
    wan.fleet.request_reconcile(THERE, token=token)
    wan.fleet.until_handled(THERE, token)
    return wan.fleet.told(THERE, "PlacementReachable") == ("Unknown", "AuthFailed")


def test_a_cluster_whose_api_is_silent_is_unknown_and_data_flows_on(wan, links):
    links.cut(OPERATOR, wan.second.node_address)
    wan.fleet.request_reconcile(THERE, token="silence")
    wan.fleet.until_told(THERE, "PlacementReachable", "Unknown")
    assert wan.fleet.told(THERE)[0] == "Unknown"

    wan.fleet.patch("region", HERE, {"spec": {"managementServer": {"managed": {"replicas": 2}}}})
    wan.fleet.until_ready(HERE)
    wan.cross("alan")

    links.heal()
    wan.fleet.until_ready(THERE)


def test_regions_in_two_clusters_are_deleted_from_both(wan):
    wan.fleet("delete", "regionpeering", PEERING, "--timeout=240s")
    wan.fleet.delete_regions(HERE, THERE)
    until("nothing is left in either cluster", lambda: wan.left() == [])
