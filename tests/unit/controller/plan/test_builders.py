"""What holds for every manifest of every Region: names and labels fit, Pods are restricted, nothing is shared."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from region_operator.api.common import Expose
from region_operator.controller.facts import Meta, ObjectRef, ServiceFacts
from region_operator.controller.plan.endpoints import agent_url, management_url
from region_operator.controller.plan.labels import copyable
from region_operator.controller.plan.network import network_policies
from region_operator.controller.plan.quantity import quantity
from region_operator.controller.plan.services import exposed_service
from region_operator.controller.plan.steps import Apply, CreateOnly
from region_operator.errors import InvalidInput
from region_operator.settings import AgentSettings, DatabaseSettings, ManagerSettings, PrepareSettings
from unit.controller.plan.regions import SPECS, region
from unit.controller.plan.test_claim import SITE
from unit.controller.plan.world import World

LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def settled(name: str, **more: Any) -> World:
    world = World(region(name, **more))
    world.settle()
    return world


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    return [item for name in SPECS for item in settled(name).manifests()]


def pod_specs(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in manifests:
        if "template" in item.get("spec", {}):
            yield item["spec"]["template"]["spec"]


def test_every_pod_is_restricted_and_has_no_token(manifests):
    for pod in pod_specs(manifests):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_every_mount_has_its_volume_and_every_volume_is_mounted(manifests):
    for item in manifests:
        if "template" not in item.get("spec", {}):
            continue
        pod = item["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", [])}
        containers = (*pod["containers"], *pod.get("initContainers", []))
        assert volumes == {mount["name"] for container in containers for mount in container["volumeMounts"]}


def test_no_value_of_a_secret_is_in_an_environment(manifests):
    for pod in pod_specs(manifests):
        for container in pod["containers"]:
            for variable in container.get("env", []):
                assert set(variable) == {"name", "value"}
                assert "random-" not in variable["value"]


def test_every_secret_that_a_pod_mounts_is_made_with_the_keys_it_asks_for(manifests):
    data = {item["metadata"]["name"]: set(item["data"]) for item in manifests if item["kind"] == "Secret"}
    for pod in pod_specs(manifests):
        for source in (volume["secret"] for volume in pod["volumes"] if "secret" in volume):
            assert {entry["key"] for entry in source.get("items", [])} <= data[source["secretName"]]


def test_no_list_is_empty_since_the_api_server_drops_it_and_each_apply_would_change_it(manifests):
    def empty_lists(part: Any) -> Iterator[Any]:
        for child in part.values() if isinstance(part, dict) else part:
            if isinstance(child, dict | list):
                yield from empty_lists(child)
            if child == []:
                yield part

    assert [item["metadata"]["name"] for item in manifests for _ in empty_lists(item)] == []


def test_selectors_meet_the_pods_they_are_for(manifests):
    for item in manifests:
        selector = item.get("spec", {}).get("selector", {})
        if "matchLabels" in selector and "template" in item["spec"]:
            assert selector["matchLabels"].items() <= item["spec"]["template"]["metadata"]["labels"].items()


def test_only_the_regions_own_programs_reach_its_database():
    site = settled("minimal").manifests()
    (policy,) = (
        item for item in site if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == "minimal-database"
    )
    (rule,) = policy["spec"]["ingress"]
    allowed = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]}
    assert allowed == {"management", "agent", "prepare"}
    assert rule["ports"] == [{"protocol": "TCP", "port": 3306}]


@pytest.mark.parametrize(
    ("name", "namespace", "number"),
    [("a" * 40, "n" * 63, 2**31 - 1), ("a", "1", 1), ("a-" * 19 + "bc", "0-" * 31 + "0", 9)],
)
def test_names_and_labels_fit_their_limits(name, namespace, number):
    world = World(region(name, spec={**SPECS["full"], "id": number}, namespace=namespace))
    for _ in range(12):
        for act in world.plan().acts:
            if isinstance(act, Apply | CreateOnly):
                check_limits(act.manifest)
        world.step()
        world.start()
    assert [item for item in world.manifests() if item["kind"] == "Deployment"]


def check_limits(manifest: dict[str, Any]) -> None:
    meta = manifest["metadata"]
    assert DNS_LABEL.fullmatch(meta["name"]), meta["name"]
    for value in meta.get("labels", {}).values():
        assert LABEL_VALUE.fullmatch(value), value


@pytest.mark.parametrize("name", SPECS)
def test_builders_share_no_mutable_part(name):
    world = World(region(name))
    for _ in range(12):
        acts = [act for act in world.plan().acts if isinstance(act, Apply | CreateOnly)]
        before = [repr(act.manifest) for act in acts]
        for act, text in zip(acts, before, strict=True):
            assert repr(act.manifest) == text, "changed through another manifest"
            deface(act.manifest)
        again = [act for act in world.plan().acts if isinstance(act, Apply | CreateOnly)]
        assert [repr(act.manifest) for act in again if act.ref.kind != "Secret"] == [
            text for text in before if "'kind': 'Secret'" not in text
        ]
        world.step()
        world.start()


def deface(part: Any) -> None:
    """Change every container in ``part`` in place."""
    children = list(part.values()) if isinstance(part, dict) else list(part)
    for child in children:
        if isinstance(child, dict | list):
            deface(child)
    if isinstance(part, dict):
        part["defaced"] = True
    else:
        part.append("defaced")


@pytest.mark.parametrize(
    "key",
    [
        "app.kubernetes.io/instance", "argocd.argoproj.io/instance", "kustomize.toolkit.fluxcd.io/name", "app",
        "helm.sh/chart", "meta.helm.sh/release-name", "velero.io/restore-name", "region-operator.io/hub", "k8s.io/x",
        "release",
    ],
)  # fmt: skip
def test_labels_by_which_other_tools_find_their_objects_are_not_copied(key):
    assert copyable({key: "x", "team": "identity", "example.org/cost": "1"}) == {
        "team": "identity",
        "example.org/cost": "1",
    }


def test_a_regions_labels_reach_children_but_no_pod_and_no_selector():
    for item in settled("minimal", labels={"team": "identity"}).manifests():
        assert "identity" not in repr(item.get("spec", {}))


SERVICE = Meta(ObjectRef("Service", "clouds", "x"), "u")


@pytest.mark.parametrize(
    ("expose", "service", "url"),
    [
        (Expose(), None, "https://in.clouds.svc:8443"),
        (Expose(type="Hostname", host="a.example", port=9443), None, "https://a.example:9443"),
        (Expose(type="Hostname", host="2001:db8::1"), None, "https://[2001:db8::1]:8443"),
        (Expose(type="NodePort", host="192.0.2.1", node_port=31443), None, "https://192.0.2.1:31443"),
        (Expose(type="NodePort", host="192.0.2.1"), None, ""),
        (Expose(type="NodePort", host="h"), ServiceFacts(SERVICE, node_ports={"agent": 30001}), "https://h:30001"),
        (Expose(type="LoadBalancer"), ServiceFacts(SERVICE), ""),
        (
            Expose(type="LoadBalancer"),
            ServiceFacts(SERVICE, load_balancer=("203.0.113.9",)),
            "https://203.0.113.9:8443",
        ),
        (Expose(type="LoadBalancer", host="lb.example", port=443), None, "https://lb.example:443"),
    ],
)
def test_an_agent_is_reached_as_it_is_exposed(expose, service, url):
    assert agent_url(expose, service, inside="in.clouds.svc") == url


def test_a_management_servers_address_follows_its_tls():
    assert management_url(Expose(), None, inside="m.clouds.svc", tls=False) == "http://m.clouds.svc:8080/client/"
    assert management_url(Expose(), None, inside="m.clouds.svc", tls=True) == "https://m.clouds.svc:8443/client/"


def test_a_load_balancer_listens_where_others_dial():
    expose = Expose(type="LoadBalancer", port=443, load_balancer_class="internal", annotations={"lb.example/kind": "x"})
    service = exposed_service(SITE, "eu-agent", "agent", port=("agent", 8443), expose=expose)
    assert service["metadata"]["annotations"] == {"lb.example/kind": "x"}
    assert service["spec"]["loadBalancerClass"] == "internal"
    assert service["spec"]["ports"] == [{"name": "agent", "port": 443, "targetPort": "agent", "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("text", "number"), [("1Ki", 1024), ("1k", 1000), ("500m", 0.5), ("1.5Gi", 1.5 * 2**30), ("7", 7)]
)
def test_quantities_are_numbers(text, number):
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "-1", "1 Gi", "1GiB", "1e3", "٣", "1\n"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(InvalidInput):
        quantity(text)


def test_no_policies_for_what_is_not_run_here():
    names = [p["metadata"]["name"] for p in network_policies(SITE, database=False, management=False, agent=False)]
    assert names == ["eu-prepare"]


PROGRAMS = {"agent": AgentSettings, "manager": ManagerSettings, "prepare": PrepareSettings}


def test_every_variable_is_one_that_the_program_reads_and_every_file_is_in_a_mount(manifests, monkeypatch):
    for container in (item for pod in pod_specs(manifests) for item in pod["containers"] if item["name"] in PROGRAMS):
        environment = {variable["name"]: variable["value"] for variable in container["env"]}
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            read = [DatabaseSettings(), PROGRAMS[container["name"]]()]
        known = {
            f"{part.model_config['env_prefix']}{name.upper()}" for part in read for name in type(part).model_fields
        }
        assert set(environment) <= known
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        for value in (value for part in read for value in part.model_dump().values() if isinstance(value, Path)):
            assert any(value.is_relative_to(mount) for mount in mounts), value
