"""A managed database: MariaDB run by the server's own programs, so that any MariaDB image works.

The image's entrypoint script is never used. An init container installs the system tables into a directory of another
name and renames it, so that a start that is cut off leaves no half of a database behind. What the server needs to know
of us (the admin's account) it reads from a Secret at every start by ``init_file``.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from region_operator import naming
from region_operator.controller.facts import VolumeClaimFacts, WorkloadFacts
from region_operator.controller.plan import pods
from region_operator.controller.plan.labels import Site, metadata, pod_labels, selector
from region_operator.controller.plan.mycnf import DATA_DIRECTORY, SOCKET, TLS_DIRECTORY
from region_operator.controller.plan.pods import Workload
from region_operator.controller.plan.quantity import quantity
from region_operator.controller.plan.services import cluster_service, headless_service
from region_operator.controller.plan.steps import (
    Apply,
    Manifest,
    OrphanDelete,
    PatchVolumeClaim,
    Step,
    Wait,
)

USER_ID: Final = 999  # mysql in the official image; any id that is not 0 works
PROBE_USER: Final = "probe"  # may do nothing; exists on the socket only
_VOLUME_ROOT: Final = "/var/lib/mysql"
_INIT_DIRECTORY: Final = "/etc/region-operator/init"
_CONFIGURATION: Final = "/etc/region-operator/mysql/my.cnf"
_FRESH: Final = f"{_VOLUME_ROOT}/data.installing"

# Fixed text: nothing of a spec ever reaches a shell.
_INSTALL: Final = (
    f"set -e; [ ! -d {DATA_DIRECTORY} ] || exit 0; rm -rf {_FRESH}; "
    f"mariadb-install-db --no-defaults --datadir={_FRESH} --auth-root-authentication-method=socket "
    f"--skip-test-db --skip-name-resolve; mv {_FRESH} {DATA_DIRECTORY}"
)


@dataclass(frozen=True)
class DatabaseInputs:
    """What the StatefulSet depends on.

    ``restart_on`` are digests of what the server reads only when it starts, by name: a change rolls the Pod.
    """

    workload: Workload
    storage_size: str
    storage_class: str | None
    configuration: str  # text of my.cnf
    restart_on: Mapping[str, str] = field(default_factory=dict)
    block_disruption: bool = False


def database_manifests(site: Site, inputs: DatabaseInputs) -> list[Manifest]:
    """Everything of the database but its Secrets, in the order in which it is applied."""
    ports = {"mysql": naming.DATABASE_PORT}
    manifests = [
        configuration(site, inputs.configuration),
        cluster_service(site, naming.database(site.region), "database", ports),
        headless_service(site, naming.database_headless(site.region), "database", ports),
        stateful_set(site, inputs),
    ]
    if inputs.block_disruption:
        manifests.append(disruption_budget(site))
    return manifests


def configuration(site: Site, text: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(site, naming.database(site.region), "database"),
        "data": {"my.cnf": text},
    }


def disruption_budget(site: Site) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(site, naming.database(site.region), "database"),
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": selector(site, "database")}},
    }


def stateful_set(site: Site, inputs: DatabaseInputs) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(site, naming.database(site.region), "database"),
        "spec": {
            "replicas": 1,
            "serviceName": naming.database_headless(site.region),
            "podManagementPolicy": "OrderedReady",
            "revisionHistoryLimit": 3,
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": selector(site, "database")},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "volumeClaimTemplates": [_volume_claim(site, inputs)],
            "template": {
                "metadata": {
                    "labels": pod_labels(site, "database"),
                    "annotations": {
                        f"{naming.GROUP}/{name}": value for name, value in sorted(inputs.restart_on.items())
                    },
                },
                "spec": _pod(site, inputs.workload),
            },
        },
    }


def _volume_claim(site: Site, inputs: DatabaseInputs) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": inputs.storage_size}},
    }
    if inputs.storage_class:
        spec["storageClassName"] = inputs.storage_class
    return {"metadata": {"name": "data", "labels": pod_labels(site, "database")}, "spec": spec}


def _pod(site: Site, workload: Workload) -> dict[str, Any]:
    secret = naming.database(site.region)
    spec = pods.pod(
        [_server(workload)],
        [
            {"name": "configuration", "configMap": {"name": secret, "defaultMode": 0o444}},
            pods.secret_volume("init", secret, {"init.sql": "init.sql"}),
            pods.secret_volume("tls", naming.database_tls(site.region)),
            pods.empty_directory("run", size="16Mi"),
            pods.empty_directory("tmp", size="2Gi"),
        ],
        scheduling=workload.scheduling,
        spread_over=selector(site, "database"),
        user_id=USER_ID,
        grace_s=300,
    )
    spec["initContainers"] = [_installer(workload)]
    return spec


def _installer(workload: Workload) -> dict[str, Any]:
    return {
        "name": "install",
        "image": workload.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _INSTALL],
        "resources": deepcopy(dict(workload.resources)),
        "securityContext": pods.container_security(),
        "volumeMounts": [pods.mount("data", _VOLUME_ROOT, read_only=False), pods.mount("tmp", "/tmp", read_only=False)],  # noqa: S108
    }


def _server(workload: Workload) -> dict[str, Any]:
    return {
        "name": "mariadb",
        "image": workload.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["mariadbd", f"--defaults-file={_CONFIGURATION}", f"--init-file={_INIT_DIRECTORY}/init.sql"],
        "ports": [{"name": "mysql", "containerPort": naming.DATABASE_PORT, "protocol": "TCP"}],
        "resources": deepcopy(dict(workload.resources)),
        "securityContext": pods.container_security(),
        # A start may have to recover a large redo log: one hour. A stuck server is restarted after two minutes.
        "startupProbe": _ping(period_s=1, failures=3600),
        "livenessProbe": _ping(period_s=20, failures=6),
        "readinessProbe": _ping(period_s=5, failures=3),
        "volumeMounts": [
            pods.mount("data", _VOLUME_ROOT, read_only=False),
            pods.mount("configuration", "/etc/region-operator/mysql"),
            pods.mount("init", _INIT_DIRECTORY),
            pods.mount("tls", TLS_DIRECTORY),
            pods.mount("run", "/run/mysqld", read_only=False),
            pods.mount("tmp", "/tmp", read_only=False),  # noqa: S108 - an emptyDir
        ],
    }


def _ping(*, period_s: int, failures: int) -> dict[str, Any]:
    command = ["mariadb-admin", "--no-defaults", f"--socket={SOCKET}", f"--user={PROBE_USER}", "--connect-timeout=4"]
    return {
        "exec": {"command": [*command, "ping"]},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def growth_steps(manifest: Manifest, *, claim: VolumeClaimFacts | None, present: WorkloadFacts | None) -> list[Step]:
    """What makes the volume as large as ``manifest`` (the StatefulSet) says, before it is applied (rule 22).

    Decided from the claim and the StatefulSet each on its own, so a pass that was cut off in the middle is taken up.
    """
    template = manifest["spec"]["volumeClaimTemplates"][0]
    wanted = str(template["spec"]["resources"]["requests"]["storage"])
    steps: list[Step] = []
    if claim and claim.requested and quantity(claim.requested) > quantity(wanted):
        return [Wait("DatabaseReady", "StorageShrinkRefused", _shrink(claim, wanted), gate=False)]
    if claim and claim.requested and quantity(claim.requested) < quantity(wanted):
        if claim.expandable is False:
            message = (
                f"StorageClass {claim.storage_class} does not let volumes grow; {claim.meta.ref.name} stays as it is"
            )
            return [Wait("DatabaseReady", "StorageResizing", message, gate=False)]
        steps.append(PatchVolumeClaim(ref=claim.meta.ref, uid=claim.meta.uid, size=wanted))
    if present and present.template_storage and quantity(present.template_storage) != quantity(wanted):
        steps.append(OrphanDelete(ref=present.meta.ref, uid=present.meta.uid))
        fresh = deepcopy(manifest)
        fresh["metadata"].pop("uid", None)
        steps.append(Apply(fresh))
    return steps


def _shrink(claim: VolumeClaimFacts, wanted: str) -> str:
    return (
        f"volume {claim.meta.ref.name} asks for {claim.requested}, spec.database.managed.storage.size is {wanted}: "
        "volumes cannot shrink; set the size to at least what it is"
    )
