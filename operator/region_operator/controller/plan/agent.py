"""A managed agent: one Pod, never two at a time (one write lane per region), and its Service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from region_operator import naming
from region_operator.api.common import Expose
from region_operator.controller.plan import pods
from region_operator.controller.plan.access import (
    DatabaseAccess,
    database_environment,
    database_mounts,
    database_volumes,
)
from region_operator.controller.plan.labels import Site, metadata, pod_labels, selector
from region_operator.controller.plan.pods import CONFIGURATION, Workload
from region_operator.controller.plan.services import exposed_service
from region_operator.controller.plan.steps import Manifest

_API_KEYS: Final = {"apiKey": "apiKey", "secretKey": "secretKey"}


@dataclass(frozen=True)
class AgentInputs:
    """What the Deployment depends on.

    Attributes:
        management_url: of the API of the region's management server, as the agent reaches it.
        management_ca: Secret whose ca.crt that server is verified with, "" for the system's authorities.
        restart_on: digests of what the agent reads only when it starts, by name.
    """

    workload: Workload
    database: DatabaseAccess
    management_url: str
    management_ca: str = ""
    restart_on: Mapping[str, str] = field(default_factory=dict)


def service(site: Site, *, expose: Expose) -> Manifest:
    return exposed_service(site, naming.agent(site.region), "agent", port=("agent", naming.AGENT_PORT), expose=expose)


def deployment(site: Site, inputs: AgentInputs) -> Manifest:
    template = {
        "metadata": {
            "labels": pod_labels(site, "agent"),
            "annotations": {f"{naming.GROUP}/{key}": value for key, value in sorted(inputs.restart_on.items())},
        },
        "spec": pods.pod(
            [_program(site, inputs)],
            _volumes(site, inputs),
            scheduling=inputs.workload.scheduling,
            spread_over=selector(site, "agent"),
        ),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(site, naming.agent(site.region), "agent"),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector(site, "agent")},
            "template": template,
        },
    }


def _program(site: Site, inputs: AgentInputs) -> dict[str, Any]:
    environment = {
        **database_environment(inputs.database),
        "AGENT_REGION_ID": str(site.region_id),
        "AGENT_REGION_NAME": site.region,
        "AGENT_LISTEN_PORT": str(naming.AGENT_PORT),
        "AGENT_HEALTH_PORT": str(naming.HEALTH_PORT),
        "AGENT_TLS_DIRECTORY": f"{CONFIGURATION}/tls",
        "AGENT_MANAGEMENT_URL": inputs.management_url,
        "AGENT_MANAGEMENT_CREDENTIALS_DIRECTORY": f"{CONFIGURATION}/management",
    }
    mounts = [
        *database_mounts(inputs.database),
        pods.mount("tls", f"{CONFIGURATION}/tls"),
        pods.mount("management", f"{CONFIGURATION}/management"),
        pods.mount("tmp", "/tmp", read_only=False),  # noqa: S108 - an emptyDir
    ]
    if inputs.management_ca:
        environment["AGENT_MANAGEMENT_CA_FILE"] = f"{CONFIGURATION}/management-ca/ca.crt"
        mounts.append(pods.mount("management-ca", f"{CONFIGURATION}/management-ca"))
    program = pods.container("agent", inputs.workload, arguments=["agent"], environment=environment)
    program["ports"] = [{"name": "agent", "containerPort": naming.AGENT_PORT, "protocol": "TCP"}, pods.health_port()]
    program["volumeMounts"] = mounts
    return {**program, **pods.health_probes()}


def _volumes(site: Site, inputs: AgentInputs) -> list[dict[str, Any]]:
    volumes = [
        *database_volumes(site, inputs.database, user="agent"),
        pods.secret_volume("tls", naming.agent_tls(site.region)),
        pods.secret_volume("management", naming.management_api(site.region), _API_KEYS),
        pods.empty_directory("tmp", size="1Gi"),
    ]
    if inputs.management_ca:
        volumes.append(pods.secret_volume("management-ca", inputs.management_ca, {"ca.crt": "ca.crt"}))
    return volumes
