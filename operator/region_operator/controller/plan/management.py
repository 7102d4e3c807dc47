"""Managed management servers: stateless replicas over the region's database, and their Service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True)
class ManagementInputs:
    """What the Deployment depends on; ``restart_on`` as of the database."""

    workload: Workload
    replicas: int
    database: DatabaseAccess
    tls: bool = False
    restart_on: Mapping[str, str] = field(default_factory=dict)


def management_port(*, tls: bool) -> int:
    return naming.MANAGEMENT_TLS_PORT if tls else naming.MANAGEMENT_PORT


def service(site: Site, *, expose: Expose, tls: bool) -> Manifest:
    port = ("https" if tls else "http", management_port(tls=tls))
    return exposed_service(site, naming.management(site.region), "management", port=port, expose=expose)


def deployment(site: Site, inputs: ManagementInputs) -> Manifest:
    volumes = [*database_volumes(site, inputs.database, user="manager"), pods.empty_directory("tmp", size="256Mi")]
    if inputs.tls:
        volumes.append(pods.secret_volume("tls", naming.management_tls(site.region)))
    template = {
        "metadata": {
            "labels": pod_labels(site, "management"),
            "annotations": {f"{naming.GROUP}/{key}": value for key, value in sorted(inputs.restart_on.items())},
        },
        "spec": pods.pod(
            [_server(site, inputs)],
            volumes,
            scheduling=inputs.workload.scheduling,
            spread_over=selector(site, "management"),
        ),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(site, naming.management(site.region), "management"),
        "spec": {
            "replicas": inputs.replicas,
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": selector(site, "management")},
            "template": template,
        },
    }


def _server(site: Site, inputs: ManagementInputs) -> dict[str, Any]:
    port = management_port(tls=inputs.tls)
    environment = {
        **database_environment(inputs.database),
        "MANAGER_REGION_ID": str(site.region_id),
        "MANAGER_LISTEN_PORT": str(port),
        "MANAGER_HEALTH_PORT": str(naming.HEALTH_PORT),
    }
    mounts = [*database_mounts(inputs.database), pods.mount("tmp", "/tmp", read_only=False)]  # noqa: S108
    if inputs.tls:
        environment["MANAGER_TLS_DIRECTORY"] = f"{CONFIGURATION}/tls"
        mounts.append(pods.mount("tls", f"{CONFIGURATION}/tls"))
    server = pods.container("manager", inputs.workload, arguments=["manager"], environment=environment)
    name = "https" if inputs.tls else "http"
    server["ports"] = [{"name": name, "containerPort": port, "protocol": "TCP"}, pods.health_port()]
    server["volumeMounts"] = mounts
    return {**server, **pods.health_probes()}
