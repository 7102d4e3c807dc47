"""Which address leads to a region's Services: for those inside its cluster, and for the rest of the world."""

from region_operator import naming
from region_operator.api.common import Expose
from region_operator.controller.facts import ServiceFacts


def service_host(name: str, namespace: str) -> str:
    """The name of a Service inside its cluster, whatever the cluster's domain is."""
    return f"{name}.{namespace}.svc"


def url_host(host: str) -> str:
    """``host`` as it stands in a URL: an IPv6 address goes in brackets."""
    return f"[{host}]" if ":" in host else host


def service_port(expose: Expose, port: int) -> int:
    """The Service's own port; only a load balancer listens on the port that others dial."""
    return (expose.port or port) if expose.type == "LoadBalancer" else port


def exposed_address(expose: Expose, service: ServiceFacts | None, *, inside: str, port: int) -> tuple[str, int] | None:
    """Host and port that others dial, None while a provider has not given them yet.

    ``inside`` is the Service's own name and ``port`` its own port.
    """
    match expose.type:
        case "ClusterIP":
            return (expose.host or inside, expose.port or port)
        case "Hostname":
            return (expose.host, expose.port or port) if expose.host else None
        case "NodePort":
            given = expose.port or expose.node_port or (next(iter(service.node_ports.values()), 0) if service else 0)
            return (expose.host, given) if expose.host and given else None
        case "LoadBalancer":
            host = expose.host or (next(iter(service.load_balancer), "") if service else "")
            return (host, expose.port or port) if host else None


def agent_url(expose: Expose, service: ServiceFacts | None, *, inside: str) -> str:
    """``https://host:port`` of a region's agent, "" while it is not known."""
    address = exposed_address(expose, service, inside=inside, port=naming.AGENT_PORT)
    return f"https://{url_host(address[0])}:{address[1]}" if address else ""


def management_url(expose: Expose, service: ServiceFacts | None, *, inside: str, tls: bool) -> str:
    """What addRegion tells other regions and browsers by default, "" while it is not known."""
    port = naming.MANAGEMENT_TLS_PORT if tls else naming.MANAGEMENT_PORT
    address = exposed_address(expose, service, inside=inside, port=port)
    scheme = "https" if tls else "http"
    return f"{scheme}://{url_host(address[0])}:{address[1]}/client/" if address else ""
