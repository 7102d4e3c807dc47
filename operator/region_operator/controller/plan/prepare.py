"""The prepare Job: schema, users, triggers and seed rows; the only Pod that is given the database's admin.

A Job is named by the hash of all that it is made from, so every change of an input is one new run, and a run that is
done is never repeated. It has no time to live: the finished Job *is* the record that it was done. Those of older inputs
are deleted by the plan, and so is a failed one, some minutes later, to be tried again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from region_operator import naming
from region_operator.controller.facts import JobFacts
from region_operator.controller.plan import pods
from region_operator.controller.plan.access import (
    DatabaseAccess,
    database_environment,
    database_mounts,
    database_volumes,
)
from region_operator.controller.plan.labels import Site, metadata, pod_labels, selector
from region_operator.controller.plan.pods import CONFIGURATION, Workload
from region_operator.controller.plan.steps import CreateOnly, Delete, Manifest, Step, Wait

RETRY_AFTER_S: Final = 120.0
_WAIT_FOR_MANAGED_S: Final = 900  # the Job is made together with the database: its image may have to be pulled
_DEADLINE_S: Final = 1800
# What a run says first when it did not get into the database: our reason, and the field of spec.database.external.
_NO_WAY_IN: Final = {
    "AuthFailed": ("CredentialsRejected", "adminCredentialsSecretRef"),
    "TLSFailed": ("ConnectionFailed", "tls"),
    "ConnectionRefused": ("ConnectionFailed", "host"),
}


@dataclass(frozen=True)
class PrepareInputs:
    """What a run depends on.

    Attributes:
        inputs: digests of the Secrets' values that it sets, by name; a change makes another run.
        retire_other_users: lock the other user of each a/b pair; once all Pods use the new ones.
    """

    workload: Workload
    database: DatabaseAccess
    management_endpoint: str
    managed_management_server: bool
    managed_database: bool
    inputs: Mapping[str, str] = field(default_factory=dict)
    retire_other_users: bool = False


def prepare_job(site: Site, inputs: PrepareInputs) -> Manifest:
    spec: dict[str, Any] = {
        "backoffLimit": 4,
        "activeDeadlineSeconds": _DEADLINE_S,
        "template": {
            "metadata": {
                "labels": pod_labels(site, "prepare"),
                "annotations": {f"{naming.GROUP}/{name}": value for name, value in sorted(inputs.inputs.items())},
            },
            "spec": {**_pod(site, inputs), "restartPolicy": "Never"},
        },
    }
    name = f"{naming.prepare(site.region)}-{_hash8(spec)}"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(site, name, "prepare"),
        "spec": spec,
    }


def _hash8(spec: Mapping[str, Any]) -> str:
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _pod(site: Site, inputs: PrepareInputs) -> dict[str, Any]:
    region = site.region
    environment = {
        **database_environment(inputs.database),
        "PREPARE_REGION_ID": str(site.region_id),
        "PREPARE_REGION_NAME": region,
        "PREPARE_MANAGEMENT_ENDPOINT": inputs.management_endpoint,
        "PREPARE_BUSINESS_SCHEMA": "Create" if inputs.managed_management_server else "Expect",
        "PREPARE_AGENT_CREDENTIALS_DIRECTORY": f"{CONFIGURATION}/agent-user",
        "PREPARE_RETIRE_OTHER_USERS": "true" if inputs.retire_other_users else "false",
    }
    if inputs.managed_database:
        environment["PREPARE_DATABASE_WAIT_SECONDS"] = str(_WAIT_FOR_MANAGED_S)
    volumes = [
        *database_volumes(site, inputs.database, user="admin"),
        pods.user_volume("agent-user", naming.database(region), "agent"),
        pods.empty_directory("tmp", size="64Mi"),
    ]
    mounts = [
        *database_mounts(inputs.database),
        pods.mount("agent-user", f"{CONFIGURATION}/agent-user"),
        pods.mount("tmp", "/tmp", read_only=False),  # noqa: S108 - an emptyDir
    ]
    if inputs.managed_management_server:
        for name, secret in {
            "cloud-admin": naming.admin(region),
            "management-api": naming.management_api(region),
        }.items():
            volumes.append(pods.secret_volume(name, secret))
            mounts.append(pods.mount(name, f"{CONFIGURATION}/{name}"))
        volumes.append(pods.user_volume("manager-user", naming.database(region), "manager"))
        mounts.append(pods.mount("manager-user", f"{CONFIGURATION}/manager-user"))
        environment["PREPARE_MANAGER_CREDENTIALS_DIRECTORY"] = f"{CONFIGURATION}/manager-user"
        environment["PREPARE_ADMIN_CREDENTIALS_DIRECTORY"] = f"{CONFIGURATION}/cloud-admin"
        environment["PREPARE_MANAGEMENT_API_DIRECTORY"] = f"{CONFIGURATION}/management-api"
    container = pods.container("prepare", inputs.workload, arguments=["agent", "prepare"], environment=environment)
    container["volumeMounts"] = mounts
    return pods.pod([container], volumes, scheduling=inputs.workload.scheduling, spread_over=selector(site, "prepare"))


def prepare_steps(
    manifest: Manifest, jobs: Mapping[str, JobFacts], *, keep: frozenset[str] = frozenset(), external: bool = False
) -> list[Step]:
    """Run the Job of ``manifest`` if it has not run; ends with a Wait until it is complete.

    ``keep`` are names of other Jobs that record something; all else is deleted. ``external``: the database is the
    user's, so what is told names the field that leads to it.
    """
    name = manifest["metadata"]["name"]
    steps: list[Step] = [
        Delete(ref=job.meta.ref, uid=job.meta.uid)
        for other, job in sorted(jobs.items())
        if other != name and other not in keep and not job.meta.deleting
    ]
    job = jobs.get(name)
    if job is None or job.meta.deleting:
        return [*steps, CreateOnly(manifest), Wait("DatabaseReady", "Preparing", f"Job {name} is being started")]
    if job.state == "Complete":
        return steps
    if job.state == "Failed" and job.finished_age_s is not None and job.finished_age_s >= RETRY_AFTER_S:
        steps.append(Delete(ref=job.meta.ref, uid=job.meta.uid))
    return [*steps, _told(name, job, external=external)]


def _told(name: str, job: JobFacts, *, external: bool) -> Wait:
    """What to say of a Job that is not complete; why a Pod of it ended counts more than that there is another."""
    again = "it is tried again" if job.state == "Running" else f"it is run again after {RETRY_AFTER_S:.0f} s"
    why = job.message.partition(":")[0]
    if why in _NO_WAY_IN:
        reason, field = _NO_WAY_IN[why]
        subject = f"spec.database.external.{field}" if external else f"Job {name}"
        return Wait("DatabaseReady", reason, f"{subject}: {job.message}; {again}")
    if job.state == "Running":
        said = f"; one of its Pods said: {job.message}" if job.message else ""
        return Wait("DatabaseReady", "Preparing", f"Job {name} makes schema, users and seed rows{said}")
    return Wait("DatabaseReady", "PrepareFailed", f"Job {name} failed: {job.message or 'see its log'}; {again}")
