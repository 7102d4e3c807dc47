"""NetworkPolicies: who may reach which component of a region. Ingress only; nothing of ours is kept from going out."""

from collections.abc import Sequence
from typing import Any

from region_operator import naming
from region_operator.controller.plan.labels import Component, Site, metadata, selector
from region_operator.controller.plan.management import management_port
from region_operator.controller.plan.steps import Manifest


def network_policies(
    site: Site, *, database: bool, management: bool, agent: bool, management_tls: bool = False
) -> list[Manifest]:
    """One policy per component that we run.

    The database is for the region's own programs only. The agent's port is open: peers are anywhere and the agent asks
    each for its certificate. Health and metrics are for the cluster, not for the world.
    """
    programs: list[Component] = ["management", "agent", "prepare"]
    peers = [{"podSelector": {"matchLabels": selector(site, program)}} for program in programs]
    policies = [_policy(site, naming.prepare(site.region), "prepare", [])]
    if database:
        policies.append(_policy(site, naming.database(site.region), "database", [_rule(naming.DATABASE_PORT, peers)]))
    if management:
        rules = [_rule(management_port(tls=management_tls)), _health()]
        policies.append(_policy(site, naming.management(site.region), "management", rules))
    if agent:
        policies.append(_policy(site, naming.agent(site.region), "agent", [_rule(naming.AGENT_PORT), _health()]))
    return policies


def _policy(site: Site, name: str, component: Component, ingress: Sequence[dict[str, Any]]) -> Manifest:
    spec: dict[str, Any] = {"podSelector": {"matchLabels": selector(site, component)}, "policyTypes": ["Ingress"]}
    if ingress:  # an empty list is dropped by the API server, and every later apply would be a change
        spec["ingress"] = list(ingress)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(site, name, component),
        "spec": spec,
    }


def _rule(port: int, peers: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Without peers the port is open to everyone."""
    rule: dict[str, Any] = {"ports": [{"protocol": "TCP", "port": port}]}
    return {**rule, "from": [dict(peer) for peer in peers]} if peers else rule


def _health() -> dict[str, Any]:
    return _rule(naming.HEALTH_PORT, [{"namespaceSelector": {}}])
