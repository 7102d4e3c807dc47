"""Services: how a component is reached, inside the cluster and outside of it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from region_operator.api.common import Expose
from region_operator.controller.plan.endpoints import service_port
from region_operator.controller.plan.labels import Component, Site, metadata, selector
from region_operator.controller.plan.steps import Manifest


def cluster_service(site: Site, name: str, component: Component, ports: Mapping[str, int]) -> Manifest:
    """A Service that is reached inside the cluster only; port names are those of the containers."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(site, name, component),
        "spec": {"type": "ClusterIP", "selector": selector(site, component), "ports": _ports(ports)},
    }


def headless_service(site: Site, name: str, component: Component, ports: Mapping[str, int]) -> Manifest:
    """Gives each Pod a name of its own, also before it is ready."""
    manifest = cluster_service(site, name, component, ports)
    manifest["spec"].update({"clusterIP": "None", "publishNotReadyAddresses": True})
    return manifest


def exposed_service(site: Site, name: str, component: Component, *, port: tuple[str, int], expose: Expose) -> Manifest:
    """A Service as ``expose`` wants it; with Hostname somebody else leads the name to it."""
    manifest = cluster_service(site, name, component, dict([port]))
    spec: dict[str, Any] = manifest["spec"]
    if expose.annotations:
        manifest["metadata"]["annotations"] = deepcopy(expose.annotations)
    if expose.type in ("NodePort", "LoadBalancer"):
        spec["type"] = expose.type
    if expose.type == "NodePort" and expose.node_port:
        spec["ports"][0]["nodePort"] = expose.node_port
    if expose.type == "LoadBalancer":
        spec["ports"][0]["port"] = service_port(expose, port[1])
        if expose.load_balancer_class:
            spec["loadBalancerClass"] = expose.load_balancer_class
    return manifest


def _ports(ports: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in ports.items()]
