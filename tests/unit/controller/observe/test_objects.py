"""Kubernetes objects as facts; whatever is missing is the type's zero value."""

from datetime import UTC, datetime

import pytest

from region_operator.controller.facts import PodFacts
from region_operator.controller.observe import objects

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def body(kind: str = "Pod", *, spec: dict | None = None, status: dict | None = None, **metadata) -> dict:
    found = {"kind": kind, "metadata": {"name": "x", "namespace": "clouds", "uid": "u", **metadata}}
    return found | ({"spec": spec} if spec is not None else {}) | ({"status": status} if status is not None else {})


def waiting(reason: str, message: str = "") -> dict:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(reason: str, message: str = "", **more) -> dict:
    return {"state": {"terminated": {"reason": reason, "message": message, **more}}}


def test_metadata_tells_of_a_deletion():
    found = objects.meta(body(deletionTimestamp="2026-11-22T00:00:00Z", generation=3, labels={"a": "b"}))
    assert (found.deleting, found.generation, found.labels) == (True, 3, {"a": "b"})
    assert not objects.meta(body()).deleting


def workload(generation: int = 2, observed: int = 2, **status: int):
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, **status}
    made = body(
        "Deployment", spec={"replicas": 2}, status={"observedGeneration": observed, **counts}, generation=generation
    )
    return objects.workload(made, ())


def test_a_workload_is_rolled_out_when_every_pod_is_of_the_present_template_and_ready():
    assert workload().rolled_out
    assert not workload(observed=1).rolled_out
    assert not workload(updatedReplicas=1).rolled_out
    assert not workload(readyReplicas=1).rolled_out
    assert not workload(replicas=3).rolled_out, "an old Pod is left"
    assert not objects.workload(body("Deployment", spec={}), ()).rolled_out


def test_a_workload_tells_images_annotations_and_the_size_it_asks_for():
    template = {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {"containers": [{"name": "mariadb", "image": "mariadb:10.11"}]},
    }
    claims = [{"spec": {"resources": {"requests": {"storage": "8Gi"}}}}]
    found = objects.workload(body("StatefulSet", spec={"template": template, "volumeClaimTemplates": claims}), ())
    assert found.images == {"mariadb": "mariadb:10.11"}
    assert (found.template_annotations, found.template_storage, found.replicas) == ({"a": "b"}, "8Gi", 1)


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        ({"containerStatuses": [waiting("ImagePullBackOff", "no such tag")]}, "ImagePullBackOff", "no such tag"),
        ({"containerStatuses": [waiting("ContainerCreating")]}, "", ""),
        ({"initContainerStatuses": [ended("Error", "disk full")]}, "Error", "disk full"),
        ({"initContainerStatuses": [ended("Completed")], "containerStatuses": [waiting("PodInitializing")]}, "", ""),
        (
            {
                "containerStatuses": [
                    {**waiting("CrashLoopBackOff"), "lastState": {"terminated": {"message": "no such user"}}}
                ]
            },
            "CrashLoopBackOff",
            "no such user",
        ),
        (
            {
                "containerStatuses": [
                    {
                        **waiting("CrashLoopBackOff", "back-off 2m40s restarting failed container"),
                        "lastState": {"terminated": {"message": "no such user"}},
                    }
                ]
            },
            "CrashLoopBackOff",
            "no such user",
        ),
        (
            {
                "containerStatuses": [
                    {**waiting("CrashLoopBackOff", "back-off 10s"), "lastState": {"terminated": {"exitCode": 3}}}
                ]
            },
            "CrashLoopBackOff",
            "it ended with exit code 3",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"}]},
            "Unschedulable",
            "0/3",
        ),
        ({"phase": "Running"}, "", ""),
        ({}, "", ""),
    ],
)
def test_why_a_pod_is_stuck(status, reason, message):
    found = objects.pod(body(status=status))
    assert (found.reason, found.message) == (reason, message)


def test_what_a_pod_says_is_cut():
    assert len(objects.pod(body(status={"containerStatuses": [waiting("Error", "x" * 9999)]})).message) == 512


def test_only_pods_that_a_selector_selects_are_its_own():
    selector = {"selector": {"matchLabels": {"app": "a", "region": "x"}}}
    pods = [
        body(name="b", labels={"app": "a", "region": "x", "more": "1"}),
        body(name="a", labels={"app": "a", "region": "x"}),
        body(name="c", labels={"app": "a"}),
        body(name="d"),
    ]
    assert [pod.name for pod in objects.pods_of(body("Deployment", spec=selector), pods)] == ["a", "b"]
    assert objects.pods_of(body("Deployment", spec={}), pods) == ()


def condition(type_: str, **more) -> dict:
    return {"type": type_, "status": "True", "lastTransitionTime": "2026-11-22T02:58:00Z", **more}


@pytest.mark.parametrize(
    ("conditions", "state", "age_s"),
    [
        ([], "Running", None),
        ([condition("Complete")], "Complete", 120.0),
        ([condition("Failed", message="BackoffLimitExceeded")], "Failed", 120.0),
        ([condition("Failed", status="False")], "Running", None),
        ([condition("SuccessCriteriaMet"), condition("Complete")], "Complete", 120.0),
        ([condition("FailureTarget")], "Running", None),
    ],
)
def test_how_a_job_stands(conditions, state, age_s):
    found = objects.job(body("Job", status={"conditions": conditions}), (), now=NOW)
    assert (found.state, found.finished_age_s) == (state, age_s)


def test_a_failed_job_tells_its_pods_last_words_before_the_controllers():
    failed = body("Job", status={"conditions": [condition("Failed", message="BackoffLimitExceeded")]})
    pods = (
        PodFacts("p-1", False, "Failed", "Error", "first try"),
        PodFacts("p-2", False, "Failed", "Error", "user admin: Access denied"),
        PodFacts("p-3", False, "Failed"),
    )
    assert objects.job(failed, pods, now=NOW).message == "user admin: Access denied"
    assert objects.job(failed, (), now=NOW).message == "BackoffLimitExceeded"


def test_a_service_tells_what_the_provider_gave():
    ports = [{"name": "agent", "port": 8443, "nodePort": 31443}]
    ingress = [{"ip": "203.0.113.9"}, {"hostname": "lb.example"}]
    made = body("Service", spec={"type": "LoadBalancer", "ports": ports}, status={"loadBalancer": {"ingress": ingress}})
    found = objects.service(made)
    assert (found.ports, found.node_ports) == ({"agent": 8443}, {"agent": 31443})
    assert found.load_balancer == ("203.0.113.9", "lb.example")
    assert objects.service(body("Service", spec={})).load_balancer == ()


def test_a_volume_tells_how_its_growth_stands():
    spec = {"resources": {"requests": {"storage": "16Gi"}}, "storageClassName": "fast"}
    conditions = [
        {"type": "Resizing", "status": "False"},
        {"type": "FileSystemResizePending", "status": "True", "message": "waiting for a restart"},
    ]
    status = {"phase": "Bound", "capacity": {"storage": "8Gi"}, "conditions": conditions}
    found = objects.volume_claim(body("PersistentVolumeClaim", spec=spec, status=status), expandable=True)
    assert (found.requested, found.capacity, found.storage_class) == ("16Gi", "8Gi", "fast")
    assert (found.condition, found.message) == ("FileSystemResizePending", "waiting for a restart")
    assert objects.volume_claim(body("PersistentVolumeClaim"), expandable=None).requested == ""
