"""Kubernetes objects as read, turned into facts; pure. Whatever is missing in an object is the type's zero value."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from region_operator.controller import facts

Body = Mapping[str, Any]


def meta(body: Body) -> facts.Meta:
    found = body["metadata"]
    return facts.Meta(
        ref=facts.ObjectRef(str(body.get("kind", "")), found.get("namespace", ""), found["name"]),
        uid=found.get("uid", ""),
        resource_version=found.get("resourceVersion", ""),
        generation=int(found.get("generation") or 0),
        labels=dict(found.get("labels") or {}),
        annotations=dict(found.get("annotations") or {}),
        deleting="deletionTimestamp" in found,
    )


def workload(body: Body, pods: tuple[facts.PodFacts, ...]) -> facts.WorkloadFacts:
    """Read a Deployment or StatefulSet; ``pods`` are those that its selector selects."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    template = spec.get("template") or {}
    templates = spec.get("volumeClaimTemplates") or [{}]
    storage = ((templates[0].get("spec") or {}).get("resources") or {}).get("requests") or {}
    return facts.WorkloadFacts(
        meta=meta(body),
        observed_generation=int(status.get("observedGeneration") or 0),
        replicas=int(spec.get("replicas", 1)),
        updated_replicas=int(status.get("updatedReplicas") or 0),
        ready_replicas=int(status.get("readyReplicas") or 0),
        total_replicas=int(status.get("replicas") or 0),
        images={
            container["name"]: container.get("image", "")
            for container in (template.get("spec") or {}).get("containers") or ()
        },
        template_annotations=dict((template.get("metadata") or {}).get("annotations") or {}),
        template_storage=storage.get("storage", ""),
        pods=pods,
    )


def pods_of(body: Body, pods: Iterable[Body]) -> tuple[facts.PodFacts, ...]:
    """The Pods that a workload or Job selects, by name."""
    wanted = ((body.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    selected = [p for p in pods if wanted and wanted.items() <= (p["metadata"].get("labels") or {}).items()]
    return tuple(sorted((pod(item) for item in selected), key=lambda found: found.name))


def pod(body: Body) -> facts.PodFacts:
    found, status = body["metadata"], body.get("status") or {}
    labels = found.get("labels") or {}
    reason, message = _trouble(status)
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    return facts.PodFacts(
        name=found["name"],
        ready=conditions.get("Ready", {}).get("status") == "True",
        phase=status.get("phase", ""),
        reason=reason,
        message=message,
        revision=labels.get("pod-template-hash") or labels.get("controller-revision-hash") or "",
    )


_USUAL = {"", "PodInitializing", "ContainerCreating", "Completed"}


def _trouble(status: Body) -> tuple[str, str]:
    """Why a Pod is stuck: the first container that waits or died for an unusual reason, else why it is unscheduled."""
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in containers:
        state = container.get("state") or {}
        last = (container.get("lastState") or {}).get("terminated") or {}
        for told in (state.get("waiting"), state.get("terminated")):
            if told and told.get("reason", "") not in _USUAL:
                return told["reason"], _words(told, last)
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return condition.get("reason", "Unschedulable"), condition.get("message", "")[:512]
    return "", ""


def _words(told: Body, last: Body) -> str:
    """What a container said; of one that crashes again and again not how long it rests, which is another each time."""
    if told["reason"] == "CrashLoopBackOff" and last:
        said = last.get("message") or f"it ended with exit code {last.get('exitCode', '?')}"
    else:
        said = told.get("message") or last.get("message") or ""
    return str(said).strip()[:512]


def job(body: Body, pods: tuple[facts.PodFacts, ...], *, now: datetime) -> facts.JobFacts:
    status = body.get("status") or {}
    ended = {item["type"]: item for item in status.get("conditions") or () if item["status"] == "True"}
    state: Literal["Running", "Complete", "Failed"] = (
        "Complete" if "Complete" in ended else "Failed" if "Failed" in ended else "Running"
    )
    told = ended.get("Failed") or {}
    finished = (ended.get("Complete") or told).get("lastTransitionTime")
    said = next((p.message for p in reversed(pods) if p.message), "")
    return facts.JobFacts(
        meta=meta(body),
        state=state,
        message=said or told.get("message", ""),
        finished_age_s=(now - datetime.fromisoformat(finished)).total_seconds() if finished else None,
        pods=pods,
    )


def service(body: Body) -> facts.ServiceFacts:
    spec = body.get("spec") or {}
    ports = spec.get("ports") or ()
    ingress = ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return facts.ServiceFacts(
        meta=meta(body),
        type=spec.get("type", "ClusterIP"),
        ports={item.get("name", ""): int(item["port"]) for item in ports},
        node_ports={item.get("name", ""): int(item["nodePort"]) for item in ports if item.get("nodePort")},
        load_balancer=tuple(item.get("hostname") or item.get("ip", "") for item in ingress),
    )


def volume_claim(body: Body, *, expandable: bool | None) -> facts.VolumeClaimFacts:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    conditions = [item for item in status.get("conditions") or () if item["status"] == "True"]
    condition = conditions[0] if conditions else {}
    return facts.VolumeClaimFacts(
        meta=meta(body),
        phase=status.get("phase", ""),
        requested=((spec.get("resources") or {}).get("requests") or {}).get("storage", ""),
        capacity=(status.get("capacity") or {}).get("storage", ""),
        storage_class=spec.get("storageClassName", ""),
        expandable=expandable,
        condition=condition.get("type", ""),
        message=condition.get("message", ""),
    )


def config_map(body: Body) -> facts.ConfigMapFacts:
    return facts.ConfigMapFacts(meta=meta(body), data=dict(body.get("data") or {}))
