from pathlib import Path

import pytest
import yaml

from region_operator.controller.handlers.operator import WATCHED_CHILDREN
from region_operator.settings import OperatorSettings

CHARTS = Path(__file__).parents[3] / "charts"
REMOTE = {"remoteAccess": {"enabled": True, "namespaces": ["eu-west"]}}
NAMESPACED = {"watchNamespaces": ["clouds"], "placement": {"namespaces": ["clouds", "eu-west"]}}


def of_kind(objects, kind):
    return [body for body in objects if body["kind"] == kind]


def role(objects, suffix):
    return next(body for body in of_kind(objects, "ClusterRole") if body["metadata"]["name"].endswith(f"-{suffix}"))


def bound(objects, kind, suffix):
    """Namespaces in which the role is bound; None for the whole cluster."""
    return [
        body["metadata"].get("namespace") for body in of_kind(objects, kind) if body["roleRef"]["name"].endswith(suffix)
    ]


@pytest.fixture(scope="module")
def objects(render):
    return render("region-operator")


@pytest.fixture(scope="module")
def pod(objects):
    return of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]


@pytest.mark.parametrize("chart", ["region-operator", "region"])
def test_a_chart_is_linted_strictly(helm, chart):
    helm("lint", "--strict", CHARTS / chart)


def test_the_environment_is_that_of_the_settings(pod, monkeypatch):
    given = {entry["name"]: entry.get("value", "from-the-pod") for entry in pod["containers"][0]["env"]}
    told = set(OperatorSettings.model_fields) - {"health_port"}
    assert {name.removeprefix("OPERATOR_").lower() for name in given} == told
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert OperatorSettings().watch_namespaces == ""


def test_the_pod_is_restricted(pod):
    container = pod["containers"][0]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_ask_the_health_port(pod):
    container = pod["containers"][0]
    assert container["ports"] == [
        {"name": "health", "containerPort": OperatorSettings.model_fields["health_port"].default}
    ]
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in probes.values()} == {"health"}
    assert probes["readinessProbe"]["path"] == "/readyz"


def test_a_digest_wins_over_a_tag_and_is_what_agents_get(render):
    digest = "sha256:" + "0" * 64
    objects = render("region-operator", {"image": {"repository": "r/o", "tag": "t", "digest": digest}})
    container = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert container["image"] == environment["OPERATOR_IMAGE"] == f"r/o@{digest}"


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_a_disruption_budget_needs_a_standby(render, replicas, budgets):
    assert len(of_kind(render("region-operator", {"replicas": replicas}), "PodDisruptionBudget")) == budgets


@pytest.mark.rule("OPERATOR 25")
@pytest.mark.parametrize("values", [{}, NAMESPACED, REMOTE], ids=["cluster", "namespaced", "remote"])
def test_no_right_is_a_wildcard_and_secrets_are_never_listed(render, values):
    objects = render("region-operator", values)
    for body in [*of_kind(objects, "ClusterRole"), *of_kind(objects, "Role")]:
        for rule in body["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert not ({"escalate", "bind", "impersonate"} & set(rule["verbs"]))
            if "secrets" in rule["resources"]:
                assert rule["verbs"] == ["get", "create", "patch", "delete"]


@pytest.mark.rule("OPERATOR 25")
@pytest.mark.parametrize(
    ("values", "placements", "everywhere"),
    [
        ({}, ["operators"], True),
        ({"placement": {"namespaces": ["a", "b"]}}, ["a", "b"], True),
        (NAMESPACED, ["clouds", "eu-west"], False),
        ({"watchNamespaces": ["clouds"]}, ["clouds"], False),
    ],
)
def test_rights_on_children_are_bound_per_namespace_and_only_our_kinds_are_watched_everywhere(
    render, values, placements, everywhere
):
    objects = render("region-operator", values)
    assert bound(objects, "RoleBinding", "-children") == placements
    assert bound(objects, "ClusterRoleBinding", "-children") == []
    assert bound(objects, "ClusterRoleBinding", "-kinds") == ([None] if everywhere else [])
    assert bound(objects, "RoleBinding", "-kinds") == ([] if everywhere else ["clouds"])


@pytest.mark.rule("OPERATOR 25")
def test_what_is_cluster_wide_reads_two_things_by_name(objects):
    rules = role(objects, "cluster")["rules"]
    assert {resource for rule in rules for resource in rule["resources"]} == {
        "namespaces",
        "storageclasses",
        "customresourcedefinitions",
    }
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert [rule["resourceNames"] for rule in rules if "namespaces" in rule["resources"]] == [["kube-system"]]


def test_spec_of_our_kinds_is_not_the_operators_to_create_or_delete(objects):
    for rule in role(objects, "kinds")["rules"]:
        if rule["apiGroups"] == ["region-operator.io"]:
            assert not {"create", "delete", "deletecollection", "update"} & set(rule["verbs"])


@pytest.mark.rule("OPERATOR 25")
def test_another_cluster_gets_the_same_rights_on_children_and_nothing_else(render, objects):
    remote = render("region-operator", REMOTE)
    assert role(remote, "children")["rules"] == role(objects, "children")["rules"]
    assert bound(remote, "RoleBinding", "-children") == ["eu-west"]
    assert {body["kind"] for body in remote} == {
        "ServiceAccount",
        "Secret",
        "ClusterRole",
        "ClusterRoleBinding",
        "RoleBinding",
    }


@pytest.mark.rule("OPERATOR 25")
def test_what_may_be_watched_is_what_is_watched(objects):
    rules = [rule for rule in role(objects, "children")["rules"] if "watch" in rule["verbs"]]
    assert {name for rule in rules for name in rule["resources"]} == {kind.plural for kind in WATCHED_CHILDREN}


def test_users_roles_cover_our_kinds(objects):
    labels = {name: role(objects, name)["metadata"]["labels"] for name in ("view", "edit")}
    aggregate = "rbac.authorization.k8s.io/aggregate-to-view"
    assert [name for name, given in labels.items() if given.get(aggregate) == "true"] == ["view"]
    assert set(role(objects, "view")["rules"][0]["verbs"]) == {"get", "list", "watch"}


@pytest.mark.rule("OPERATOR 25")
@pytest.mark.parametrize(
    ("values", "kept"),
    [({}, ["keep"] * 3), ({"crds": {"keep": False}}, [None] * 3), ({"crds": {"install": False}}, [])],
)
def test_definitions_are_installed_and_kept_as_the_values_say(render, values, kept):
    definitions = of_kind(render("region-operator", values), "CustomResourceDefinition")
    assert [body["metadata"]["annotations"].get("helm.sh/resource-policy") for body in definitions] == kept


def test_definitions_in_the_chart_are_the_committed_ones(objects):
    for body in of_kind(objects, "CustomResourceDefinition"):
        body["metadata"]["annotations"].pop("helm.sh/resource-policy")
        file = CHARTS.parent / "crds" / f"{body['spec']['names']['plural']}.yaml"
        assert body == yaml.load(file.read_text(), yaml.CSafeLoader)


@pytest.mark.rule("OPERATOR 9")
@pytest.mark.parametrize(("enabled", "count"), [(True, 1), (False, 0)])
def test_deletion_protection_can_be_left_out(render, enabled, count):
    objects = render("region-operator", {"deletionProtection": {"enabled": enabled}})
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert len(of_kind(objects, kind)) == count


def test_every_namespaced_object_names_its_namespace(objects):
    cluster_scoped = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
    namespaced = [
        body
        for body in objects
        if body["kind"] not in cluster_scoped and not body["kind"].startswith("ValidatingAdmissionPolicy")
    ]
    assert {body["metadata"].get("namespace") for body in namespaced} == {"operators"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replica": 2}, "replica"),
        ({"replicas": 0}, "replicas"),
        ({"image": {"tags": "x"}}, "tags"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"placement": {"namespaces": ["Not A Name"]}}, "namespaces"),
        ({"settings": {"logLevel": "LOUD"}}, "logLevel"),
        ({"settings": {"pollSeconds": 0}}, "pollSeconds"),
        ({"networkPolicy": {"egressPorts": [{"port": 70000}]}}, "egressPorts"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name is required"),
    ],
)
def test_bad_values_are_refused_by_name(render, values, says):
    with pytest.raises(Exception, match=says) as refused:
        render("region-operator", values)
    assert type(refused.value).__name__ == "Refused"
